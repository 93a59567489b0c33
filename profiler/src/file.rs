//! Files that are nobody else's business: private, bounded, replaced whole.

use crate::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

fn io<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> Error + 'p {
    move |error| Error::Io { doing, path: path.to_owned(), error }
}

/// Reads a file that only its owner can touch; `None` if there is none. A link in its place is refused.
pub(crate) fn read_private(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("opening", path)(error)),
    };
    let meta = file.metadata().map_err(io("reading", path))?;
    let problem = if !meta.is_file() {
        Some("no regular file")
    } else if meta.mode() & 0o077 != 0 {
        Some("open to other users")
    } else if meta.uid() != owner()? {
        Some("another user's")
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(Error::Unsafe { path: path.to_owned(), problem });
    }
    bounded(file, path, limit).map(Some)
}

/// Reads any file.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    bounded(File::open(path).map_err(io("opening", path))?, path, limit)
}

fn bounded(file: File, path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(io("reading", path))?;
    if bytes.len() > limit {
        return Err(Error::Unsafe { path: path.to_owned(), problem: "larger than it can be" });
    }
    Ok(bytes)
}

/// The user that this process acts as: the owner of its own entry in `/proc`.
fn owner() -> Result<u32, Error> {
    let path = Path::new("/proc/self");
    fs::metadata(path).map(|meta| meta.uid()).map_err(io("reading", path))
}

/// Writes a file whole: a reader sees the old or the new one, also after a crash. Makes the directories above it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_directory(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = directory.join(name);
    let written = write_new(&new, bytes).and_then(|()| fs::rename(&new, path).map_err(io("replacing", path)));
    if written.is_err() {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the first error is the one to tell; a left-over is overwritten the next time"
        )]
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("syncing", directory))
}

fn write_new(new: &Path, bytes: &[u8]) -> Result<(), Error> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("removing", new)(error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(new).map_err(io("creating", new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("writing", new))
}

fn make_directory(directory: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io("making", directory))
}

/// One writer at a time in a directory. The lock ends when the file is dropped.
pub(crate) fn lock(root: &Path) -> Result<File, Error> {
    make_directory(root)?;
    let path = root.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io("opening", &path))?;
    file.lock().map_err(io("locking", &path))?;
    Ok(file)
}

/// Names and paths in a directory; nothing if it does not exist. Names that are not UTF-8 are passed over.
pub(crate) fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io("listing", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io("listing", directory))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    Ok(names)
}

/// Random bytes for a key.
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(io("reading", path))?;
    Ok(bytes)
}
