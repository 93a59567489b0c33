//! A world with a key in it, and a program that tries to get at it, in a session and outside of one.

use crate::attempt::{self, Attempt, Outcomes, SECRET};
pub use crate::machine::is_machine;
use crate::{World, lasting};
use anyhow::{Context, Result, ensure};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// As many links as the kernel follows.
pub const LINKS: usize = 40;

/// What came of a session: of its attempts, its summary, and what it printed.
pub type Came = (Outcomes, Value, Output);

/// A world with a key, and names that lead to it.
pub struct Scene {
    bound: PathBuf,
    program: PathBuf,
    as_root: bool,
    /// The world.
    pub world: World,
}

impl Scene {
    /// Makes one; attempts are then made by root, or by the world's user.
    pub fn new(as_root: bool) -> Result<Self> {
        Self::of(World::served_from(lasting::state()?)?, as_root)
    }

    /// One in which something may be learned, and nobody else has learned anything.
    pub fn apart(as_root: bool) -> Result<Self> {
        Self::of(World::new()?, as_root)
    }

    fn of(world: World, as_root: bool) -> Result<Self> {
        let home = world.home();
        for (path, content) in [
            (".ssh/id_ed25519", SECRET),
            (".ssh/config", "Host box\n  User somebody\n"),
            (".bashrc", "plain\n"),
            (".claude/notes", "plain\n"),
            ("notes.txt", "plain\n"),
            ("projects/app/main.txt", "plain\n"),
            ("projects/app/cover", "plain\n"),
        ] {
            world.write(&home.join(path), content)?;
        }
        let key = home.join(".ssh/id_ed25519");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        fs::hard_link(&key, home.join("old-link"))?;
        symlink(&key, home.join("link-1"))?;
        for n in 2..=LINKS {
            symlink(format!("link-{}", n - 1), home.join(format!("link-{n}")))?;
        }
        symlink(".ssh", home.join("keys"))?;
        // It runs as a user who may not reach the directory that this program lies in.
        let program = world.path().join("program");
        fs::copy(std::env::current_exe()?, &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let bound = home.join("bound");
        fs::create_dir(&bound)?;
        rustix::mount::mount_bind(home.join(".ssh"), &bound)?;
        Ok(Self { bound, program, as_root, world })
    }

    /// A path in the home.
    pub fn path(&self, path: &str) -> String {
        self.world.home().join(path).display().to_string()
    }

    /// Makes attempts without a guard.
    pub fn free(&self, attempts: &[Attempt]) -> Result<Outcomes> {
        let mut command = Command::new("/usr/bin/env");
        attempt::make(&mut command, &self.program, self.world.path(), attempts)?;
        if !self.as_root {
            command.uid(self.world.user.id).gid(self.world.user.id);
        }
        let output = command.current_dir(self.world.workspace()).output()?;
        let came = attempt::outcomes(&output);
        ensure!(came.len() >= attempts.len(), "{output:?}");
        Ok(came)
    }

    /// Makes attempts in a session; with what the session amounted to.
    pub fn guarded(&self, verb: &str, attempts: &[Attempt]) -> Result<Came> {
        self.through(verb, &[], &[], attempts)
    }

    /// Makes attempts in a session that could not be confined: its client may not administrate the system.
    pub fn unconfined(&self, verb: &str, attempts: &[Attempt]) -> Result<Came> {
        self.session(verb, &[], &[], attempts, |client| {
            let drop = || Ok(remove_capability_from_bounding_set(CapabilitySet::SYS_ADMIN)?);
            // SAFETY: between fork and exec it makes one call and touches no memory of others.
            unsafe { client.pre_exec(drop) };
        })
    }

    /// Makes attempts in a session whose command begins with `first`.
    pub fn through(&self, verb: &str, first: &[&str], more: &[&str], attempts: &[Attempt]) -> Result<Came> {
        self.session(verb, first, more, attempts, |_| {})
    }

    /// The same with what is done to the client's command before it is started.
    pub fn session(
        &self,
        verb: &str,
        first: &[&str],
        more: &[&str],
        attempts: &[Attempt],
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Came> {
        let summary = self.world.path().join("summary.json");
        let mut more = more.to_vec();
        let summary_text = summary.to_str().context("path")?;
        more.extend(["--quiet", "--summary-file", summary_text]);
        let mut args = self.world.session(verb, &more);
        if self.as_root {
            let user = args.iter().position(|arg| arg == "--user").context("no --user")?;
            args.splice(user..user + 2, ["--as-root".to_owned()]);
        }
        let mut command = self.world.wardline(args);
        command.args(first);
        attempt::make(&mut command, &self.program, self.world.path(), attempts)?;
        command.env("SSH_AUTH_SOCK", self.world.path().join("agent.sock"));
        prepare(&mut command);
        let output = command.output()?;
        let summary = fs::read(summary).unwrap_or_default();
        let summary = serde_json::from_slice(&summary).with_context(|| format!("no summary: {output:?}"))?;
        Ok((attempt::outcomes(&output), summary, output))
    }

    /// `~/.ssh` and everything in it, with what could be changed of it.
    pub fn keys(&self) -> Result<Vec<String>> {
        let mut keys = vec![format!("{:o}", fs::metadata(self.path(".ssh"))?.permissions().mode())];
        for entry in fs::read_dir(self.path(".ssh"))? {
            let path = entry?.path();
            let mut names = [0; 256];
            let attributes = rustix::fs::listxattr(&path, &mut names)?;
            let mode = fs::metadata(&path)?.permissions().mode();
            keys.push(format!("{} {mode:o} {attributes} {}", path.display(), fs::read_to_string(&path)?));
        }
        keys.sort();
        Ok(keys)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.bound, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Whether sessions here are in the tier `lsm`.
pub fn can_refuse() -> bool {
    let lsms = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let can = is_machine() && lsms.split(',').any(|name| name.trim() == "bpf");
    can && std::env::var_os("WARDLINE_WITHOUT_LSM").is_none()
}

/// Whether a Landlock domain can restrict no file and keep processes apart all the same: since Linux 6.7, where it is on.
pub fn has_domains() -> bool {
    const VERSION: u32 = 1;
    /// The first interface that has rules about ports.
    const PORTS: i64 = 4;
    // SAFETY: it is asked for its version, and reads nothing.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) };
    version >= PORTS
}

/// Version of the running kernel.
pub fn kernel() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether a session notices what changes: in tier `tracepoint` since Linux 6.13, where the kernel says so.
pub fn tells_changes(summary: &Value) -> Result<bool> {
    Ok(is_lsm(summary)? || kernel() >= (6, 13))
}

/// The tier of a session, which must be `lsm` where it can be.
pub fn is_lsm(summary: &Value) -> Result<bool> {
    let lsm = summary["tier"] == "lsm";
    ensure!(lsm || !can_refuse(), "not in tier lsm: {summary}");
    Ok(lsm)
}

/// That the denials are T0's, by the means of the tier, and as many as were seen from inside.
pub fn assert_denials(summary: &Value, at_least: usize) -> Result<()> {
    let means = if is_lsm(summary)? { "lsm" } else { "fanotify" };
    let denials = summary["denials"].as_array().context("no denials")?;
    for denial in denials {
        assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"refused".into()), "{denial}");
        assert_eq!(denial["means"], means, "{denial}");
        assert!(denial["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{denial}");
    }
    let denied = summary["denied"].as_u64().context("no number of denials")?;
    assert!(denied >= at_least as u64, "{denied} of {at_least}: {summary}");
    assert_eq!((&summary["stopped_by"], &summary["lost"]), (&"T0".into(), &0.into()), "{summary}");
    Ok(())
}

/// Attempts from rows of name, verb and arguments.
pub fn rows<const N: usize>(rows: [(&str, &str, &[&str]); N]) -> Vec<Attempt> {
    rows.iter().map(|(name, verb, arguments)| Attempt::new(name, verb, *arguments)).collect()
}
