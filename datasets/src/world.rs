//! The throw-away world: a home, a user, workspaces, and a corner that only the observer reads.

use crate::error::at;
use crate::home::{self, Secret};
use crate::scenario::Ground;
use crate::tools::PATH;
use crate::user::Lease;
use crate::{Error, Session, Tree, User};
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// The name of the pretended agent.
pub const AGENT: &str = "demo-agent";

/// The world of recordings.
pub const FIXED: &str = "/opt/wardline-corpus";
/// Its temporary files.
const FIXED_TMP: &str = "/tmp/wardline-corpus";

/// How old the files of a workspace are.
const OLD: Duration = Duration::from_secs(3_600);

/// A directory with everything in it. Dropping it ends what still runs as its user, and removes it.
#[derive(Debug)]
pub struct World {
    root: Option<TempDir>,
    path: PathBuf,
    tmp: PathBuf,
    name: &'static str,
    /// Keeps others out of a world that has a place of its own.
    _lock: Option<File>,
    /// Keeps the user to it.
    _lease: Option<Lease>,
    /// The user whose home it is.
    pub user: User,
    /// What an observer can recognise.
    pub secrets: Vec<Secret>,
}

/// A session whose workspace lies ready.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The workspace.
    pub workspace: PathBuf,
    /// The agent's command.
    pub command: Vec<OsString>,
}

impl World {
    /// Makes a world. Needs root, since it belongs to a user of its own.
    pub fn create(seed: u64) -> Result<World, Error> {
        // Not /tmp where it can be helped: that is memory on many machines, with rules of its own.
        let parent = ["/var/tmp", "/tmp"].map(Path::new).into_iter().find(|dir| dir.is_dir());
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let root = at(
            "make a directory in",
            &parent,
            tempfile::Builder::new().prefix("wardline-demo-").tempdir_in(&parent),
        )?;
        let path = at("resolve", root.path(), root.path().canonicalize())?;
        let (user, lease) = User::unused()?;
        let mut world = World {
            root: Some(root),
            tmp: path.join("tmp"),
            path,
            name: "demo",
            _lock: None,
            _lease: Some(lease),
            user,
            secrets: Vec::new(),
        };
        world.lay_out()?;
        world.furnish(seed)?;
        world.seal()?;
        Ok(world)
    }

    /// The world of recordings: at a place of its own that stays when it is dropped, so that paths are the same in every
    /// corpus on every machine. Its kind of place counts as well: programs below `/opt` are installed ones, and what lies
    /// in `/tmp` is temporary. One process at a time can have it.
    pub fn fixed(seed: u64) -> Result<World, Error> {
        let path = PathBuf::from(FIXED);
        let lock_file = path.with_extension("lock");
        let lock = at("make", &lock_file, File::options().create(true).append(true).open(&lock_file))?;
        let locked = rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|_| Error::Taken { path: path.clone() })?;
        at("make", &path, fs::create_dir_all(&path))?;
        let user = User::of_recordings()?;
        let mut world = World {
            root: None,
            path,
            tmp: PathBuf::from(FIXED_TMP),
            name: "agent",
            _lock: Some(lock),
            _lease: None,
            user,
            secrets: Vec::new(),
        };
        world.renew(seed)?;
        Ok(world)
    }

    /// Ends what still runs as the user, and makes home, temporary files, remotes and the observer's corner anew.
    pub fn renew(&mut self, seed: u64) -> Result<(), Error> {
        self.user.end_processes();
        let own = ["home", "remotes", "agent", "observer"].map(|name| self.path.join(name));
        for directory in own.into_iter().chain([self.tmp()]) {
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => at("remove", &directory, removed)?,
            }
        }
        self.secrets.clear();
        self.lay_out()?;
        self.furnish(seed)?;
        self.seal()
    }

    /// Sets every secret's access time back, so that a reading moves it.
    pub fn seal(&self) -> Result<(), Error> {
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        // Before the modification time, and older than a day: `relatime` then records the next reading.
        let times = FileTimes::new().set_modified(now - 2 * day).set_accessed(now - 3 * day);
        for secret in &self.secrets {
            let file = File::options().write(true).open(&secret.path);
            at("set the times of", &secret.path, file.and_then(|file| file.set_times(times)))?;
        }
        Ok(())
    }

    fn lay_out(&self) -> Result<(), Error> {
        at("open up", &self.path, fs::set_permissions(&self.path, Permissions::from_mode(0o755)))?;
        let (home, projects) = (format!("home/{}", self.name), format!("home/{}/projects", self.name));
        for (name, mode, owned) in [
            ("home", 0o755, false),
            (home.as_str(), 0o755, true),
            (projects.as_str(), 0o755, true),
            ("remotes", 0o755, true),
            ("agent", 0o755, false),
            ("observer", 0o700, false),
        ] {
            let directory = self.path.join(name);
            at("make", &directory, fs::create_dir(&directory))?;
            at("set the mode of", &directory, fs::set_permissions(&directory, Permissions::from_mode(mode)))?;
            if owned {
                self.give(&directory)?;
            }
        }
        let tmp = self.tmp();
        at("make", &tmp, fs::create_dir(&tmp))?;
        at("set the mode of", &tmp, fs::set_permissions(&tmp, Permissions::from_mode(0o1777)))
    }

    fn furnish(&mut self, seed: u64) -> Result<(), Error> {
        let home = self.home();
        for draft in home::files(seed) {
            let path = home.join(&draft.path);
            self.write(&home, &draft.path, &draft.text, draft.mode)?;
            let pieces = draft.pieces();
            if !pieces.is_empty() {
                self.secrets.push(Secret { path, jewel: draft.jewel, pieces });
            }
        }
        Ok(())
    }

    /// The directory that holds it all.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fake home.
    pub fn home(&self) -> PathBuf {
        self.path.join("home").join(self.name)
    }

    /// Where Wardline keeps what belongs to this world. Not made yet.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Where the observer keeps notes: no session can read it.
    pub fn observer(&self) -> PathBuf {
        self.path.join("observer")
    }

    /// For temporary files of sessions.
    pub fn tmp(&self) -> PathBuf {
        self.tmp.clone()
    }

    /// The bare repositories behind the git remote.
    pub fn remotes(&self) -> PathBuf {
        self.path.join("remotes")
    }

    /// The whole environment of a session.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("PATH", PATH.into()),
            ("HOME", self.home().into()),
            ("USER", self.name.into()),
            ("LOGNAME", self.name.into()),
            ("SHELL", "/bin/bash".into()),
            ("LANG", "C".into()),
            ("TERM", "dumb".into()),
            ("TMPDIR", self.tmp().into()),
        ]
    }

    /// Where a scenario takes place, when it does in this workspace.
    pub fn ground(&self, workspace: &Path) -> Ground {
        Ground {
            home: self.home(),
            workspace: workspace.to_owned(),
            remotes: self.remotes(),
            user: self.user,
            secrets: self.secrets.clone(),
        }
    }

    /// Writes a session's workspace, and its script where the agent looks for it.
    pub fn place(&self, session: &Session) -> Result<Placed, Error> {
        let workspace = self.home().join("projects").join(&session.name);
        at("make", &workspace, fs::create_dir(&workspace))?;
        // As old as files are: git reads again what is no older than its index.
        let times = FileTimes::new().set_modified(SystemTime::now() - OLD);
        for (path, text) in &session.tree.files {
            self.write(&workspace, path, text, 0o644)?;
            let path = workspace.join(path);
            let file = File::options().write(true).open(&path);
            at("set the times of", &path, file.and_then(|file| file.set_times(times)))?;
        }
        self.give(&workspace)?;
        if session.tree.git {
            self.begin_history(&workspace, session)?;
        }
        let script = self.path.join("agent/plan.sh");
        at("write", &script, fs::write(&script, &session.script))?;
        Ok(Placed { workspace, command: vec!["bash".into(), script.into()] })
    }

    /// Makes a workspace a repository that was cloned from a remote.
    fn begin_history(&self, workspace: &Path, session: &Session) -> Result<(), Error> {
        const BEGIN: &str = "git init -q --template= && git add -A && git commit -q -m 'Begin' \
            && git clone -q --bare --template= . \"$1\" && git remote add origin \"$2\" \
            && git update-ref refs/remotes/origin/main HEAD";
        let bare = self.remotes().join(format!("{}.git", session.name));
        let url = crate::network::remote_url(&session.name);
        let mut command = self.as_user("bash", workspace);
        let output = command.args(["-c", BEGIN, "bash"]).arg(bare).arg(url).output();
        let output = at("run bash in", workspace, output)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            what: format!("making the repository of {}", session.name),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Runs a session with nothing watching it.
    pub fn run_unguarded(&self, placed: &Placed) -> Result<Output, Error> {
        let mut words = placed.command.iter();
        let program = words.next().cloned().unwrap_or_else(|| "bash".into());
        let mut command = self.as_user(program, &placed.workspace);
        at("run the agent in", &placed.workspace, command.args(words).output())
    }

    /// A command as the user of the home, with nothing of the caller's environment.
    pub(crate) fn as_user(&self, program: impl AsRef<std::ffi::OsStr>, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(directory).stdin(Stdio::null());
        // The standard library drops every supplementary group when root sets a uid.
        command.uid(self.user.id).gid(self.user.id);
        command
    }

    /// Files of a tree that are still where they were.
    pub fn remaining(&self, workspace: &Path, tree: &Tree) -> usize {
        tree.files.keys().filter(|path| workspace.join(path).exists()).count()
    }

    /// Leaves the world where it is, and tells where.
    pub fn keep(mut self) -> PathBuf {
        if let Some(root) = self.root.take() {
            drop(root.keep());
        }
        self.path.clone()
    }

    /// Gives a file of the world to its user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        at("give away", path, lchown(path, Some(self.user.id), Some(self.user.id)))
    }

    /// Writes a file of the user's, with the directories above it.
    pub(crate) fn write(&self, base: &Path, relative: &str, text: &str, mode: u32) -> Result<(), Error> {
        let path = base.join(relative);
        let mut above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| *above != base).collect();
        above.reverse();
        for directory in above {
            if !directory.exists() {
                at("make", directory, fs::create_dir(directory))?;
                self.give(directory)?;
            }
        }
        at("write", &path, fs::write(&path, text))?;
        at("set the mode of", &path, fs::set_permissions(&path, Permissions::from_mode(mode)))?;
        self.give(&path)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.user.end_processes();
    }
}
