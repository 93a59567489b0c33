//! Where Wardline keeps what it knows.

use crate::Exit;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The state directory of an installed Wardline.
pub const DEFAULT: &str = "/var/lib/wardline";
/// The runtime directory that goes with it: a socket belongs where it vanishes at boot.
const DEFAULT_RUN: &str = "/run/wardline";

/// The state directory: `UID/sessions.db` and `UID/baselines/` for each user, the supervisor's log, and `run/` with the
/// control socket (in `/run/wardline` for the default directory).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    root: PathBuf,
    unsafe_paths: bool,
}

impl State {
    /// The state directory at `root`; `unsafe_paths`: also where others than root may change it.
    pub fn new(root: &Path, unsafe_paths: bool) -> Result<Self> {
        let root = std::path::absolute(root).with_context(|| format!("`{}` is no path", root.display()))?;
        Ok(Self { root, unsafe_paths })
    }

    /// Its own path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The arguments of another command about it.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--state-dir".into(), self.root.clone().into_os_string()];
        if self.unsafe_paths {
            arguments.push("--unsafe-paths".into());
        }
        arguments
    }

    /// Where sockets and locks lie.
    pub fn run(&self) -> PathBuf {
        if self.root == Path::new(DEFAULT) { DEFAULT_RUN.into() } else { self.root.join("run") }
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.run().join("control.sock")
    }

    /// The same for root alone: nobody else's connections wait there.
    pub fn socket_of_root(&self) -> PathBuf {
        self.run().join("root.sock")
    }

    /// What makes the supervisor the only one of this directory.
    pub fn lock(&self) -> PathBuf {
        self.run().join("supervisor.lock")
    }

    /// What the administrator configured.
    pub fn configuration(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The supervisor's log.
    pub fn log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// What belongs to one user.
    pub fn user(&self, uid: u32) -> PathBuf {
        self.root.join(uid.to_string())
    }

    /// The user's sessions.
    pub fn sessions(&self, uid: u32) -> PathBuf {
        self.user(uid).join("sessions.db")
    }

    /// The user's store; `None` where nothing was recorded yet.
    pub fn store(&self, uid: u32) -> Result<Option<store::Reader>> {
        let path = self.sessions(uid);
        match fs::metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("`{}` cannot be read", path.display())),
            Ok(_) => {}
        }
        Ok(Some(store::Reader::open(&path)?))
    }

    /// The store of a command that needs one.
    pub fn existing_store(&self, uid: u32) -> Result<store::Reader> {
        self.store(uid)?.ok_or_else(|| {
            let known = self.users().into_iter().filter(|user| self.sessions(*user).exists());
            let known = known.map(|user| user.to_string()).collect::<Vec<_>>().join(", ");
            let hint = if known.is_empty() {
                String::new()
            } else {
                format!(" (there are sessions of user {known}: `--user`)")
            };
            Exit::Usage.error(format!(
                "nothing was recorded for user {uid} in `{}` yet: `wardline record` does{hint}",
                self.root.display()
            ))
        })
    }

    /// Users that something is known of.
    pub fn users(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.root) else { return Vec::new() };
        let mut users: Vec<u32> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        users.sort_unstable();
        users
    }

    /// Makes the directory and its `run/`, passable for everybody, since the control socket is for everybody; what
    /// belongs to a user is made closed by [`State::create_user`].
    pub fn create(&self) -> Result<()> {
        for (directory, mode) in [(self.root.clone(), 0o711), (self.run(), 0o755)] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&directory)
                .and_then(|()| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)))
                .with_context(|| {
                    format!("`{}` cannot be made: choose another one with `--state-dir`", directory.display())
                })?;
        }
        Ok(())
    }

    /// Makes the user's directory, closed for everybody but root.
    pub fn create_user(&self, uid: u32) -> Result<PathBuf> {
        let directory = self.user(uid);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("`{}` cannot be made", directory.display()))?;
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_of_the_default_directory_vanishes_at_boot() {
        assert_eq!(
            State::new(Path::new(DEFAULT), false).unwrap().socket(),
            Path::new("/run/wardline/control.sock")
        );
        assert_eq!(State::new(Path::new("/x"), false).unwrap().socket(), Path::new("/x/run/control.sock"));
    }

    #[test]
    fn users_are_the_directories_with_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::new(dir.path(), false).unwrap();
        state.create().unwrap();
        state.create_user(1000).unwrap();
        state.create_user(7).unwrap();
        assert_eq!(state.users(), [7, 1000]);
    }
}
