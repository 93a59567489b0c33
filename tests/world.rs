//! A throw-away world: state directory, home and workspace of a user that nobody else is, and the end of the supervisor
//! and its sessions with it, also when a test panics.

use anyhow::{Context, Result, ensure};
use datasets::Wardline;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The binary: `WARDLINE_BIN`, or the newer one of this workspace's own builds.
pub fn wardline() -> PathBuf {
    if let Some(path) = std::env::var_os("WARDLINE_BIN") {
        return path.into();
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let built = ["release/wardline", "debug/wardline"].map(|path| target.join(path));
    let newest = built.into_iter().max_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
    newest.and_then(|path| path.canonicalize().ok()).unwrap_or_else(|| "wardline".into())
}

/// The laboratory's binary, beside it.
pub fn lab() -> PathBuf {
    wardline().with_file_name("wardline-lab")
}

/// Whether a program lies in `PATH`.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The user that sessions run as: in no password file, and another one in each world, since worlds of parallel tests
/// must not end each other's processes.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// uid and gid.
    pub id: u32,
}

impl User {
    fn next() -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        const FIRST: u32 = 1_000_000;
        const WORLDS_OF_A_PROCESS: u32 = 64;
        let world = WORLDS.fetch_add(1, Ordering::Relaxed) % WORLDS_OF_A_PROCESS;
        Self { id: FIRST + std::process::id() * WORLDS_OF_A_PROCESS + world }
    }
}

/// A throw-away world.
pub struct World {
    directory: tempfile::TempDir,
    /// Of a supervisor that other worlds have as well.
    shared: Option<PathBuf>,
    /// Who sessions run as.
    pub user: User,
}

impl World {
    /// Makes one. Needs root.
    pub fn new() -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "these tests need root: run them with `sudo`");
        let directory = tempfile::Builder::new().prefix("wardline-test-").tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let world = Self { directory, shared: None, user: User::next() };
        for path in [world.home(), world.workspace()] {
            fs::create_dir_all(&path)?;
            chown(&path, Some(world.user.id), Some(world.user.id))?;
        }
        Ok(world)
    }

    /// Makes one whose sessions have the supervisor of a state directory, which serves other worlds as well and is not ended with it.
    pub fn served_from(state: PathBuf) -> Result<Self> {
        let mut world = Self::new()?;
        world.shared = Some(state);
        Ok(world)
    }

    /// The binary where the world's user can reach it: the tree that built it may lie in a home that is closed to others.
    pub fn program(&self) -> Result<PathBuf> {
        let program = self.path().join("wardline");
        if !program.exists() {
            fs::copy(wardline(), &program).context("the binary cannot be copied")?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        }
        Ok(program)
    }

    /// The directory that holds all of it.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.shared.clone().unwrap_or_else(|| self.path().join("state"))
    }

    /// The user's home.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// A workspace in the home.
    pub fn workspace(&self) -> PathBuf {
        self.home().join("projects/app")
    }

    /// Writes a file of the user.
    pub fn write(&self, path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
        for path in path.ancestors().take_while(|path| *path != self.home()) {
            if path.starts_with(self.home()) {
                chown(path, Some(self.user.id), Some(self.user.id))?;
            }
        }
        Ok(())
    }

    /// `wardline --state-dir ... ARGS`, in the workspace, with an environment of its own.
    pub fn wardline<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.wardline_of(&wardline(), args)
    }

    /// The same with a copy of the binary.
    pub fn wardline_of<S: AsRef<OsStr>>(&self, program: &Path, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.driven(program).command();
        command.args(args).current_dir(self.workspace());
        command
    }

    fn driven(&self, program: &Path) -> Wardline {
        Wardline::new(program, self.state()).envs(environment())
    }

    /// The arguments of `record` or `enforce` as this world's user, up to the command.
    pub fn session(&self, verb: &str, more: &[&str]) -> Vec<String> {
        let user = format!("{0}:{0}", self.user.id);
        let home = self.home().display().to_string();
        let mut args = vec![verb, "--agent", "test-agent", "--user", &user, "--home", &home];
        args.extend(more);
        args.push("--");
        args.into_iter().map(str::to_owned).collect()
    }

    /// Runs `wardline` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        self.wardline(args).output().context("`wardline` cannot be run")
    }

    /// Runs a shell script in a session to its end.
    pub fn run_script(&self, verb: &str, more: &[&str], script: &str) -> Result<Output> {
        let mut args = self.session(verb, more);
        args.extend(["bash", "-c", script].map(str::to_owned));
        self.run(args)
    }

    /// The pid of this world's supervisor.
    pub fn supervisor(&self) -> Option<u32> {
        let state = self.state();
        processes().find(|&pid| {
            let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
            let args: Vec<&[u8]> = line.split(|&b| b == 0).collect();
            args.contains(&&b"supervisor"[..]) && args.contains(&state.as_os_str().as_encoded_bytes())
        })
    }

    /// The processes of this world's user.
    pub fn user_processes(&self) -> Vec<u32> {
        processes()
            .filter(|pid| {
                let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
                let uid = ids.split_whitespace().next().and_then(|uid| uid.parse::<u32>().ok());
                uid == Some(self.user.id) && is_alive(*pid)
            })
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let wardline = self.driven(&wardline());
        if self.shared.is_none() {
            wardline.stop();
        }
        for pid in self.user_processes() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the supervisor's log\n{}---", wardline.log());
        }
    }
}

/// The environment of `wardline`.
pub(crate) fn environment() -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> =
        vec![("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into()), ("TERM", "xterm".into())];
    // `sudo` runs a program that was built in a tree of its user's own.
    let of_others = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.uid() != 0);
    if wardline().ancestors().any(of_others) {
        variables.push(("WARDLINE_UNSAFE_PATHS", "1".into()));
    }
    variables.extend(std::env::var_os("WARDLINE_WITHOUT_LSM").map(|value| ("WARDLINE_WITHOUT_LSM", value)));
    variables
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether any thread of a process lives: its first one may have exited before the others.
pub fn is_alive(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
        .any(|stat| stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X'])))
}

/// Waits until `done` says so; false when it did not within `limit`.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !done() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
