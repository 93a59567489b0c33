//! What took a place that is not its own gets another name in the same directory, by identity: one that nobody can have taken
//! beforehand, that no pattern of ordinary names has, and, where the file has no other name, that its user cannot open by mistake.

use crate::walk::{self, Found};
use crate::{DenyList, Error};
use abi::FileKey;
use bstr::BStr;
use rustix::fs::{CWD, Mode, RenameFlags};
use rustix::io::Errno;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// Gives what lies at a name another one, if it is the file that is meant; the new name. `path`: for people.
pub(super) fn put(
    list: &dyn DenyList,
    directory: BorrowedFd<'_>,
    name: &BStr,
    file: FileKey,
    path: &Path,
) -> Result<String, Error> {
    let wrong = |e: Errno| Error::file(path, "put aside", e);
    let aside = format!(".refused-{:016x}", RandomState::new().build_hasher().finish());
    let how = RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(directory, &**name, directory, &*aside, how).map_err(wrong)?;
    match walk::open_below(list, directory, aside.as_str().into()) {
        Found::Node(node) if node.identity.file == file => {
            // A file with another name is another file's as well, maybe a jewel: its mode is not this place's alone.
            if node.is_dir() || !node.is_link() && node.identity.nlink == 1 {
                // Its owner may read it again when they have looked at it.
                let itself = format!("/proc/self/fd/{}", node.fd.as_raw_fd());
                #[expect(clippy::let_underscore_must_use, reason = "it lies aside all the same")]
                let _ = rustix::fs::chmodat(CWD, itself, Mode::empty(), rustix::fs::AtFlags::empty());
            }
            Ok(aside)
        }
        // Somebody outside was quicker: as it was.
        _ => {
            #[expect(clippy::let_underscore_must_use, reason = "nothing more can be put back here")]
            let _ = rustix::fs::renameat_with(directory, &*aside, directory, &**name, how);
            Err(wrong(Errno::AGAIN))
        }
    }
}
