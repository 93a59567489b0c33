//! What the repository decides, by the names under which events tell it.

use abi::FileKey;
use bstr::BString;
use event::{Event, File, Object, Op, Origin};
use sys::mountinfo;
use text::shown;
use wire::Ground;

/// Files and directories of which the repository says what is in them.
#[derive(Debug, Default)]
pub(super) struct Grounds(Vec<Named>);

/// One of them. A superblock that is mounted in several places has several.
#[derive(Debug)]
struct Named {
    device: u32,
    /// Without a slash at its end: empty for the root.
    path: Vec<u8>,
}

impl Grounds {
    /// By the mounts of this process, from which events have their paths. `None` where one is in none of them.
    pub(super) fn of(grounds: &[Ground], mountinfo: &[u8]) -> Option<Self> {
        let mounts: Vec<_> = mountinfo::parse(mountinfo).map(|mount| (mount.number(), mount)).collect();
        let mut names = Vec::new();
        for Ground { device, path } in grounds {
            let before = names.len();
            let shown = mounts.iter().filter(|(number, _)| *number == Some(*device));
            let paths = shown.filter_map(|(_, mount)| mount.shows(path));
            names.extend(paths.map(|path| Named { device: *device, path }));
            if names.len() == before {
                return None;
            }
        }
        Some(Self(names))
    }

    /// Why what a process has touched by this event may be the repository's word.
    pub(super) fn touched(&self, event: &Event) -> Option<String> {
        let is_run = matches!(event.op, Op::Exec | Op::MapExec);
        let deed = if is_run { "run" } else { "touched" };
        let script = event.second.as_ref().filter(|_| event.op == Op::Exec).and_then(Object::file);
        if let Some(script) = script
            && self.holds_text(&script.path)
        {
            return Some(format!("`{}` was {deed}", shown(&script.path)));
        }
        let second = event.second.as_ref().filter(|_| event.op != Op::Exec);
        let object = Some(&event.object).filter(|object| !is_unnamed_socket(object));
        object.into_iter().chain(second).filter_map(Object::file).find_map(|file| {
            let path = shown(&file.path);
            if self.holds(file) {
                Some(format!("`{path}` was {deed}"))
            } else if file.origin != Origin::Trusted && !is_nameless(file) {
                Some(format!("`{path}` was {deed}, of which the whole path is not known"))
            } else if is_everybodys(file.mode) && (is_run || is_program(file.mode)) {
                Some(format!("`{path}` was {deed}, which everybody may change"))
            } else {
                None
            }
        })
    }

    fn holds(&self, file: &File) -> bool {
        let device = file.key.map(|FileKey { dev, .. }| dev);
        let is_on = |named: &&Named| device.is_none_or(|device| device == named.device);
        self.0.iter().filter(is_on).any(|named| is_below(&file.path, &named.path))
    }

    /// The name of a script is what its caller gave: the interpreter's open of it tells the file.
    fn holds_text(&self, path: &BString) -> bool {
        // It began at a directory whose path is not known.
        path.starts_with(b"/[") || self.0.iter().any(|named| is_below(path, &named.path))
    }
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A pipe, a socket or the like that no file system names. What has a name in one that is not mounted here has a slash.
fn is_nameless(file: &File) -> bool {
    let is_content = [libc::S_IFREG, libc::S_IFDIR].contains(&(file.mode & libc::S_IFMT));
    file.origin == Origin::Unresolved && !is_content && !file.path.contains(&b'/')
}

/// Bound to nothing, or to a name of no file system.
fn is_unnamed_socket(object: &Object) -> bool {
    matches!(object, Object::Unix(file) if file.path.first().is_none_or(|first| *first == 0))
}

/// A file that can be run: an interpreter opens a script.
fn is_program(mode: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFREG && mode & 0o111 != 0
}

fn is_everybodys(mode: u32) -> bool {
    mode & libc::S_IWOTH != 0
}
