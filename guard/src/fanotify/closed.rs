//! Marks on what a baseline closes. Directories come first that lie nearest to the session's own places; what there is no
//! room for is counted, and left to the kernel programs, which kill after the fact.

use super::{MARKS_MAX, Marks};
use crate::t1::Closed;
use crate::walk::{self, Found, Visit};
use crate::{DenyList, Error};
use abi::FileKey;
use bstr::{BStr, ByteSlice};
use event::Access;
use std::collections::HashSet;
use std::os::fd::AsFd;

/// Directories below one closed directory near to the session's places that are marked: a cache must not take the room
/// of everything else.
const NEAR_MAX: usize = 1_024;
/// The same elsewhere. A mark costs a tenth of a millisecond, and a session's start should not be felt.
const FAR_MAX: usize = 128;

/// What was marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Directories with a mark.
    pub directories: usize,
    /// Closed directories whose marks do not reach everything below them.
    pub cut: usize,
}

/// Marks closed directories, and what lies below those that are closed all the way down; never a workspace.
pub fn mark_closed(
    marks: &Marks,
    list: &dyn DenyList,
    closed: &[Closed],
    workspaces: &HashSet<FileKey>,
) -> Result<Marked, Error> {
    let mut marked = Marked::default();
    let mut deep = Vec::new();
    for directory in closed {
        let Some(exec_only) = watched(directory) else { continue };
        let Found::Node(node) = walk::open_canonical(list, &directory.path) else { continue };
        if !node.is_dir() || workspaces.contains(&node.identity.file) {
            continue;
        }
        let done = if exec_only { marks.mark_exec(&node) } else { marks.mark(&node) };
        marked.directories += usize::from(done);
        marked.cut += usize::from(!done);
        if done && directory.deep && !exec_only {
            deep.push((node, if directory.distance == 0 { NEAR_MAX } else { FAR_MAX }));
        }
    }
    for (directory, limit) in deep {
        let mut below = 0;
        let visit = &mut |_: &BStr, node: &walk::Node| {
            if !node.is_dir() || workspaces.contains(&node.identity.file) {
                return Ok(false);
            }
            below += usize::from(marks.mark(node));
            Ok(true)
        };
        let room = MARKS_MAX.saturating_sub(marks.marks());
        let walked = walk::below(list, directory.fd.as_fd(), Visit::Directories, limit.min(room), visit)?;
        marked.directories += below;
        marked.cut += usize::from(walked.cut);
    }
    Ok(marked)
}

/// Whether a directory is worth a permission event for each open in it by anybody, and whether only for programs. What is
/// merely closed to changes, far from the session's places, is the system's, which an ordinary user cannot change.
fn watched(directory: &Closed) -> Option<bool> {
    let volatile = [b"/proc".as_bstr(), b"/sys".as_bstr(), b"/dev".as_bstr()];
    if volatile.iter().any(|place| directory.path.starts_with(place)) {
        return None;
    }
    let near = directory.distance == 0;
    if directory.deny.contains(Access::READ) || near && directory.deny.contains(Access::WRITE) {
        Some(false)
    } else {
        directory.deny.contains(Access::EXEC).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_directories_ask_only_for_programs() {
        let closed = |path: &str, deny, distance| Closed { path: path.into(), deny, deep: true, distance };
        assert_eq!(watched(&closed("/usr/bin", Access::WRITE | Access::EXEC, 1)), Some(true));
        assert_eq!(watched(&closed("/etc", Access::WRITE, 1)), None);
        assert_eq!(watched(&closed("/home/u/x", Access::WRITE, 0)), Some(false));
        assert_eq!(watched(&closed("/srv", Access::READ, 1)), Some(false));
        assert_eq!(watched(&closed("/proc", Access::READ, 1)), None);
    }
}
