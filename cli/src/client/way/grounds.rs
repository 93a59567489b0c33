//! What the repository decides: the workspaces, the tops of their repositories, the current directory, and whatever links in these
//! lead to. Each is told as the kernel has it, by device and path in the superblock: mounts show the same under several names.

use bstr::BString;
use rustix::fs::{Access, AtFlags, CWD, StatxFlags, accessat, statx};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use sys::mountinfo::{self, MOUNTINFO, Mount};
use wire::Ground;

/// How deep below a place links are looked for.
const DEPTH_MAX: usize = 3;
/// Names that are looked at below the places themselves.
const ENTRIES_MAX: usize = 10_000;
/// Names in the places themselves, and where launchers look in them. Of places that have more nobody knows what they say.
const TOP_MAX: usize = 50_000;
/// Targets of links.
const TARGETS_MAX: usize = 1_024;
/// Where launchers look for programs and settings, below a place.
const LOOKED_AT: [&str; 6] = [".bin", ".config", ".config/mise", ".venv/bin", "bin", "node_modules/.bin"];
/// What a tree that is under version control has at its top.
const TOPS: [&str; 4] = [".git", ".hg", ".jj", ".svn"];
/// Where the system keeps what it is made of.
const SYSTEM: [&str; 8] = ["/bin", "/etc", "/lib", "/lib32", "/lib64", "/opt", "/sbin", "/usr"];

/// What the repository decides.
#[derive(Debug, Default)]
pub(super) struct Grounds {
    pub(super) found: Vec<Ground>,
    /// All of it was found.
    pub(super) is_whole: bool,
    mountinfo: Vec<u8>,
}

impl Grounds {
    /// Of a session that works in these canonical places. A home decides nothing, unless it is a workspace.
    pub(super) fn of(workspaces: &[PathBuf], directory: Option<&Path>, home: &Path) -> Self {
        let mountinfo = fs::read(MOUNTINFO).unwrap_or_default();
        let places = places(workspaces, directory, home);
        let targets = targets(&places);
        let mut grounds =
            Self { found: Vec::new(), is_whole: targets.is_some() && !places.is_empty(), mountinfo };
        let mut found = Vec::new();
        for path in places.iter().chain(targets.iter().flatten()) {
            match located(path, &grounds.mountinfo) {
                Some(ground) => found.push(ground),
                None => grounds.is_whole = false,
            }
            // What is mounted there.
            let below =
                |mount: &Mount<'_>| Path::new(std::ffi::OsStr::from_bytes(&mount.point)).starts_with(path);
            for mount in mountinfo::parse(&grounds.mountinfo).filter(below) {
                let root = mount.root.strip_suffix(b"/").unwrap_or(&mount.root);
                found.extend(mount.number().map(|device| Ground { device, path: root.into() }));
            }
        }
        found.sort_unstable_by(|one, other| (one.device, &one.path).cmp(&(other.device, &other.path)));
        found.dedup();
        Self { found, ..grounds }
    }

    /// Whether the repository decides a file, or nobody knows.
    pub(super) fn hold(&self, file: &Path) -> bool {
        located(file, &self.mountinfo).is_none_or(|file| {
            let is_below = |ground: &Ground| {
                ground.device == file.device
                    && file
                        .path
                        .strip_prefix(ground.path.as_slice())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            self.found.iter().any(is_below)
        })
    }
}

/// Where the session works, and the repositories that hold that.
pub(super) fn places(workspaces: &[PathBuf], directory: Option<&Path>, home: &Path) -> Vec<PathBuf> {
    let directory = directory.filter(|directory| !home.starts_with(directory));
    let works: Vec<&Path> = workspaces.iter().map(PathBuf::as_path).chain(directory).collect();
    let above = works.iter().flat_map(|place| place.ancestors().skip(1));
    let is_top = |above: &Path| TOPS.iter().any(|name| above.join(name).symlink_metadata().is_ok());
    let tops = above.filter(|above| !home.starts_with(above) && is_top(above));
    let mut places: Vec<PathBuf> = Vec::new();
    for place in works.iter().copied().chain(tops) {
        if !places.iter().any(|other| other == place) {
            places.push(place.to_owned());
        }
    }
    places
}

/// Where links in the places lead out of them: all of those in the directories from a place up to its repository's top, all of
/// those where launchers look, and below them those nearest. `None`: there are too many to know, or some cannot be seen.
fn targets(places: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let mut links = Links { places, targets: BTreeSet::new() };
    let mut tops: Vec<PathBuf> = Vec::new();
    for place in places {
        let within =
            place.ancestors().take_while(|above| places.iter().any(|other| above.starts_with(other)));
        for directory in within {
            if !tops.iter().any(|top| top == directory) {
                tops.push(directory.to_owned());
            }
        }
    }
    let mut room = TOP_MAX;
    let mut queue = Vec::new();
    for top in &tops {
        queue.extend(links.within(top, &mut room)?);
        for place in LOOKED_AT {
            links.within(&top.join(place), &mut room)?;
        }
        if room == 0 {
            return None;
        }
    }
    let mut room = ENTRIES_MAX;
    for _ in 1..DEPTH_MAX {
        let mut next = Vec::new();
        for directory in std::mem::take(&mut queue) {
            next.extend(links.within(&directory, &mut room)?);
        }
        queue = next;
    }
    Some(links.targets.into_iter().collect())
}

/// Links that lead out of the places.
struct Links<'p> {
    places: &'p [PathBuf],
    targets: BTreeSet<PathBuf>,
}

impl Links<'_> {
    /// Takes those in a directory, as long as there is room for its names; the directories in it. `None`: they cannot be seen, though
    /// they can be followed, or lead to too many places.
    fn within(&mut self, directory: &Path, room: &mut usize) -> Option<Vec<PathBuf>> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let may_pass = accessat(CWD, directory, Access::EXEC_OK, AtFlags::EACCESS).is_ok();
                return (!may_pass).then(Vec::new);
            }
            Err(_) => return Some(Vec::new()),
        };
        let mut directories = Vec::new();
        for entry in entries.flatten() {
            if *room == 0 {
                break;
            }
            *room -= 1;
            match entry.file_type() {
                Ok(kind) if kind.is_symlink() => self.take(&entry.path()),
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
        (self.targets.len() <= TARGETS_MAX).then_some(directories)
    }

    fn take(&mut self, link: &Path) {
        let Some(target) = target(link) else { return };
        let is_inside = self.places.iter().any(|place| target.starts_with(place));
        let is_taken = || target.ancestors().any(|above| self.targets.contains(above));
        if !is_inside && !is_taken() && !is_systems(&target) {
            self.targets.insert(target);
        }
    }
}

/// Whether no session can have written something: a device, whose content is the kernel's, or a part of the system.
fn is_systems(target: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    target.metadata().is_ok_and(|found| {
        let kind = found.file_type();
        let is_roots = found.uid() == 0 && found.mode() & OTHERS_WRITE == 0;
        let is_system = || SYSTEM.iter().any(|place| target.starts_with(place));
        kind.is_char_device() || kind.is_block_device() || is_roots && (kind.is_file() || is_system())
    })
}

/// Where a link leads, whether something lies there or is still to be made. `None`: nobody can follow it.
fn target(link: &Path) -> Option<PathBuf> {
    if let Ok(target) = link.canonicalize() {
        return Some(target);
    }
    let target = link.parent()?.join(fs::read_link(link).ok()?);
    let (there, absent) = nearest(&target)?;
    let is_plain = absent.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| there.join(absent))
}

/// The nearest directory of a path that is there, canonical, and what is not.
fn nearest(path: &Path) -> Option<(PathBuf, &Path)> {
    let mut above = path.ancestors();
    above.find_map(|above| Some((above.canonicalize().ok()?, path.strip_prefix(above).ok()?)))
}

/// A canonical path as the kernel has it.
fn located(path: &Path, mountinfo: &[u8]) -> Option<Ground> {
    let (there, absent) = nearest(path)?;
    let found = statx(CWD, &there, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
    let is_known = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    let mount = mountinfo::parse(mountinfo).find(|mount| is_known && mount.id == found.stx_mnt_id)?;
    let whole = if absent.as_os_str().is_empty() { there } else { there.join(absent) };
    let inside = mount.inside(whole.as_os_str().as_bytes())?;
    Some(Ground { device: mount.number()?, path: BString::from(inside) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn under(path: &Path, targets: &[PathBuf]) -> Vec<String> {
        let mut found: Vec<String> = targets
            .iter()
            .map(|target| target.strip_prefix(path).unwrap_or(target).display().to_string())
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn what_links_in_a_workspace_lead_to_is_the_repositorys() {
        let tmp = tempfile::tempdir().unwrap();
        let top = tmp.path().canonicalize().unwrap();
        let work = top.join("r/a/b/w");
        fs::create_dir_all(work.join("1/2/3")).unwrap();
        fs::create_dir_all(top.join("r/.git")).unwrap();
        fs::create_dir_all(top.join("cache/there")).unwrap();
        for (link, to) in [
            (work.join("cache"), "cache"),
            (work.join("1/2/third"), "third/absent"),
            (work.join("1/2/3/fourth"), "fourth"),
            (top.join("r/a/.npmrc"), "between"),
            (top.join("r/.npmrc"), "first"),
            (work.join("own"), "r/a/own"),
            (work.join("up"), "absent/../up"),
        ] {
            symlink(top.join(to), link).unwrap();
        }
        symlink("/dev/null", work.join("null")).unwrap();
        let home = top.join("home");
        let places = places(std::slice::from_ref(&work), Some(&top), &home);
        assert_eq!(under(&top, &places), ["r", "r/a/b/w"], "a home's directory decides nothing");
        let found = targets(&places).unwrap();
        assert_eq!(under(&top, &found), ["between", "cache", "first", "third/absent"]);
        // Names that hide another one do not hide those at the top.
        for name in 0..=ENTRIES_MAX {
            fs::write(work.join("1").join(format!("n{name}")), "").unwrap();
        }
        let found = targets(&places).unwrap();
        assert!(under(&top, &found).contains(&"first".to_owned()));
        let grounds = Grounds::of(std::slice::from_ref(&work), None, &home);
        assert!(grounds.is_whole, "{grounds:?}");
        for held in ["r/a/b/w/x", "r/x", "cache/there", "first"] {
            assert!(grounds.hold(&top.join(held)), "{held}");
        }
        for other in ["rest", "home/x", "cached", "fourth"] {
            assert!(!grounds.hold(&top.join(other)), "{other}");
        }
    }

    #[test]
    fn what_is_mounted_in_a_workspace_is_the_repositorys() {
        let grounds = Grounds::of(&["/".into()], None, Path::new("/home/u"));
        let proc = located(Path::new("/proc/sys"), &grounds.mountinfo).unwrap();
        assert_eq!(proc.path, "/sys");
        assert!(grounds.hold(Path::new("/proc/sys")));
        assert!(Grounds { is_whole: true, ..Grounds::default() }.hold(Path::new("/proc")), "nobody knows");
    }
}
