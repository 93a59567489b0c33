//! What is to be put back of what a session has moved, replaced, removed or given other permissions, once it stands still or
//! is over.

use crate::DenyList;
use crate::t0::{Kept, Places, Planted};
use abi::FileKey;
use event::{Event, Object, Op, Origin};
use policy::Rules;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Things that were put somewhere and wait: a session stands still some milliseconds after the first.
const PLANTED_MAX: usize = 1 << 16;

/// What lay where when a session began, and which of it the session has changed.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    pub(super) kept: Arc<Vec<Arc<Kept>>>,
    /// Which of it counts whatever the task, and which during the task.
    always: Vec<Arc<Kept>>,
    of_task: Vec<Arc<Kept>>,
    pub(super) places: Option<Places>,
    /// Whether something of the session's may lie there now.
    pub(super) waiting: BTreeMap<PathBuf, bool>,
    pub(super) planted: HashMap<PathBuf, (FileKey, Option<PathBuf>)>,
    /// Things that found no room among them.
    pub(super) left_out: u64,
    /// Somebody was told to begin.
    pub(super) begun: bool,
    /// Batches that are being put back.
    pub(super) at_work: usize,
}

/// What is to be put back now.
pub struct Batch {
    /// By this things are found.
    pub list: Arc<dyn DenyList>,
    /// Everything that is kept.
    pub kept: Arc<Vec<Arc<Kept>>>,
    /// What lay at these paths, and whether something of the session's may lie there now: what nobody inside put there is
    /// somebody else's, and stays.
    pub paths: BTreeMap<PathBuf, bool>,
    /// What was put where nothing was: to be put aside when the rest is back.
    pub planted: Vec<Planted>,
}

impl Undo {
    /// With what lies there now.
    pub(crate) fn keeping(kept: Vec<Kept>, places: Places) -> Self {
        let always: Vec<_> = kept.into_iter().map(Arc::new).collect();
        let kept = Arc::new(always.clone());
        Self { kept, always, places: Some(places), ..Self::default() }
    }

    /// More places count from now on, with what lies there now, some of them during the task alone. What was kept before at one of
    /// them is what belongs there.
    pub(crate) fn keep(&mut self, now: Vec<Kept>, of_task: Vec<Kept>, rules: &Rules) {
        let before = Arc::clone(&self.kept);
        let add = |all: &mut Vec<Arc<Kept>>, more: Vec<Kept>| {
            for one in more.into_iter().map(Arc::new) {
                let same = |kept: &&Arc<Kept>| kept.path() == one.path();
                if !all.iter().any(|kept| same(&kept)) {
                    let old = before.iter().find(same).cloned();
                    all.push(old.unwrap_or(one));
                }
            }
        };
        add(&mut self.always, now);
        add(&mut self.of_task, of_task);
        self.places = self.places.as_ref().map(|places| places.with(rules));
        self.gather();
    }

    /// What counts during the task alone: another one begins.
    pub(crate) fn take_task(&mut self) -> Vec<Arc<Kept>> {
        std::mem::take(&mut self.of_task)
    }

    /// The old task goes on.
    pub(crate) fn give_task(&mut self, kept: Vec<Arc<Kept>>) {
        self.of_task.extend(kept);
        self.gather();
    }

    /// What counts always, and what counts during the task, each once. What lies above comes first.
    fn gather(&mut self) {
        let mut known = HashSet::new();
        let all = self.always.iter().chain(&self.of_task);
        let mut kept: Vec<_> = all.filter(|kept| known.insert(kept.path())).cloned().collect();
        kept.sort_by_cached_key(|kept| kept.path().components().count());
        self.kept = Arc::new(kept);
    }

    /// An operation has changed what lies at its paths. What somebody outside changes stays.
    pub(super) fn note(&mut self, event: &Event, takes_a_place: bool) {
        for object in [Some(&event.object), event.second.as_ref()].into_iter().flatten() {
            let Object::File(file) = object else { continue };
            let path = PathBuf::from(OsStr::from_bytes(&file.path));
            // By another name it is the same.
            let is_meant = |kept: &&Arc<Kept>| {
                kept.path() == path
                    || file.origin == Origin::Trusted && file.key.is_some_and(|key| kept.is(key))
            };
            let meant = self.kept.iter().filter(is_meant).map(|kept| kept.path().to_owned());
            for path in meant {
                *self.waiting.entry(path).or_default() |= takes_a_place;
            }
        }
        self.note_planted(event);
    }

    /// It may have put something where nothing was. What only the session says of itself is no ground to move anything.
    fn note_planted(&mut self, event: &Event) {
        let there = match event.op {
            Op::Rename | Op::Link => event.second.as_ref(),
            Op::Create | Op::Symlink => Some(&event.object),
            _ => None,
        };
        let Some(Object::File(file)) = there else { return };
        let (Some(key), Origin::Trusted) = (file.key, file.origin) else { return };
        let path = PathBuf::from(OsStr::from_bytes(&file.path));
        let is_closed = |path: &Path| self.places.as_ref().is_some_and(|places| places.has(path));
        if !is_closed(&path) || self.has(&path) {
            return;
        }
        if self.planted.len() >= PLANTED_MAX && !self.planted.contains_key(&path) {
            self.left_out += 1;
            return;
        }
        let from = match &event.object {
            Object::File(from) if event.op == Op::Rename && from.origin == Origin::Trusted => {
                Some(PathBuf::from(OsStr::from_bytes(&from.path))).filter(|from| !is_closed(from))
            }
            _ => None,
        };
        self.planted.insert(path, (key, from));
    }

    fn has(&self, path: &Path) -> bool {
        self.kept.iter().any(|kept| kept.path() == path)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.planted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Access, File};

    fn file(path: &str, inode: u64) -> Object {
        let key = Some(FileKey { ino: inode, dev: 1, generation: 0 });
        Object::File(File { path: path.into(), key, mode: 0o100644, origin: Origin::Trusted })
    }

    fn event(op: Op, object: Object, second: Option<Object>) -> Event {
        Event { pid: 1, tid: 1, second, ..Event::of(op, Access::empty(), object) }
    }

    #[test]
    fn what_two_sets_close_is_kept_as_long_as_either_does() {
        let home = tempfile::tempdir().unwrap();
        let named = home.path().canonicalize().unwrap();
        std::fs::create_dir(named.join(".ssh")).unwrap();
        let rules = Rules::default();
        let refusals: Vec<_> = rules.refusals().collect();
        let list = crate::denylist::fake::Fake::default();
        let kept = || crate::t0::keep(&list, (&named, &named), &refusals, &[], crate::links::Links::All);
        let has = |undo: &Undo| undo.has(&named.join(".ssh"));
        let empty = || Undo::keeping(Vec::new(), Places::at("/home/u"));
        // During a task, and then always.
        let mut undo = empty();
        undo.keep(Vec::new(), kept(), &rules);
        let first = Arc::clone(undo.kept.last().unwrap());
        undo.keep(kept(), Vec::new(), &rules);
        drop(undo.take_task());
        undo.keep(Vec::new(), Vec::new(), &rules);
        assert!(has(&undo) && undo.kept.iter().any(|kept| Arc::ptr_eq(kept, &first)), "what lay there first");
        // During one task and the next, and then no more.
        let mut undo = empty();
        undo.keep(Vec::new(), kept(), &rules);
        let ended = undo.take_task();
        undo.keep(Vec::new(), kept(), &rules);
        drop(ended);
        assert!(has(&undo));
        let ended = undo.take_task();
        undo.keep(Vec::new(), Vec::new(), &rules);
        assert!(!has(&undo));
        undo.give_task(ended);
        assert!(has(&undo), "the old task goes on");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut undo = Undo::keeping(Vec::new(), Places::at("/home/u"));
        let mut create = |number: usize| {
            let path = format!("/home/u/.config/autostart/{number}");
            undo.note(&event(Op::Create, file(&path, number as u64 + 1), None), true);
            undo.left_out
        };
        assert_eq!((0..PLANTED_MAX).map(&mut create).last(), Some(0));
        // One that is known already needs no room.
        assert_eq!(create(0), 0);
        assert_eq!((0..3).map(|number| create(PLANTED_MAX + number)).last(), Some(3));
        assert_eq!(undo.planted.len(), PLANTED_MAX);
    }

    #[test]
    fn where_it_came_from_is_known_unless_that_is_closed_too() {
        let mut undo = Undo::keeping(Vec::new(), Places::at("/home/u"));
        let places = ["/home/u/code", "/home/u/.config/systemd"];
        for (place, to) in places.into_iter().zip(["/home/u/.docker", "/home/u/.config/autostart"]) {
            undo.note(&event(Op::Rename, file(place, 7), Some(file(to, 7))), true);
        }
        let from = |path: &str| undo.planted[Path::new(path)].1.as_deref();
        assert_eq!(from("/home/u/.docker"), Some(Path::new("/home/u/code")));
        assert_eq!(from("/home/u/.config/autostart"), None);
    }
}
