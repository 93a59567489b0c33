//! Makes the files of an agent's first start, before the session and as the user: programs of a session may not.

use agents::{Agent, First};
use bstr::{BStr, ByteSlice};
use event::moved;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes what is absent. `variable` has the values of the command's environment. What cannot be made is left to the agent,
/// which says why it could not.
pub(super) fn make<'v>(agent: &Agent, home: &Path, variable: impl Fn(&str) -> Option<&'v BStr> + Copy) {
    for first in &agent.first {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "what cannot be made is left to the agent, which says why it could not"
        )]
        let _ = make_one(first, home, variable);
    }
}

fn make_one<'v>(
    first: &First,
    home: &Path,
    variable: impl Fn(&str) -> Option<&'v BStr> + Copy,
) -> io::Result<()> {
    let place = |path: &str| place(path, home, variable);
    if first.unless.iter().any(|path| place(path).symlink_metadata().is_ok()) {
        return Ok(());
    }
    let path = place(&first.path);
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    // Whatever lies there stays, a link that leads nowhere as well. What an agent keeps may become a secret.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(first.text.as_bytes()).inspect_err(|_| drop(fs::remove_file(&path)))
}

/// Where the agent looks for what others have below the home.
fn place<'v>(path: &str, home: &Path, variable: impl Fn(&str) -> Option<&'v BStr>) -> PathBuf {
    let moved = moved::elsewhere(path, variable).into_iter().last();
    moved.map_or_else(|| home.join(path), |moved| PathBuf::from(OsStr::from_bytes(moved.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn agent() -> Agent {
        let first = |path: &str, unless: &[&str]| First {
            path: path.into(),
            text: "{}".into(),
            unless: unless.iter().map(|path| (*path).to_owned()).collect(),
        };
        Agent {
            first: vec![
                first(".config/tool/tool.json", &[".config/tool/own.json"]),
                first(".tool.json", &[]),
            ],
            ..Agent::default()
        }
    }

    #[test]
    fn what_is_absent_is_made_and_what_is_there_stays() {
        let home = tempfile::tempdir().unwrap();
        let read = |path: &str| fs::read_to_string(home.path().join(path)).ok();
        symlink("nowhere", home.path().join(".tool.json")).unwrap();
        make(&agent(), home.path(), |_| None);
        assert_eq!(read(".config/tool/tool.json").as_deref(), Some("{}"));
        assert!(!home.path().join("nowhere").exists(), "no link is followed");
        fs::write(home.path().join(".config/tool/tool.json"), "own").unwrap();
        make(&agent(), home.path(), |_| None);
        assert_eq!(read(".config/tool/tool.json").as_deref(), Some("own"));
    }

    #[test]
    fn what_the_agent_takes_instead_is_enough() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".config/tool")).unwrap();
        fs::write(home.path().join(".config/tool/own.json"), "").unwrap();
        make(&agent(), home.path(), |_| None);
        assert!(!home.path().join(".config/tool/tool.json").exists());
        assert!(home.path().join(".tool.json").is_file());
    }

    #[test]
    fn it_is_made_where_a_variable_says() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("elsewhere");
        let value = elsewhere.as_os_str().as_bytes().as_bstr();
        make(&agent(), home.path(), |name| (name == "XDG_CONFIG_HOME").then_some(value));
        assert!(elsewhere.join("tool/tool.json").is_file() && !home.path().join(".config").exists());
    }
}
