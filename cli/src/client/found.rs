//! What a command was found to be, told by the held process, which looks as the user.

use anyhow::Result;
use command::Exit;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use wire::Through;

/// Bytes of a path, as the kernel takes them.
const MAX_PATH: u32 = 4096;
/// Programs that start an agent one after the other.
const THROUGH_MAX: usize = 64;

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
            let path = Path::new(std::ffi::OsStr::from_bytes(candidate.to_bytes()));
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
}

/// What a held process found out as its user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// What the command was found to be; `None` where nothing is sure.
    pub(super) found: Option<Found>,
    /// The known agent that it starts.
    pub(super) agent: Option<String>,
    /// The programs through which it starts that.
    pub(super) through: Vec<Through>,
    /// The agent's program, where that is sure.
    pub(super) end: Option<Through>,
}

impl Told {
    /// Tells it: paths and a name, each behind its length. The first two are empty for nothing found, and the first for nothing
    /// sure.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let [path, file]: [&[u8]; 2] = match &self.found {
            Some(Found::File { path, file }) => [path.as_os_str().as_bytes(), file.as_os_str().as_bytes()],
            Some(Found::Nowhere) => [b"", b""],
            None => [b"", b"?"],
        };
        let agent = self.agent.as_deref().unwrap_or_default().as_bytes();
        let through = self.through.iter().take(THROUGH_MAX);
        let through = through.flat_map(|Through { path, file }| [path.as_slice(), file]);
        let mut told = Vec::new();
        // An empty one is the end.
        let end = self.end.as_ref().map_or([b"".as_slice(); 2], |end| [&end.path, &end.file]);
        for text in [path, file, agent].into_iter().chain(through).chain([b"".as_slice()]).chain(end) {
            told.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            told.extend(text);
        }
        to.write_all(&told)
    }

    /// Reads what was told. The process runs as the user already, who may have it say anything.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Told> {
        let mut text = || {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length > MAX_PATH {
                return Err(io::Error::other("a path is too long"));
            }
            let mut bytes = vec![0; length as usize];
            from.read_exact(&mut bytes)?;
            Ok(OsString::from_vec(bytes))
        };
        let (path, file, agent) = (PathBuf::from(text()?), PathBuf::from(text()?), text()?);
        let mut through = Vec::new();
        loop {
            let path = text()?;
            if path.is_empty() {
                break;
            }
            if through.len() == THROUGH_MAX {
                return Err(io::Error::other("too many programs start the agent"));
            }
            through.push(Through { path: path.into_vec().into(), file: text()?.into_vec().into() });
        }
        let found = match (path.as_os_str().is_empty(), file.as_os_str().is_empty()) {
            (false, false) => Some(Found::File { path, file }),
            (true, true) => Some(Found::Nowhere),
            _ => None,
        };
        let agent = agent.into_string().ok().filter(|agent| !agent.is_empty());
        let end = Through { path: text()?.into_vec().into(), file: text()?.into_vec().into() };
        let end = (!end.path.is_empty()).then_some(end);
        Ok(Told { found, agent, through, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn told(found: Option<Found>) -> Option<Found> {
        let told = Told {
            found,
            agent: Some("codex".into()),
            through: vec![Through { path: "/bin/nice".into(), file: "/usr/bin/nice".into() }],
            end: Some(Through { path: "/h/bin/codex".into(), file: "/h/codex.js".into() }),
        };
        let mut bytes = Vec::new();
        told.write(&mut bytes).unwrap();
        let read = Told::read(&mut bytes.as_slice()).unwrap();
        assert_eq!(read, told);
        read.found
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
        assert_eq!(told(found.clone()), found);
        let nowhere = Found::look(&candidates(&["absent", "plain/below"]));
        assert_eq!(nowhere, Some(Found::Nowhere));
        assert_eq!(told(nowhere.clone()), nowhere);
        assert_eq!(Found::look(&candidates(&["absent", "plain"])), None);
        assert_eq!(told(None), None);
    }

    #[test]
    fn a_path_has_a_limit() {
        let mut bytes = (MAX_PATH + 1).to_le_bytes().to_vec();
        bytes.resize(8192, b'x');
        assert!(Told::read(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let path = Some(OsStr::new("/a::/b"));
        assert_eq!(candidates(OsStr::new("x"), path).unwrap(), [c"/a/x", c"./x", c"/b/x"].map(CString::from));
        assert_eq!(candidates(OsStr::new("./x"), path).unwrap(), [c"./x".to_owned()]);
        assert_eq!(candidates(OsStr::new("x"), None).unwrap().len(), 3);
    }
}
