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

/// A directory, a name in it, and both as a path for people.
pub(super) type At<'a> = (BorrowedFd<'a>, &'a [u8], &'a Path);

/// Somebody outside was quicker, and what was moved is not what was meant: it is moved back to where it was.
pub(super) fn give_back(lies: At<'_>, belongs: At<'_>) -> Result<(), Error> {
    let done = rustix::fs::renameat_with(lies.0, lies.1, belongs.0, belongs.1, RenameFlags::NOREPLACE);
    let stays =
        |e: Errno| Error::Misplaced { lies: lies.2.into(), belongs: belongs.2.into(), source: e.into() };
    done.map_err(stays)
}

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
                let closed = rustix::fs::chmodat(CWD, itself, Mode::empty(), rustix::fs::AtFlags::empty());
                if let Err(error) = closed {
                    let path = path.with_file_name(&aside);
                    tracing::warn!(path = %path.display(), %error, "it lies aside, and may be opened by mistake");
                }
            }
            Ok(aside)
        }
        _ => {
            let lies = path.with_file_name(&aside);
            give_back((directory, aside.as_bytes(), &lies), (directory, name, path))?;
            Err(wrong(Errno::AGAIN))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    #[test]
    fn what_cannot_be_given_back_is_told_with_both_places() {
        let place = tempfile::tempdir().unwrap();
        let (lies, belongs) = (place.path().join("lies"), place.path().join("belongs"));
        fs::write(&lies, "of somebody outside").unwrap();
        fs::write(&belongs, "taken again").unwrap();
        let directory = File::open(place.path()).unwrap();
        let back = || {
            let directory = directory.as_fd();
            give_back((directory, b"lies", &lies), (directory, b"belongs", &belongs))
        };
        let told = format!(
            "`{}`, which somebody outside put at `{}` meanwhile, could not be moved back there: File exists (os error 17); move it \
             yourself, with `mv -n`",
            lies.display(),
            belongs.display()
        );
        assert_eq!(back().unwrap_err().to_string(), told);
        fs::remove_file(&belongs).unwrap();
        back().unwrap();
        assert_eq!(fs::read(&belongs).unwrap(), b"of somebody outside");
        assert!(!lies.exists());
    }
}
