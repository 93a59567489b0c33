//! The file of a command, which the held process looks up as the user.

use anyhow::Result;
use command::Exit;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Bytes of a path, as the kernel takes them.
const MAX_PATH: u32 = 4096;

/// Where a command is looked for that has no PATH.
pub(super) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The paths to try for a program: one, or one for each directory of PATH.
pub(super) fn candidates(program: &OsStr, path: Option<&OsStr>) -> Result<Vec<CString>> {
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(program.as_bytes())?]);
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    path.as_bytes()
        .split(|&b| b == b':')
        .map(|directory| {
            let directory = if directory.is_empty() { b"." } else { directory };
            c_string(&[directory, b"/", program.as_bytes()].concat())
        })
        .collect()
}

pub(super) fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Exit::Usage.error("an argument or variable holds a NUL byte"))
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first file that may be executed.
    File {
        /// As it was looked for.
        path: PathBuf,
        /// What it is, links followed.
        file: PathBuf,
    },
    /// None of the places has anything of that name.
    Nowhere,
}

impl Found {
    /// Looks at each place, like execvp(3); `None` where there is something, and none of it may be executed: why, tells
    /// the attempt.
    pub(super) fn look(candidates: &[CString]) -> Option<Found> {
        let mut nowhere = true;
        for candidate in candidates {
            let path = Path::new(OsStr::from_bytes(candidate.to_bytes()));
            match fs::metadata(path) {
                Ok(found) => {
                    nowhere = false;
                    let executable =
                        found.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok();
                    if executable && let Ok(file) = fs::canonicalize(path) {
                        return Some(Found::File { path: path.to_owned(), file });
                    }
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(_) => nowhere = false,
            }
        }
        nowhere.then_some(Found::Nowhere)
    }

    /// Tells it: two paths, each behind its length. Both are empty for nothing found, and the first for nothing sure.
    pub(super) fn write(found: Option<&Found>, to: &mut impl Write) -> io::Result<()> {
        let paths: [&[u8]; 2] = match found {
            Some(Found::File { path, file }) => [path.as_os_str().as_bytes(), file.as_os_str().as_bytes()],
            Some(Found::Nowhere) => [b"", b""],
            None => [b"", b"?"],
        };
        let mut told = Vec::new();
        for path in paths {
            told.extend(u32::try_from(path.len()).unwrap_or(u32::MAX).to_le_bytes());
            told.extend(path);
        }
        to.write_all(&told)
    }

    /// Reads what was told. The process runs as the user already, who may have it say anything.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Found>> {
        let mut path = || {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length > MAX_PATH {
                return Err(io::Error::other("a path is too long"));
            }
            let mut bytes = vec![0; length as usize];
            from.read_exact(&mut bytes)?;
            Ok(PathBuf::from(OsString::from_vec(bytes)))
        };
        let (path, file) = (path()?, path()?);
        Ok(match (path.as_os_str().is_empty(), file.as_os_str().is_empty()) {
            (false, false) => Some(Found::File { path, file }),
            (true, true) => Some(Found::Nowhere),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn told(found: Option<&Found>) -> Option<Found> {
        let mut bytes = Vec::new();
        Found::write(found, &mut bytes).unwrap();
        Found::read(&mut bytes.as_slice()).unwrap()
    }

    #[test]
    fn the_first_that_may_be_executed_is_found_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        let at = |name: &str| directory.join(name);
        let candidates = |names: &[&str]| -> Vec<CString> {
            names.iter().map(|name| CString::new(at(name).as_os_str().as_bytes()).unwrap()).collect()
        };
        fs::write(at("plain"), "text").unwrap();
        fs::write(at("program"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(at("program"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("program", at("link")).unwrap();
        let found = Found::look(&candidates(&["absent", "link", "program"]));
        assert_eq!(found, Some(Found::File { path: at("link"), file: at("program") }));
        assert_eq!(told(found.as_ref()), found);
        let nowhere = Found::look(&candidates(&["absent", "plain/below"]));
        assert_eq!(nowhere, Some(Found::Nowhere));
        assert_eq!(told(nowhere.as_ref()), nowhere);
        assert_eq!(Found::look(&candidates(&["absent", "plain"])), None);
        assert_eq!(told(None), None);
    }

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let path = Some(OsStr::new("/a::/b"));
        assert_eq!(candidates(OsStr::new("x"), path).unwrap(), [c"/a/x", c"./x", c"/b/x"].map(CString::from));
        assert_eq!(candidates(OsStr::new("./x"), path).unwrap(), [c"./x".to_owned()]);
        assert_eq!(candidates(OsStr::new("x"), None).unwrap().len(), 3);
    }

    #[test]
    fn a_path_has_a_limit() {
        let mut bytes = (MAX_PATH + 1).to_le_bytes().to_vec();
        bytes.resize(8192, b'x');
        assert!(Found::read(&mut bytes.as_slice()).is_err());
    }
}
