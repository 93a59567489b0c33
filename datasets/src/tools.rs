//! The programs that sessions can use here.

use crate::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where sessions look for programs: the system's directories, nothing of the invoking user's.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The programs that make a difference. bash, coreutils, findutils, grep, sed, tar and git are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tools {
    /// A C compiler, as `cc`.
    pub cc: bool,
    /// `python3`
    pub python: bool,
    /// `curl`
    pub curl: bool,
    /// `awk`
    pub awk: bool,
    /// `diff`
    pub diff: bool,
}

impl Tools {
    /// Looks for them.
    pub fn find() -> Result<Tools, Error> {
        for needed in ["bash", "cat", "find", "grep", "sed", "tar", "git"] {
            if !is_here(needed) {
                return Err(Error::NoTool(needed));
            }
        }
        Ok(Tools {
            cc: is_here("cc") && is_here("as") && is_here("ld"),
            python: is_here("python3"),
            curl: is_here("curl"),
            awk: is_here("awk"),
            diff: is_here("diff"),
        })
    }

    /// Only what is needed: for tests, and to see what a minimal machine does.
    pub const MINIMAL: Tools = Tools { cc: false, python: false, curl: false, awk: false, diff: false };
}

/// Whether any user can execute it: the agent is an ordinary one.
fn is_here(name: &str) -> bool {
    PATH.split(':').any(|directory| {
        let file = Path::new(directory).join(name);
        std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o005 == 0o005)
    })
}
