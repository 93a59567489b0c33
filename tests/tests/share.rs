//! The share of one session or user in common resources: the disk, processes, and exceptions from the deny-list.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::{User, World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// Headings of the page.
const FLOODED: &str = "The guard is flooded";
const LOOSENED: &str = "What one user may is used for another one's";

/// Runs a script in a session of any user; its summary.
fn run(world: &World, user: User, more: &[&str], script: &str) -> Result<(Output, Value)> {
    let summary = world.path().join("summary.json");
    let home = world.home().display().to_string();
    let mut args = vec!["enforce", "--agent", "test-agent", "--home", &home, "--quiet"];
    let (id, file) = (format!("{0}:{0}", user.id), summary.display().to_string());
    args.extend(["--user", &id, "--summary-file", &file]);
    args.extend(more);
    args.extend(["--", "bash", "-c", script]);
    let output = world.wardline(args).output()?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok((output, serde_json::from_slice(&text)?))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn configure(world: &World, text: &str) -> Result<()> {
    fs::create_dir_all(world.state())?;
    Ok(fs::write(world.state().join("config.toml"), text)?)
}

/// Opens of 20,000 names that nobody has seen, each of which is kept once. In the end a key.
const FLOOD: &str = "long=$(printf 'x%.0s' {1..200})
for ((i = 0; i < 20000; i++)); do : </nowhere/$long-$i; done 2>/dev/null
cat ~/.ssh/id_ed25519 2>/dev/null; echo code=$?";

#[test]
fn a_session_fills_no_disk_and_what_was_decided_is_kept() -> Result<()> {
    const LIMIT: u64 = 1 << 20;
    let world = World::new()?;
    world.write(&world.home().join(".ssh/id_ed25519"), "key")?;
    let home = format!("HOME={}", world.home().display());
    let flood = format!("export {home}\n{FLOOD}");
    let size = || -> Result<u64> {
        let of_user = world.state().join(world.user.id.to_string());
        let files = fs::read_dir(of_user)?.flatten().filter_map(|file| file.metadata().ok());
        Ok(files.map(|file| file.len()).sum())
    };
    configure(&world, "[recording]\nsession-max = \"1M\"\nday-max = \"3M\"\n")?;
    let (output, summary) = run(&world, world.user, &[], &flood)?;
    assert_eq!(said(&output), "code=1\n", "{summary:#}");
    assert_eq!(summary["t0_hits"], 1, "{summary:#}");
    let notes = summary["notes"].to_string();
    ensure!(notes.contains("met its limit"), "{notes}");
    let first = size()?;
    // A transaction of a thousand rows is the least that is counted; beside it lie the log and an empty store.
    ensure!(first < 6 * LIMIT, "{first} bytes");
    let shown = world.run(["show", "last", "--user", &world.user.id.to_string()])?;
    ensure!(said(&shown).contains("id_ed25519"), "what was decided is not kept: {}", said(&shown));
    // It does not train, and nor is it silent about why.
    let trained = world.run(["train", "--user", &world.user.id.to_string()])?;
    let trained = format!("{}{}", said(&trained), String::from_utf8_lossy(&trained.stderr));
    ensure!(!trained.contains("panicked"), "{trained}");
    // Nor do many of them.
    for _ in 0..6 {
        run(&world, world.user, &[], &flood)?;
    }
    let all = size()?;
    ensure!(all < 6 * LIMIT + 4 * LIMIT, "{first} bytes, and then {all}");
    let way = "the store is filled up to its limit, by 20,000 names that nobody has seen, and a key is read";
    bypass::came(FLOODED, way, "a user", Fate::Refused);
    Ok(())
}

#[test]
fn a_session_has_so_many_processes_where_they_can_be_limited() -> Result<()> {
    let controllers = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let controllers = controllers.map(|root| fs::read_to_string(format!("{root}/cgroup.controllers")));
    let limits = controllers.into_iter().flatten().any(|all| all.split_whitespace().any(|one| one == "pids"));
    let world = World::new()?;
    configure(&world, "[session]\nprocesses-max = 20\n")?;
    let script = "for i in {1..40}; do sleep 30 & done 2>/dev/null; jobs -p | wc -l; kill $(jobs -p)";
    let (output, summary) = run(&world, world.user, &[], script)?;
    let started: u32 = said(&output).trim().parse().unwrap_or(0);
    if !limits {
        let log = fs::read_to_string(world.state().join("supervisor.log"))?;
        ensure!(log.contains("may have as many processes as its user"), "{log}");
        ensure!(started == 40, "{started}: {output:?}");
        return Ok(());
    }
    ensure!((1..20).contains(&started), "{started}: {output:?} {summary:#}");
    bypass::came(FLOODED, "more processes than a session may have", "a user", Fate::Refused);
    Ok(())
}

/// A supervisor that stays, for users without root's rights.
struct Service<'a>(&'a World, Child);

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(["stop", "--kill-sessions"]);
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

#[test]
fn force_reaches_only_what_its_user_owns() -> Result<()> {
    let world = World::new()?;
    let service = world.wardline(["supervisor", "--stay"]).stderr(Stdio::null()).spawn()?;
    let _service = Service(&world, service);
    let serves = || world.run(["sessions", "--json"]).is_ok_and(|output| output.status.success());
    ensure!(
        wait_until(SOON, || world.state().join("run/control.sock").exists() && serves()),
        "no supervisor"
    );
    let forced = |workspace: &Path| -> Result<Output> {
        let place = workspace.display().to_string();
        let args = [
            "enforce",
            "--quiet",
            "--agent",
            "a",
            "--force",
            "--workspace",
            &place,
            "--",
            "bash",
            "-c",
            "exit 7",
        ];
        let mut command = world.wardline_of(&world.program()?, args);
        command.uid(world.user.id).gid(world.user.id).env("HOME", world.home());
        Ok(command.output()?)
    };
    for place in ["/", "/etc", "/root"].map(Path::new) {
        let output = forced(place)?;
        assert_eq!(output.status.code(), Some(122), "{output:?}");
    }
    let output = forced(Path::new("/etc"))?;
    ensure!(String::from_utf8_lossy(&output.stderr).contains("reaches only what you own"), "{output:?}");
    assert_eq!(forced(&world.workspace())?.status.code(), Some(7));
    bypass::came(
        LOOSENED,
        "`--force` with a workspace that belongs to somebody else",
        "a user",
        Fate::Refused,
    );
    Ok(())
}

#[test]
fn a_key_in_a_workspace_is_closed_unless_that_is_forced() -> Result<()> {
    let world = World::new()?;
    world.write(&world.workspace().join("id_rsa"), "key\n")?;
    let script = "cat id_rsa 2>/dev/null; echo code=$?";
    let (output, summary) = run(&world, world.user, &[], script)?;
    assert_eq!(said(&output), "code=1\n", "{summary:#}");
    bypass::came("A key is read", "in the workspace itself", "a user", Fate::Refused);
    let (output, _) = run(&world, world.user, &["--force"], script)?;
    assert_eq!(said(&output), "key\ncode=0\n");
    Ok(())
}

/// A workspace of one user's session takes nothing from what another one is refused.
#[test]
fn somebody_elses_workspace_is_no_exception() -> Result<()> {
    let world = World::new()?;
    let project = world.home().join("elsewhere");
    world.write(&project.join("deep/id_ecdsa"), "key\n")?;
    for path in [world.home(), project.clone()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    let other = User { id: world.user.id + 500_000 };
    let home = world.path().join("other");
    fs::create_dir(&home)?;
    chown(&home, Some(other.id), Some(other.id))?;
    let place = project.display().to_string();
    let mut args: Vec<String> = ["enforce", "--agent", "a", "--quiet", "--user"].map(str::to_owned).into();
    args.extend([format!("{0}:{0}", other.id), "--home".into(), home.display().to_string()]);
    args.extend(["--force", "--workspace", &place, "--", "sleep", "60"].map(str::to_owned));
    let mut client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed = || -> Result<Value> {
        Ok(serde_json::from_slice(
            &world.run(["sessions", "--json", "--user", &other.id.to_string()])?.stdout,
        )?)
    };
    ensure!(wait_until(SOON, || listed().is_ok_and(|all| all[0]["state"] == "running")), "{:?}", listed());
    let script = format!("cat '{place}/deep/id_ecdsa' 2>/dev/null; echo code=$?");
    let (output, summary) = run(&world, world.user, &[], &script)?;
    client.kill()?;
    client.wait()?;
    assert!(!said(&output).contains("key"), "{}: {summary:#}", said(&output));
    bypass::came(
        LOOSENED,
        "a key in the workspace of another user's session is read",
        "a user",
        Fate::Refused,
    );
    Ok(())
}
