//! Finds the object of an operation: the kernel's, in place of the claimed one.

use crate::decoded::Touched;
use event::{Event, File, Object, Op};

/// Files that one call is remembered to have changed: eight inodes by four names, twice.
pub(super) const TOUCHED: usize = 64;
/// Puts the objects that the kernel named in the place of those that the caller claimed.
pub(super) fn resolve(event: &mut Event, touched: &[Touched]) {
    let leaf = name_of(Some(&event.object));
    let (after, before): (Vec<&Touched>, Vec<&Touched>) = touched.iter().partition(|touched| touched.after);
    let stood = |file: &File| before.iter().any(|other| other.file.key == file.key);
    let had = |file: &File| before.iter().any(|other| same(&other.file, file));
    let has = |file: &File| after.iter().any(|other| same(&other.file, file));
    let files = |list: &[&Touched]| list.iter().map(|touched| touched.file.clone()).collect::<Vec<File>>();
    let (before_files, after_files) = (files(&before), files(&after));
    let found = match event.op {
        Op::Create | Op::Mkdir | Op::Symlink => {
            choose(&after_files, &leaf, |file| !stood(file)).map(|file| (file, None))
        }
        Op::Unlink | Op::Rmdir => choose(&before_files, &leaf, |file| !has(file)).map(|file| (file, None)),
        Op::Rename => choose(&before_files, &leaf, |file| {
            !has(file) && after_files.iter().any(|now| now.key == file.key && !had(now))
        })
        .and_then(|file| {
            let now = after_files.iter().find(|now| now.key == file.key && !had(now))?;
            Some((file, Some(now.clone())))
        }),
        Op::Link => match after_files.iter().find(|now| stood(now) && !had(now)) {
            Some(now) => {
                choose(&before_files, &leaf, |file| file.key == now.key).map(|file| (file, Some(now.clone())))
            }
            // It had no name before: what was named is its descriptor.
            None => choose(&after_files, &name_of(event.second.as_ref()), |file| !stood(file))
                .map(|now| (event.object.file().unwrap_or(&now).clone(), Some(now))),
        },
        _ => choose(&before_files, &leaf, |_| true).map(|file| (file, None)),
    };
    if let Some((file, second)) = found {
        event.object = Object::File(file);
        if let Some(second) = second {
            event.second = Some(Object::File(second));
        }
    }
}

/// The file that fits, and of several the one that has the name which was claimed.
fn choose(files: &[File], name: &[u8], fits: impl Fn(&File) -> bool) -> Option<File> {
    let fitting: Vec<&File> = files.iter().filter(|file| fits(file)).collect();
    fitting.iter().find(|file| leaf(file) == name).or(fitting.first()).map(|file| (*file).clone())
}

fn same(one: &File, other: &File) -> bool {
    one.key == other.key && one.path == other.path
}

fn name_of(object: Option<&Object>) -> Vec<u8> {
    object.and_then(Object::file).map(|file| leaf(file).to_vec()).unwrap_or_default()
}

fn leaf(file: &File) -> &[u8] {
    file.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}
