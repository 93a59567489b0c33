//! A baseline's places as real paths: a tree with the session's names in place of the symbols.

use super::files::Files;
use super::program;
use super::spelling::Spelling;
use super::words::FILE_REACHES;
use bstr::{BStr, BString, ByteSlice};
use event::open::{HARMLESS, TEMPORARY};
use event::state;
use event::template;
use event::toolchain;
use event::{Class, Context, File, Origin, Place, Reach, Tokeniser};
use models::{DENIAL_BUDGET_BITS, Novelty, Region};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Directories that are looked into even where nothing was learned: what holds of the system before learning changes
/// below them.
pub(super) const ALWAYS: [&str; 3] = ["/usr", "/usr/local", "/dev"];

/// A set of reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reaches(u8);

impl Reaches {
    pub(super) fn insert(&mut self, reach: Reach) {
        self.0 |= 1 << reach as u8;
    }
    pub(super) fn has(self, reach: Reach) -> bool {
        self.0 & 1 << reach as u8 != 0
    }
    fn without(self, reach: Reach) -> Self {
        Self(self.0 & !(1 << reach as u8))
    }
    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A path that the baseline knows, or that lies on the way to one. Among its children are templates: what sessions know of
/// all names that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Habit {
    pub(super) children: BTreeMap<BString, Habit>,
    /// It is a workspace: everything is allowed, and nothing below is looked at.
    pub(super) workspace: bool,
    /// Reaches by which sessions touched it itself, or that a person opened.
    pub(super) known: Reaches,
    /// Sessions made it themselves: such names come and go where it lies.
    pub(super) made: bool,
    /// Reaches by which sessions touched it or something below it.
    pub(super) below: Reaches,
}

/// What one place costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    /// Reaches that may touch it itself.
    pub(super) itself: Reaches,
    /// Reaches that may touch something new below it.
    pub(super) fresh: Reaches,
}

/// The baseline over the paths of one session.
pub(super) struct Habits<'a> {
    novelty: &'a Novelty,
    /// Sessions, or some of them, that reached so for a path or for something below it, where any did.
    support: HashMap<(Reach, BString), usize>,
    tokeniser: Tokeniser,
    pub(super) root: Habit,
}

impl<'a> Habits<'a> {
    pub(super) fn new(novelty: &'a Novelty, context: &Context, files: &dyn Files) -> Self {
        let spelling = Spelling::new(novelty, context, files);
        let mut root = Habit::default();
        let mut support = HashMap::new();
        let mut programs = Vec::new();
        for region in novelty.regions() {
            if !FILE_REACHES.contains(&region.reach) {
                continue;
            }
            note_support(&mut support, &region, context, &spelling);
            let known = region.known && (region.touched > 0 || region.allowed);
            if known && region.reach == Reach::Exec {
                programs.extend(spelling.programs(region.reach, &region.components));
            }
            for path in spelling.real(region.reach, &region.components) {
                let habit = root.grow(&path, known.then_some(region.reach));
                habit.made |= known && region.reach == Reach::Create && !region.allowed;
            }
        }
        for name in &programs {
            root.start(name.as_bstr(), context, files);
        }
        for path in ALWAYS.iter().chain(&TEMPORARY) {
            root.grow(path.as_bytes(), None);
        }
        // What holds of the user's software changes there, and again at the agents in it.
        let installed = toolchain::installed()
            .map(|place| std::iter::once("$home").chain(place).map(BString::from).collect::<Vec<_>>());
        for place in installed.chain(toolchain::of_agents()) {
            let there = spelling.real(Reach::Read, &names_of(&place)).into_iter();
            there.filter(|path| files.look(path.as_bstr()).is_some()).for_each(|path| {
                root.grow(&path, None);
            });
        }
        for path in HARMLESS {
            root.grow(path.as_bytes(), Some(Reach::Write));
        }
        // The agent makes a directory of its state that is not there, where what it lies in is.
        for path in novelty
            .state()
            .directories()
            .flat_map(|directory| spelling.real(Reach::Create, &names_of(directory)))
        {
            let is_there = |path: &[u8]| files.look(path.as_bstr()).is_some();
            let above = path.rsplit_once_str("/").map_or(&b""[..], |(above, _)| above);
            let is_made = !is_there(&path) && is_there(above);
            root.grow(&path, is_made.then_some(Reach::Create)).made |= is_made;
        }
        root.grow(&context.home, None);
        for workspace in &context.workspaces {
            root.grow(workspace, None).workspace = true;
        }
        Self { novelty, support, tokeniser: Tokeniser::new(context.clone()), root }
    }

    /// What a path costs, of which sessions touched `known`.
    pub(super) fn costs(&self, path: &BStr, known: Reaches) -> Costs {
        // Temporary files are open to be read before anything was learned; another project that lies there is not.
        let mut costs = Costs { itself: known, fresh: Reaches::default() };
        if self.is_other_project(path)
            && self.place(Reach::Read, path).components.first().is_some_and(|root| root == "$tmp")
        {
            return costs;
        }
        for reach in FILE_REACHES {
            let place = self.place(reach, path);
            if self.novelty.first_touch_bits(&place) < DENIAL_BUDGET_BITS {
                costs.itself.insert(reach);
            }
            if self.novelty.is_open(reach, &names(&place)) {
                costs.fresh.insert(reach);
            }
        }
        // What is opened for writing is often opened for reading with it, and that is one reach.
        if costs.fresh.has(Reach::Write) {
            costs.fresh.insert(Reach::Read);
        }
        if known.has(Reach::Write) {
            costs.itself.insert(Reach::Read);
        }
        // What sessions made, and is there already, was left by one of them.
        if known.has(Reach::Create) {
            [Reach::Read, Reach::Write, Reach::Remove]
                .into_iter()
                .for_each(|reach| costs.itself.insert(reach));
        }
        costs
    }

    /// Whether the agent keeps its own state in a directory: what is made there is open, whatever its name, but for what is
    /// obeyed.
    pub(super) fn is_state(&self, path: &BStr) -> bool {
        self.novelty.state().opens_below(Reach::Create, &names(&self.place(Reach::Create, path)))
    }

    /// Whether a path is closed to changes, since it is obeyed in the agent's own state, or lies in what is.
    pub(super) fn is_obeyed(&self, path: &BStr) -> bool {
        self.novelty.state().closes(Reach::Write, &names(&self.place(Reach::Write, path)))
    }

    /// The names that are obeyed in the agent's own state, but for those that sessions made there by themselves.
    pub(super) fn obeyed(&self) -> BTreeSet<BString> {
        let state = self.novelty.state();
        let mut obeyed: BTreeSet<BString> = state
            .directories()
            .filter_map(|directory| directory.last())
            .flat_map(|name| state::obeyed(name))
            .collect();
        let made = self.novelty.regions();
        let made = made.filter(|region| region.reach == Reach::Create && region.known && !region.allowed);
        for region in made.filter(|region| state.closes(Reach::Create, &region.components)) {
            for name in &region.components {
                obeyed.remove(name.as_bytes().as_bstr());
            }
        }
        obeyed
    }

    /// Whether a path lies in another project: next to a workspace, or where projects are kept.
    pub(super) fn is_other_project(&self, path: &BStr) -> bool {
        let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Trusted };
        Class::of_file(&file, self.tokeniser.context()) == Class::OtherProject
    }

    fn place(&self, reach: Reach, path: &BStr) -> Place {
        Place { reach, components: self.tokeniser.symbolic(path, reach).into() }
    }

    /// How many sessions surely reached so for a path or for something below it, and of how many.
    pub(super) fn support(&self, reach: Reach, path: &BStr) -> (usize, usize) {
        let path = path.trim_end_with(|c| c == '/');
        let reached = self.support.get(&(reach, path.into()));
        (reached.copied().unwrap_or(0), self.novelty.sessions())
    }

    /// Whether several sessions met a path. That they made it may be known only by what they made below it: before Linux
    /// 6.13, what the tier `tracepoint` tells of making a directory is claimed, and teaches nothing.
    pub(super) fn is_met(&self, path: &BStr, habit: &Habit) -> bool {
        const SEVERAL: usize = 2;
        habit.is_known() || self.support(Reach::Create, path).0 >= SEVERAL
    }

    /// A directory that holds everything else: being open for one reach says little about the rest.
    pub(super) fn is_general(&self, path: &BStr) -> bool {
        matches!(&*self.place(Reach::Read, path).components, [root] if root != "$workspace")
    }

    /// A directory in which every program keeps something.
    pub(super) fn is_hub(&self, path: &BStr) -> bool {
        models::is_hub(&names(&self.place(Reach::Read, path)))
    }
}

fn names(place: &Place) -> Vec<&BStr> {
    names_of(&place.components)
}

fn names_of(components: &[BString]) -> Vec<&BStr> {
    components.iter().map(|name| name.as_bstr()).collect()
}

impl Habit {
    /// Whether sessions know it, or something below it.
    pub(super) fn is_known(&self) -> bool {
        self.below != Reaches::default()
    }

    /// Lets a program be started that sessions know by this name: every file that the kernel opens for it. What a link in a
    /// workspace leads to outside is whatever the repository says: it must be known to be read, as sessions that start a
    /// script have it read.
    fn start(&mut self, name: &BStr, context: &Context, files: &dyn Files) {
        let is_given = context.in_workspace(name).is_some();
        for file in program::chain(files, name) {
            let is_read = || self.find(file.as_bstr()).is_some_and(|habit| habit.known.has(Reach::Read));
            if context.in_workspace(&file).is_none() && (!is_given || is_read()) {
                self.grow(&file, Some(Reach::Exec));
            }
        }
    }

    /// The habit of a path.
    pub(super) fn find(&self, path: &BStr) -> Option<&Habit> {
        let mut names = path.split_str("/").filter(|name| !name.is_empty());
        names.try_fold(self, |habit, name| habit.children.get(name.as_bstr()))
    }

    /// What sessions know of a name that is there: by itself, and by its template. By that they made others, and left this
    /// one alone.
    pub(super) fn of(&self, name: &BStr) -> Option<Cow<'_, Habit>> {
        let itself = self.children.get(name);
        let alike =
            template::of(name).and_then(|template| self.children.get(&template)).map(Habit::left_alone);
        match (itself, alike) {
            (Some(itself), None) => Some(Cow::Borrowed(itself)),
            (None, alike) => alike.map(Cow::Owned),
            (Some(itself), Some(alike)) => Some(Cow::Owned(alike.and(itself))),
        }
    }

    fn left_alone(&self) -> Self {
        Self {
            children: self.children.iter().map(|(name, child)| (name.clone(), child.left_alone())).collect(),
            known: self.known.without(Reach::Create),
            made: false,
            ..*self
        }
    }

    fn and(mut self, other: &Habit) -> Self {
        for (name, child) in &other.children {
            let mine = self.children.remove(name).unwrap_or_default();
            self.children.insert(name.clone(), mine.and(child));
        }
        self.known = self.known.and(other.known);
        self.below = self.below.and(other.below);
        self.workspace |= other.workspace;
        self.made |= other.made;
        self
    }

    fn grow(&mut self, path: &[u8], known: Option<Reach>) -> &mut Habit {
        let mut habit = self;
        for name in path.split_str("/").filter(|name| !name.is_empty()) {
            if let Some(reach) = known {
                habit.below.insert(reach);
            }
            habit = habit.children.entry(name.into()).or_default();
        }
        if let Some(reach) = known {
            habit.below.insert(reach);
            habit.known.insert(reach);
        }
        habit
    }
}

/// Notes how many sessions touched a region, and with a symbolic root what it lies in.
fn note_support(
    support: &mut HashMap<(Reach, BString), usize>,
    region: &Region<'_>,
    context: &Context,
    spelling: &Spelling<'_>,
) {
    let mut note = |path: BString| {
        let sessions = support.entry((region.reach, path)).or_default();
        *sessions = region.support.max(*sessions);
    };
    if region.support == 0 {
        return;
    }
    let is_root = region.components.len() == 1;
    let paths = match spelling.real(region.reach, &region.components) {
        none if none.is_empty()
            && is_root
            && region.components.first().is_some_and(|root| **root == *"$workspace") =>
        {
            context.workspaces.clone()
        }
        paths => paths,
    };
    for path in paths {
        let slashes = path.find_iter("/").filter(|_| is_root);
        slashes.filter_map(|end| path.get(..end)).for_each(|above| note(above.into()));
        note(path);
    }
}
