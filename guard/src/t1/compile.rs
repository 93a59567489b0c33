//! The walk: which directories and files get a label, and what it refuses.
//!
//! A directory's label speaks for itself and for everything below that has none of its own. Three cases:
//! * **uniform**: what may be done to the directory may be done to anything new below it; one label, and more only for
//!   what the baseline tells apart;
//! * **closed**: nothing new; what is known has a label that allows it;
//! * **made in**: sessions make files there that nobody has seen (a cache), but leave alone what they did not
//!   make. The directory allows, and everything that exists when the session starts has a label of its own: the session
//!   reads back what it made, replaced atomically or not, and nothing else. Where sessions make the same names each time
//!   (a home), the directory allows these alone.

use super::files::{Entry, Files};
use super::habits::{ALWAYS, Costs, Habit, Habits, Reaches};
use super::names::{Name, Names};
use super::policy::{Closed, NAMES_MAX, Policy};
use super::words::{ASKED_FOR, FILE_REACHES, bits, show, verb};
use crate::magic;
use crate::reason::{Normal, Reasons};
use abi::{FileKey, LABEL_NAMES, LABEL_STATE, Label, T1NameKey, access};
use bstr::{BStr, BString, ByteSlice};
use event::open::{NAME_SERVICES, TEMPORARY};
use event::template::{is_anchored, is_template};
use event::{Access, Context, Reach};
use models::Novelty;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Entries of one directory that are looked at. The largest system directories hold a few thousand.
const ENTRIES_MAX: usize = 16_384;
/// Files that are looked at in unknown directories below those that sessions make files in.
const UNKNOWN_MAX: usize = 8_192;
/// The magic number of devpts: terminals, of which a session has another one each time.
const DEVPTS: u64 = 0x1cd1;
/// The magic number of proc.
const PROC: u64 = 0x9fa0;

pub(super) struct Compiler<'a> {
    habits: Habits<'a>,
    normal: &'a Normal,
    context: &'a Context,
    files: &'a dyn Files,
    reasons: &'a Reasons,
    number: u32,
    labels: HashMap<FileKey, Label>,
    names: Vec<(T1NameKey, u32)>,
    /// Names that there is room for.
    names_left: usize,
    awaited: BTreeMap<BString, Names>,
    closed: Vec<Closed>,
    notes: Vec<String>,
    mounts: HashSet<BString>,
    /// What is refused everywhere: mounting, unless it was learned.
    everywhere: u32,
    /// Files that may still be looked at in unknown directories.
    unknown_left: usize,
}

/// A directory, as its children see it.
#[derive(Clone, Copy)]
struct Parent {
    deny: u32,
    /// Sessions make files in it.
    made_in: bool,
    /// Its label holds for names that are made in it, and for nothing that is there.
    names: bool,
    /// It holds everything else, or it is for temporary files: only what lies directly in it is told apart.
    shallow: bool,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        novelty: &'a Novelty,
        normal: &'a Normal,
        context: &'a Context,
        files: &'a dyn Files,
        reasons: &'a Reasons,
        number: u32,
    ) -> Self {
        Self {
            habits: Habits::new(novelty, context, files),
            normal,
            context,
            files,
            reasons,
            number,
            labels: HashMap::new(),
            names: Vec::new(),
            names_left: NAMES_MAX,
            awaited: BTreeMap::new(),
            closed: Vec::new(),
            notes: Vec::new(),
            mounts: files.mounts().into_iter().collect(),
            everywhere: access::MOUNT,
            unknown_left: UNKNOWN_MAX,
        }
    }

    /// The labels; networks are compiled apart.
    pub(super) fn run(mut self) -> Policy {
        let root = std::mem::take(&mut self.habits.root);
        let slash = BStr::new("/");
        // A sandbox begins with a mount on `/`: learned as a change of it.
        if self.habits.costs(slash, root.known).itself.has(Reach::Write) {
            self.everywhere = 0;
        }
        if let Some(entry) = self.files.look(slash) {
            self.directory(slash, Some(&root), &entry, None);
        }
        let mut mounts: Vec<BString> = self.mounts.iter().cloned().collect();
        mounts.sort_unstable();
        for point in mounts {
            self.mount(point.as_bstr(), &root);
        }
        for workspace in &self.context.workspaces {
            match self.files.look(workspace.as_bstr()) {
                Some(entry) => self.label(entry.key, self.everywhere, workspace.as_bstr()),
                None => self.notes.push(format!(
                    "the workspace `{}` does not exist: nothing in it will be allowed",
                    show(workspace, &self.context.home)
                )),
            }
        }
        self.open_name_services();
        self.close_obeyed();
        let unlabelled = match self.everywhere {
            0 => 0,
            everywhere => everywhere | access::CREATE | access::REMOVE | access::LINK | access::EXEC,
        };
        self.closed.sort_by_key(|c| (c.distance, !c.deny.contains(Access::READ), c.path.len()));
        let mut labels: Vec<(FileKey, Label)> = self.labels.into_iter().collect();
        labels.sort_unstable();
        Policy {
            number: self.number,
            labels,
            names: self.names,
            awaited: self.awaited,
            unlabelled,
            unlabelled_reason: self.reasons.allocate(self.number, &self.normal.never_there()),
            closed: self.closed,
            notes: self.notes,
            ..Policy::default()
        }
    }

    /// Lets every session ask for names, wherever it learned to.
    fn open_name_services(&mut self) {
        for path in NAME_SERVICES {
            if let Some(entry) = self.files.look(path.into()).filter(Entry::is_socket) {
                let mut asks = Reaches::default();
                asks.insert(Reach::Unix);
                self.label(entry.key, self.everywhere | refused(asks), path.into());
            }
        }
    }

    /// Closes the names that are obeyed in the agent's own state, wherever a label says that it is some.
    fn close_obeyed(&mut self) {
        let names = self.habits.obeyed();
        let reason = self.reasons.allocate(self.number, &self.normal.never_obeyed());
        let names = names.iter().filter_map(|name| Name::exact(name.as_bstr()));
        self.names.extend(names.map(|name| (name.key(abi::ANY_DIR, self.number), reason)));
    }

    /// A directory that may be looked into. `above`: what the label above it refuses; `None` where there is none.
    fn directory(&mut self, path: &BStr, habit: Option<&Habit>, entry: &Entry, above: Option<u32>) {
        if habit.is_some_and(|habit| habit.workspace) {
            return self.label(entry.key, self.everywhere, path);
        }
        if magic::file_system(entry.magic).ephemeral {
            return self.ephemeral(path, habit, entry);
        }
        let costs = self.habits.costs(path, habit.map(|habit| habit.known).unwrap_or_default());
        let children = habit.iter().flat_map(|habit| &habit.children);
        let (templates, named): (Vec<_>, Vec<_>) = children.partition(|(name, _)| is_template(name));
        let known: Vec<(BString, &BString, Option<Entry>)> = named
            .iter()
            .map(|(name, _)| {
                let path = join(path, name.as_bstr());
                let entry = self.files.look(path.as_bstr());
                (path, *name, entry)
            })
            .collect();
        let temporary = is_temporary(path, entry);
        // What a person opened may be made, and says nothing of what else comes and goes there.
        let comes_and_goes = temporary
            || costs.fresh.has(Reach::Create)
            || named.iter().chain(&templates).any(|(_, child)| child.made);
        let made_in =
            comes_and_goes || named.iter().chain(&templates).any(|(_, child)| child.known.has(Reach::Create));
        // Known, but not there: somebody will make it during the session, and then it has no label.
        let absent =
            known.iter().zip(&named).filter(|((.., entry), _)| entry.is_none()).map(|(_, named)| named);
        let absent: Vec<&Habit> = absent.chain(&templates).map(|(_, child)| *child).collect();
        let mut allowed = Reaches::default();
        for reach in FILE_REACHES {
            let awaited = matches!(reach, Reach::Read | Reach::Write)
                && absent.iter().any(|child| child.known.has(reach));
            if made_in || awaited || costs.itself.has(reach) || costs.fresh.has(reach) {
                allowed.insert(reach);
            }
        }
        let deny = self.everywhere | refused(allowed);
        let enumerated = !templates.is_empty()
            || ALWAYS.iter().any(|place| path == *place)
            || FILE_REACHES.into_iter().any(|reach| allowed.has(reach) && !costs.fresh.has(reach));
        let names = allowed.has(Reach::Create)
            && !temporary
            && !costs.fresh.has(Reach::Create)
            && self.closes_to_names(entry.key, path, habit);
        let is_state = self.habits.is_state(path);
        if above != Some(deny) || names || is_state {
            self.label(entry.key, deny, path);
        }
        if let Some(label) = self.labels.get_mut(&entry.key).filter(|_| names) {
            label.flags = LABEL_NAMES;
        }
        // What is obeyed is closed to changes in it.
        let obeyed = if is_state { access::WRITE } else { 0 };
        self.note_closed(path, refused(costs.fresh) | obeyed, !enumerated);
        let shallow = temporary || self.habits.is_general(path);
        let parent = Parent { deny, made_in: comes_and_goes, names, shallow };
        let mut told: HashSet<BString> = HashSet::new();
        for ((path, name, entry), (_, child)) in known.into_iter().zip(named) {
            match entry {
                Some(entry) => {
                    let child = habit.and_then(|habit| habit.of(name.as_bstr()));
                    self.child(path.as_bstr(), child.as_deref(), &entry, parent);
                }
                None => self.awaits(path.as_bstr(), child),
            }
            told.insert(path);
        }
        if enumerated {
            self.enumerate(path, habit, &told, parent);
        }
    }

    /// Lets nothing be made in a directory but what sessions know there, and what is there already (to be replaced).
    /// False, and nothing is done, where a name is too long for the kernel's map, or there are too many.
    fn closes_to_names(&mut self, key: FileKey, path: &BStr, habit: Option<&Habit>) -> bool {
        let (there, _) = self.files.names(path, ENTRIES_MAX).unwrap_or_default();
        let there = there.iter().filter_map(|name| Name::exact(name.as_bstr())).collect();
        let Some(names) = self.names_of(path, habit.unwrap_or(&Habit::default()), there) else {
            return false;
        };
        self.names.extend(names.entries(key, self.number));
        true
    }

    /// A directory that is not there, and all that sessions know in it.
    fn awaits(&mut self, path: &BStr, habit: &Habit) {
        if self.habits.is_state(path) {
            self.awaited.insert(path.into(), Names::of_state(self.everywhere));
            return;
        }
        let is_open = self.habits.costs(path, habit.known).fresh.has(Reach::Create);
        if is_open || habit.workspace || !self.habits.is_met(path, habit) {
            return;
        }
        let Some(names) = self.names_of(path, habit, BTreeSet::new()) else { return };
        self.awaited.insert(path.into(), names);
        for (name, child) in habit.children.iter().filter(|(name, _)| !is_template(name)) {
            self.awaits(join(path, name.as_bstr()).as_bstr(), child);
        }
    }

    /// The names that sessions know in a directory, and those that are there; `None`, and said, where one is too long for
    /// the kernel's map, or there is no room.
    fn names_of(&mut self, path: &BStr, habit: &Habit, mut known: BTreeSet<Name>) -> Option<Names> {
        let shown = show(path, &self.context.home);
        // What one session met alone is not known, and leads to nothing that is.
        let is_met = |name: &BStr, child| self.habits.is_met(join(path, name).as_bstr(), child);
        let met = habit.children.iter().filter(|(name, child)| is_met(name.as_bstr(), child));
        // A template that does not say whose names it stands for opens nothing where every program keeps something.
        let is_hub = self.habits.is_hub(path);
        let met = met.filter(|(name, _)| !is_hub || !is_template(name) || is_anchored(name));
        let met = met.map(|(name, _)| match is_template(name) {
            true => Some(Name::pattern(name.as_bstr())),
            false => Name::exact(name.as_bstr()),
        });
        let met = met.collect::<Option<Vec<_>>>();
        let room = met.and_then(|met| {
            known.extend(met);
            self.names_left.checked_sub(known.len() + 1)
        });
        let Some(room) = room else {
            self.notes.push(format!(
                "`{shown}` has too many names, or names that are too long: sessions may make any file in it"
            ));
            return None;
        };
        self.names_left = room;
        let reason = self.normal.closed(verb(Reach::Create), &shown);
        let deny_reason = match self.everywhere {
            0 => 0,
            _ => self.reasons.allocate(self.number, &self.normal.never_mounted()),
        };
        let reason = self.reasons.allocate(self.number, &reason);
        Some(Names { known, reason, deny: self.everywhere, deny_reason, flags: LABEL_NAMES })
    }

    fn enumerate(&mut self, path: &BStr, habit: Option<&Habit>, told: &HashSet<BString>, parent: Parent) {
        let Some((names, cut)) = self.files.names(path, ENTRIES_MAX) else { return };
        if cut {
            let shown = show(path, &self.context.home);
            self.notes.push(format!(
                "`{shown}` holds more than {ENTRIES_MAX} entries: those beyond count as new ones"
            ));
        }
        for name in names {
            let path = join(path, name.as_bstr());
            if !told.contains(&path)
                && let Some(entry) = self.files.look(path.as_bstr())
            {
                let alike = habit.and_then(|habit| habit.of(name.as_bstr()));
                self.child(path.as_bstr(), alike.as_deref(), &entry, parent);
            }
        }
    }

    fn child(&mut self, path: &BStr, habit: Option<&Habit>, entry: &Entry, parent: Parent) {
        if !entry.is_dir() {
            return self.file(path, habit, entry, parent);
        }
        let above = (!self.mounts.contains(path) && !parent.names).then_some(parent.deny);
        match habit {
            Some(habit) => self.directory(path, Some(habit), entry, above),
            None if is_temporary(path, entry) => self.directory(path, None, entry, above),
            None => self.unknown_directory(path, entry, parent, above),
        }
    }

    fn unknown_directory(&mut self, path: &BStr, entry: &Entry, parent: Parent, above: Option<u32>) {
        if magic::file_system(entry.magic).ephemeral {
            return self.ephemeral(path, None, entry);
        }
        let costs = self.habits.costs(path, Reaches::default());
        if parent.made_in
            && !parent.shallow
            && !self.habits.is_other_project(path)
            && costs.fresh.has(Reach::Create)
        {
            // Sessions make files in directories like this one, which others have made before (a cache that fans out).
            if self.unknown_left > 0 {
                self.unknown_left -= 1;
                return self.directory(path, None, entry, above);
            }
            return self.label(entry.key, self.everywhere | (refused(costs.fresh) & access::EXEC), path);
        }
        // What may be done to the directory itself says nothing of what lies in it.
        let mut deny = self.everywhere | refused(costs.fresh);
        // A file that is made is also written.
        if deny & bits(Reach::Write) != 0 {
            deny |= access::CREATE;
        }
        if above != Some(deny) {
            self.label(entry.key, deny, path);
        }
        self.note_closed(path, deny, true);
    }

    fn file(&mut self, path: &BStr, habit: Option<&Habit>, entry: &Entry, parent: Parent) {
        if parent.made_in && !parent.shallow {
            self.unknown_left = self.unknown_left.saturating_sub(usize::from(habit.is_none()));
        }
        let known = habit.map(|habit| habit.known).unwrap_or_default();
        let costs = self.habits.costs(path, known);
        let mut deny = self.everywhere | closed(costs);
        // Replacing a file atomically makes its name, and removes what had it.
        let is_changed =
            [Reach::Write, Reach::Create, Reach::Remove].into_iter().any(|reach| known.has(reach));
        let is_obeyed = self.habits.is_obeyed(path) && !is_changed;
        if parent.deny & access::CREATE == 0 && !is_obeyed {
            deny &= !access::CREATE;
        }
        if parent.made_in && !is_obeyed && (known != Reaches::default() || !parent.shallow) {
            deny &= !access::REMOVE;
        }
        if deny != parent.deny || parent.names {
            let directory = path.rsplit_once_str("/").map_or(&b"/"[..], |(directory, _)| directory);
            self.label(entry.key, deny, directory.as_bstr());
        }
    }

    /// A file system whose files come and go: one label at its root, which allows what was learned anywhere below.
    fn ephemeral(&mut self, path: &BStr, habit: Option<&Habit>, entry: &Entry) {
        let costs = self.habits.costs(path, habit.map(|habit| habit.known).unwrap_or_default());
        let mut allowed = Reaches::default();
        for reach in FILE_REACHES {
            let terminal = entry.magic == DEVPTS && matches!(reach, Reach::Read | Reach::Write);
            // What lies there beside processes may be written by root alone.
            let process = entry.magic == PROC && self.context.uid != 0 && reach == Reach::Write;
            let learned = habit.is_some_and(|habit| habit.below.has(reach));
            if terminal || process || learned || costs.itself.has(reach) || costs.fresh.has(reach) {
                allowed.insert(reach);
            }
        }
        self.label(entry.key, self.everywhere | refused(allowed), path);
    }

    /// The root of a file system that the walk from `/` did not come to.
    fn mount(&mut self, path: &BStr, root: &Habit) {
        let Some(entry) = self.files.look(path) else { return };
        if self.labels.contains_key(&entry.key) {
            return;
        }
        let habit = root.find(path);
        if entry.is_dir() {
            self.directory(path, habit, &entry, None);
        } else {
            // A single file that is mounted over another: as closed as its place.
            let costs = self.habits.costs(path, habit.map(|habit| habit.known).unwrap_or_default());
            self.label(entry.key, self.everywhere | closed(costs), path);
        }
    }

    /// Labels a file; the reason speaks of `place`.
    fn label(&mut self, key: FileKey, deny: u32, place: &BStr) {
        let shown = show(place, &self.context.home);
        let refused = ASKED_FOR.into_iter().filter(|&reach| deny & bits(reach) != 0);
        let mut reasons: Vec<(u32, String)> =
            refused.map(|reach| (bits(reach), self.normal.closed(verb(reach), &shown))).collect();
        if deny & access::MOUNT != 0 {
            reasons.push((access::MOUNT, self.normal.never_mounted()));
        }
        let reason = self.reasons.allocate_each(self.number, &reasons);
        let flags = if self.habits.is_state(place) { LABEL_STATE } else { 0 };
        self.labels.insert(key, Label { deny, reason, flags });
    }

    fn note_closed(&mut self, path: &BStr, deny: u32, deep: bool) {
        let deny = Access::from_bits_truncate(deny) & (Access::READ | Access::WRITE | Access::EXEC);
        if deny.is_empty() {
            return;
        }
        let near = self.context.in_home(path).is_some() || self.habits.is_other_project(path);
        self.closed.push(Closed { path: path.into(), deny, deep, distance: u8::from(!near) });
    }
}

/// A directory for everybody's temporary files: one of the system's, or directly in one, and with the modes of one (every
/// user may make files, and nobody may remove another's).
fn is_temporary(path: &BStr, entry: &Entry) -> bool {
    let directory = path.rsplit_once_str("/").map_or(&b""[..], |(directory, _)| directory);
    TEMPORARY.iter().any(|place| path == *place || directory == place.as_bytes() && entry.is_shared())
}

/// The access bits of the reaches that are not allowed.
fn refused(allowed: Reaches) -> u32 {
    FILE_REACHES.into_iter().filter(|&reach| !allowed.has(reach)).fold(0, |deny, reach| deny | bits(reach))
}

/// What is refused to something that exists, and that nothing new can be confused with.
fn closed(costs: Costs) -> u32 {
    FILE_REACHES
        .into_iter()
        .filter(|&reach| !costs.itself.has(reach) && !costs.fresh.has(reach))
        .fold(0, |deny, reach| deny | bits(reach))
}

fn join(parent: &BStr, name: &BStr) -> BString {
    let mut path = BString::from(parent.trim_end_with(|c| c == '/'));
    path.push(b'/');
    path.extend_from_slice(name);
    path
}
