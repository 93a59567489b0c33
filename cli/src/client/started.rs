//! Which known agent a command starts, looked for by the held process as its user.

use super::found::{Found, candidates};
use agents::{Start, is_shell};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of a script that are looked at.
const SCRIPT_MAX: u64 = 64 << 10;

/// Where and for whom a command is looked for.
pub(super) struct Places<'p> {
    /// PATH, where there is one.
    pub(super) path: Option<&'p OsStr>,
    /// The user's home.
    pub(super) home: &'p Path,
    /// What lies in them, or in a repository around them, earlier sessions may have written.
    pub(super) workspaces: &'p [PathBuf],
}

impl Places<'_> {
    /// What a command starts.
    pub(super) fn start(&self, words: &[&[u8]]) -> Start {
        Start::of(words, |program| self.look(program))
    }

    fn look(&self, program: &[u8]) -> Option<agents::Found> {
        let program = self.spelled(program)?;
        let candidates = candidates(OsStr::from_bytes(&program), self.path).ok()?;
        let Some(Found::File { path, file }) = Found::look(&candidates) else { return None };
        let is_theirs = self.is_theirs(&file);
        let script = if is_theirs { None } else { script(&file) };
        let bytes = |path: PathBuf| path.into_os_string().into_encoded_bytes();
        Some(agents::Found { path: bytes(path), file: bytes(file), script, is_theirs })
    }

    /// Whether sessions, or everybody, may write where a file lies.
    fn is_theirs(&self, file: &Path) -> bool {
        let repositories = self.workspaces.iter().flat_map(|workspace| {
            let is_repository = |directory: &&Path| directory.join(".git").symlink_metadata().is_ok();
            workspace.ancestors().take_while(|above| *above != self.home).filter(is_repository)
        });
        let mut places = self.workspaces.iter().map(PathBuf::as_path).chain(repositories);
        let is_everybodys =
            ["/tmp", "/var/tmp", "/dev/shm", "/proc"].iter().any(|place| file.starts_with(place));
        places.any(|place| file.starts_with(place)) || is_everybodys && !file.starts_with(self.home)
    }

    /// As a script writes it, with the home in its place; `None` where something else is expanded.
    fn spelled(&self, program: &[u8]) -> Option<Vec<u8>> {
        let home = self.home.as_os_str().as_bytes();
        let below =
            [b"~/".as_slice(), b"$HOME/", b"${HOME}/"].into_iter().find_map(|of| program.strip_prefix(of));
        let spelled = below.map_or_else(|| program.to_vec(), |below| [home, b"/", below].concat());
        (!spelled.contains(&b'$') && !spelled.contains(&b'`')).then_some(spelled)
    }
}

/// The text of a script for a shell.
fn script(file: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file).ok()?.take(SCRIPT_MAX).read_to_end(&mut text).ok()?;
    // Of one that is cut nobody knows how it ends.
    if text.contains(&0) || text.len() as u64 == SCRIPT_MAX {
        return None;
    }
    let Some(line) = text.strip_prefix(b"#!") else { return Some(text) };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.split(|byte| matches!(byte, b' ' | b'\t')).any(is_shell).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_script_of_the_users_is_read_and_one_of_the_workspace_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().canonicalize().unwrap();
        let write = |path: &str, text: &str| {
            let path = home.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("bin/mine", "#!/usr/bin/env -S bash -e\nexec \"$HOME/bin/cc\" \"$@\"\n");
        write("bin/plain", "codex \"$@\"\n");
        write("bin/snake", "#!/usr/bin/python3\nexec codex\n");
        write("work/run", "#!/bin/sh\nexec claude \"$@\"\n");
        write(".local/share/claude/versions/2.1.0", "\x7fELF\0");
        symlink(home.join(".local/share/claude/versions/2.1.0"), home.join("bin/cc")).unwrap();
        let path = home.join("bin");
        let places = Places { path: Some(path.as_os_str()), home: &home, workspaces: &[home.join("work")] };
        let agent = |command: &str| {
            let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            places.start(&words).agent.map(|agent| agent.name.as_str())
        };
        assert_eq!(agent("mine -p x"), Some("claude-code"));
        assert_eq!(agent("env X=1 plain"), Some("codex"));
        assert_eq!(agent("cc"), Some("claude-code"));
        assert_eq!(agent("timeout 9 cc"), Some("claude-code"));
        assert_eq!(agent("snake"), None);
        let run = home.join("work/run");
        assert_eq!(agent(run.to_str().unwrap()), None);
        let through = places.start(&[b"nice", b"mine"]).through;
        let mine = home.join("bin/mine").into_os_string().into_encoded_bytes();
        assert_eq!(
            through,
            [agents::Step { path: mine.clone(), file: mine }],
            "there is no nice on this PATH"
        );
    }
}
