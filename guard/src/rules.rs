//! Users' rules, read when a session begins: from files that nobody but root can have written. A user's are no files of
//! the home: where nothing refuses a rename, a session could put others in their place.

use crate::Error;
use policy::{Day, Layer, MAX_BYTES, Rules, Source, Wrong};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where root puts rules for all users: files `*.toml`.
pub const OF_MACHINE: &str = "/etc/wardline/policy.d";
/// Where each user's own are: a file `UID.toml`.
pub const OF_USERS: &str = "/etc/wardline/users";

/// Who writes them.
const ROOT: u32 = 0;
/// Files that are read.
const MAX_FILES: usize = 10_000;
/// Sets of files whose rules are kept, read: those of so many users.
const MAX_KEPT: usize = 16;
/// Files, and the day on which they are read.
type Asked = (Vec<Source>, Day);
/// What files of rules say, the one that was asked for last at the end.
static KEPT: Mutex<Vec<(Asked, Rules)>> = Mutex::new(Vec::new());

/// The day on which rules are read.
pub fn today() -> Day {
    Day::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// The rules of all of a user's sessions that begin now.
pub fn of_sessions(uid: u32) -> Result<Rules, Error> {
    Ok(of_sources(sources_of(uid)?)?)
}

/// The files of a user's sessions.
pub(crate) fn sources_of(uid: u32) -> Result<Vec<Source>, Error> {
    let mut sources = of_machine()?;
    sources.extend(of_user(uid)?);
    Ok(sources)
}

/// What files say: read once a day, as long as they hold the same.
pub(crate) fn of_sources(sources: Vec<Source>) -> Result<Rules, Wrong> {
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = (sources, today());
    let known = kept().extract_if(.., |(of, _)| *of == asked).next();
    let rules = match known {
        Some((_, rules)) => rules,
        None => Rules::read(&asked.0, asked.1)?,
    };
    let mut kept = kept();
    if kept.len() >= MAX_KEPT {
        kept.remove(0);
    }
    kept.push((asked, rules.clone()));
    Ok(rules)
}

/// Those of this machine.
pub fn of_machine() -> Result<Vec<Source>, Error> {
    let root = Path::new("/");
    let Some(directory) = open(root, Path::new(OF_MACHINE), ROOT, OFlags::DIRECTORY)? else {
        return Ok(Vec::new());
    };
    let unread = |why: Errno| Error::file(OF_MACHINE, "read", why);
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory).map_err(unread)? {
        let name = entry.map_err(unread)?.file_name().to_owned();
        let is_hidden = name.to_bytes().starts_with(b".");
        if !is_hidden && name.to_bytes().ends_with(b".toml") {
            names.push(PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes())));
        }
        if names.len() > MAX_FILES {
            let why = format!("it holds more than {MAX_FILES} files");
            return Err(Error::file(OF_MACHINE, "read", io::Error::other(why)));
        }
    }
    names.sort();
    let files = names.into_iter().filter_map(|name| {
        let path = Path::new(OF_MACHINE).join(name);
        let opened = open(root, &path, ROOT, OFlags::empty()).transpose()?;
        Some(opened.and_then(|file| source(Layer::Machine, path, file)))
    });
    files.collect()
}

/// The file of a user's own rules.
pub fn file_of(uid: u32) -> PathBuf {
    Path::new(OF_USERS).join(format!("{uid}.toml"))
}

/// A user's own, if there are any.
pub fn of_user(uid: u32) -> Result<Option<Source>, Error> {
    let path = file_of(uid);
    let opened = open(Path::new("/"), &path, ROOT, OFlags::empty())?;
    opened.map(|file| source(Layer::User, path, file)).transpose()
}

/// What a file of root's holds, if it is there.
pub(crate) fn text_of(path: &Path) -> Result<Option<String>, Error> {
    let opened = open(Path::new("/"), path, ROOT, OFlags::empty())?;
    let read = opened.map(|file| source(Layer::User, path.to_owned(), file)).transpose()?;
    Ok(read.map(|source| source.text))
}

/// Opens what lies below a directory if nobody but its owner and root can have put it there. Links are not followed: where
/// they lead may be written by a session.
fn open(base: &Path, path: &Path, owner: u32, flags: OFlags) -> Result<Option<OwnedFd>, Error> {
    let not_believed = |file: &Path, why: &str| Error::NotBelieved {
        file: file.to_owned(),
        why: why.to_owned(),
        help: "a file of rules is a plain file, and only root may change it or the directories above it (`chown root`, `chmod go-w`)",
    };
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let below = path.strip_prefix(base).unwrap_or(path);
    let mut here = base.to_owned();
    let mut opened = match rustix::fs::openat(
        CWD,
        base,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        Err(why) => return Err(Error::file(base, "read", why)),
    };
    let mut above = vec![(here.clone(), stat(opened.as_fd(), &here)?)];
    let mut parts = below.components().peekable();
    while let Some(part) = parts.next() {
        here.push(part);
        let how = if parts.peek().is_some() { OFlags::PATH | OFlags::CLOEXEC } else { flags };
        let name = Path::new(part.as_os_str());
        let next = rustix::fs::openat2(
            &opened,
            name,
            how,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
        );
        opened = match next {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(not_believed(&here, "it is a link")),
            Err(why) => return Err(Error::file(here, "read", why)),
        };
        above.push((here.clone(), stat(opened.as_fd(), &here)?));
    }
    // Asked only now: where no rules are, nobody cares who may write there.
    for (path, stat) in &above {
        if stat.st_uid != owner {
            return Err(not_believed(path, &format!("it belongs to user {}", stat.st_uid)));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(not_believed(path, "others may write it"));
        }
    }
    let kind = FileType::from_raw_mode(above.last().map_or(0, |(_, stat)| stat.st_mode));
    let wanted = if flags.contains(OFlags::DIRECTORY) { FileType::Directory } else { FileType::RegularFile };
    if kind != wanted {
        return Err(not_believed(path, "it is no plain file"));
    }
    Ok(Some(opened))
}

fn stat(fd: BorrowedFd<'_>, path: &Path) -> Result<Stat, Error> {
    rustix::fs::fstat(fd).map_err(|why| Error::file(path, "read", why))
}

fn source(layer: Layer, path: PathBuf, file: OwnedFd) -> Result<Source, Error> {
    let unread = |why| Error::file(&path, "read", why);
    let text = read_text(File::from(file), MAX_BYTES).map_err(unread)?;
    if text.len() > MAX_BYTES {
        return Err(unread(io::Error::other(format!("it has more than {MAX_BYTES} bytes"))));
    }
    Ok(Source { layer, file: path.display().to_string(), text })
}

/// What a file of rules holds. Of one that has more than `max` bytes a few more are read, and cut between two letters: whoever asks
/// sees that it is longer, and does not take what is cut for all of it.
pub fn read_text(file: impl Read, max: usize) -> io::Result<String> {
    /// Bytes of the longest letter.
    const LETTER: usize = 4;
    let mut bytes = Vec::new();
    file.take((max + LETTER) as u64).read_to_end(&mut bytes)?;
    let is_cut = bytes.len() > max;
    if let Err(e) = std::str::from_utf8(&bytes)
        && is_cut
        && e.error_len().is_none()
    {
        bytes.truncate(e.valid_up_to());
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const RULE: &str = "[[rule]]\nid = \"x\"\nis = \"x\"\nwhere.base = [\"x\"]\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"said\"\n";

    const FILE: &str = "wardline/users/1000.toml";

    struct Directory(tempfile::TempDir);

    impl Directory {
        fn new() -> Self {
            let base = tempfile::tempdir().unwrap();
            fs::create_dir_all(base.path().join("wardline/users")).unwrap();
            fs::write(base.path().join(FILE), RULE).unwrap();
            let base = Self(base);
            for path in ["", "wardline", "wardline/users", FILE] {
                base.mode(path, if path == FILE { 0o644 } else { 0o755 });
            }
            base
        }

        fn mode(&self, path: &str, mode: u32) {
            fs::set_permissions(self.0.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn read_of(&self, owner: u32) -> Result<Option<Source>, String> {
            let path = self.0.path().join(FILE);
            let opened = open(self.0.path(), &path, owner, OFlags::empty());
            let source = opened.and_then(|file| file.map(|file| source(Layer::User, path, file)).transpose());
            source.map_err(|trouble| trouble.to_string())
        }

        fn read(&self) -> Result<Option<Source>, String> {
            self.read_of(rustix::process::geteuid().as_raw())
        }
    }

    #[test]
    fn a_file_that_only_its_owner_may_change_is_believed() {
        let base = Directory::new();
        assert_eq!(base.read().unwrap().unwrap().text, RULE);
        let other = rustix::process::geteuid().as_raw() + 1;
        assert!(base.read_of(other).unwrap_err().contains("it belongs to user"));
        fs::remove_file(base.0.path().join(FILE)).unwrap();
        base.mode("wardline", 0o777);
        assert_eq!(base.read(), Ok(None), "without rules it is nobody's business");
    }

    #[test]
    fn one_that_others_may_change_or_put_there_is_not() {
        for path in ["", "wardline", "wardline/users", FILE] {
            for more in [0o020, 0o002] {
                let base = Directory::new();
                base.mode(path, 0o755 | more);
                let wrong = base.read().unwrap_err();
                assert!(wrong.contains("others may write it"), "{path}: {wrong}");
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters_and_is_seen_to_be_longer() {
        for letter in ["#", "é", "€", "𝄞"] {
            for max in 1..20 {
                let text = letter.repeat(20);
                let read = read_text(text.as_bytes(), max).unwrap();
                assert!(read.len() > max && text.starts_with(&read), "{letter} {max}");
                assert_eq!(read_text(text.as_bytes(), text.len()).unwrap(), text);
            }
        }
        let half = &"é".as_bytes()[..1];
        for bytes in [half, &[b"abc", half].concat(), &[half, b"abcdefgh"].concat()] {
            assert!(read_text(bytes, 4).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn one_that_is_too_long_is_not_cut() {
        let base = Directory::new();
        let path = base.0.path().join(FILE);
        fs::write(&path, "#".repeat(MAX_BYTES)).unwrap();
        assert_eq!(base.read().unwrap().unwrap().text.len(), MAX_BYTES);
        // Also where the cut would fall into a letter.
        for text in ["#".repeat(MAX_BYTES + 1), "é".repeat(MAX_BYTES)] {
            fs::write(&path, text).unwrap();
            let wrong = base.read().unwrap_err();
            assert!(wrong.contains("it has more than 1048576 bytes"), "{wrong}");
        }
    }

    #[test]
    fn a_link_and_what_is_no_file_are_not() {
        for path in ["wardline", "wardline/users", FILE] {
            let base = Directory::new();
            fs::rename(base.0.path().join(path), base.0.path().join("elsewhere")).unwrap();
            symlink(base.0.path().join("elsewhere"), base.0.path().join(path)).unwrap();
            let wrong = base.read().unwrap_err();
            assert!(wrong.contains("it is a link"), "{path}: {wrong}");
        }
        let base = Directory::new();
        let path = base.0.path().join(FILE);
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let wrong = base.read().unwrap_err();
        assert!(wrong.contains("it is no plain file"), "{wrong}");
    }
}
