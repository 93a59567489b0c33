//! The throw-away files of a probe.

use crate::Error;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The throw-away files.
pub(super) struct Place {
    pub(super) root: PathBuf,
    _socket: UnixListener,
}

impl Place {
    pub(super) fn new() -> Result<Self, Error> {
        let nonce =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos());
        let root = std::env::temp_dir().join(format!("wardline-canary-{}-{nonce:x}", std::process::id()));
        let make = |path: &Path| {
            fs::DirBuilder::new().mode(0o700).create(path).map_err(|e| Error::file(path, "made", e))
        };
        make(&root)?;
        let [closed, library] = [root.join("closed"), root.join("library")];
        let made = make(&closed).and_then(|()| make(&library)).and_then(|()| {
            let path = closed.join("socket");
            UnixListener::bind(&path).map_err(|e| Error::file(path, "made", e))
        });
        match made {
            Ok(socket) => Ok(Self { root, _socket: socket }),
            Err(e) => {
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "the error that led here is the one to tell"
                )]
                let _ = fs::remove_dir_all(&root);
                Err(e)
            }
        }
    }

    /// Everything is refused in it.
    pub(super) fn closed(&self) -> PathBuf {
        self.root.join("closed")
    }

    /// Only executing is refused in it.
    pub(super) fn library(&self) -> PathBuf {
        self.root.join("library")
    }

    /// Puts the files back as each attempt expects them.
    pub(super) fn refresh(&self) -> Result<(), Error> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |e| Error::file(path, "written", e)
        };
        for gone in ["new", "made", "link"] {
            for parent in [self.closed(), self.root.clone()] {
                let path = parent.join(gone);
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "what an attempt has not made is not there"
                )]
                let _ = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
            }
        }
        let directory = self.closed().join("directory");
        if !directory.is_dir() {
            fs::create_dir(&directory).map_err(wrong(&directory))?;
        }
        for path in [self.closed().join("file"), self.root.join("outside")] {
            fs::write(&path, "canary").map_err(wrong(&path))?;
        }
        let program = fs::canonicalize("/bin/true").map_err(wrong(Path::new("/bin/true")))?;
        for path in [self.closed().join("program"), self.library().join("program")] {
            if !path.exists() {
                fs::copy(&program, &path).map_err(wrong(&path))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(wrong(&path))?;
            }
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.root) {
            tracing::warn!(path = %self.root.display(), error = %e, "the canary's files were left behind");
        }
    }
}
