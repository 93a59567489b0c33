//! The key under which secrets in arguments are hashed: 32 random bytes in the state directory, made once. With another
//! key the same secret has another replacement, and nothing else changes.

use crate::Error;
use event::secret::Redactor;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

const FILE: &str = "secrets.key";
const KEY_BYTES: usize = 32;

/// What replaces secrets, with this machine's key. The caller is the only supervisor of the state directory.
pub(super) fn redactor(state: &Path) -> Result<Redactor, Error> {
    let path = state.join(FILE);
    let key = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
        Ok(file) => read(&path, file)?,
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path)?,
        Err(error) => return Err(Error::file(path, "opened", error)),
    };
    Ok(Redactor::new(key))
}

/// Reads a key that only its owner can touch.
fn read(path: &Path, mut file: File) -> Result<[u8; KEY_BYTES], Error> {
    let wrong = |error| Error::file(path, "read", error);
    let meta = file.metadata().map_err(wrong)?;
    let own = rustix::process::geteuid().as_raw();
    if !meta.is_file() || meta.mode() & 0o077 != 0 || meta.uid() != own || meta.len() != KEY_BYTES as u64 {
        let problem =
            "it is no file of 32 bytes that only its owner can touch: remove it, and another is made";
        return Err(wrong(std::io::Error::other(problem)));
    }
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).map_err(wrong)?;
    Ok(key)
}

/// Makes one: whole or not at all.
fn make(path: &Path) -> Result<[u8; KEY_BYTES], Error> {
    let random = Path::new("/dev/urandom");
    let mut key = [0; KEY_BYTES];
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut key))
        .map_err(|error| Error::file(random, "read", error))?;
    let new = path.with_extension("new");
    #[expect(clippy::let_underscore_must_use, reason = "what lies there is told by the creation below")]
    let _ = fs::remove_file(&new);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| Error::file(path, "made", error))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let replaced = |redactor: Redactor| {
            let mut args = ["--password".into(), "hunter2".into()];
            redactor.arguments(&mut args, false);
            args[1].clone()
        };
        let first = replaced(redactor(dir.path()).unwrap());
        assert_eq!(replaced(redactor(dir.path()).unwrap()), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(redactor(dir.path()).is_err());
        fs::remove_file(&path).unwrap();
        assert_ne!(replaced(redactor(dir.path()).unwrap()), first);
    }
}
