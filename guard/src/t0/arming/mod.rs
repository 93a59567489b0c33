//! One session's jewels being labelled: row by row, each at its site.

mod above;
mod keys;
mod lend;
mod owned;
mod place;
mod search;

use super::entry::Entry;
use super::forms::forms;
use super::guarded::{Coverage, Ground, Guarded, Own};
use super::held::{Key, plain};
use super::staged::{Readable, Staged};
use crate::fanotify::Marks;
use crate::links::Links;
use crate::walk;
use crate::{DenyList, Error, reason};
use abi::{FileKey, Label, NameKey};
use bstr::{BString, ByteSlice};
use policy::{Effect, Row, Rule, Site, Walk};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the jewels of a session may take to be labelled: a home of tens of thousands of files takes a second.
pub const ARMING: Duration = Duration::from_secs(45);

/// A rule at one of its sites, and the label that it gives.
#[derive(Clone, Copy)]
pub(super) struct Armed<'r> {
    pub(super) row: Row<'r>,
    pub(super) label: Label,
}

/// One look for what is to be labelled.
pub(super) struct Arming<'a> {
    pub(super) list: &'a dyn DenyList,
    /// By when it is to be done.
    until: Instant,
    pub(super) slot: u32,
    pub(super) marks: Option<&'a Marks>,
    /// The session's user.
    pub(super) uid: u32,
    /// Where paths lead.
    pub(super) links: Links,
    /// It is the set that a session begins with: what surely holds no secret is left open.
    pub(super) opens: bool,
    /// What is to be added. A file system may answer when it likes: nothing that other sessions need is held meanwhile.
    entries: Vec<(Key, Label)>,
    pub(super) labelled: HashSet<FileKey>,
    pub(super) ground: Ground,
    /// What was found on the way to jewels.
    pub(super) known: HashMap<PathBuf, Option<Entry>>,
    /// Whether directories in which a user's own rules close something are the user's; `None`: they are not there.
    pub(super) owned: HashMap<PathBuf, Option<bool>>,
    /// Directories that are closed, with all above them, to be moved, removed or replaced, by session.
    pub(super) above: HashSet<(PathBuf, u32)>,
    /// Directories in which jewels lie, and whether they have a mark; `None`: none is there.
    pub(super) directories: HashMap<PathBuf, (Option<FileKey>, bool)>,
    /// What may be read for now.
    pub(super) readable: Vec<Readable>,
    /// What may be read of the directory of ssh.
    pub(super) public: HashSet<FileKey>,
    /// What is lent, and the flags of its labels.
    pub(super) lent: HashMap<FileKey, u32>,
    pub(super) coverage: Coverage,
}

impl<'a> Arming<'a> {
    /// Nothing was looked for yet.
    pub(super) fn new(
        list: &'a dyn DenyList,
        marks: Option<&'a Marks>,
        uid: u32,
        slot: u32,
        links: Links,
    ) -> Self {
        Self {
            list,
            until: Instant::now() + ARMING,
            slot,
            marks,
            uid,
            links,
            opens: false,
            entries: Vec::new(),
            labelled: HashSet::new(),
            ground: Ground::default(),
            known: HashMap::new(),
            owned: HashMap::new(),
            above: HashSet::new(),
            directories: HashMap::new(),
            readable: Vec::new(),
            public: HashSet::new(),
            lent: HashMap::new(),
            coverage: Coverage::default(),
        }
    }

    /// The session was armed before.
    pub(super) fn know(&mut self, ground: &Ground) {
        self.ground = ground.clone();
    }

    /// What was found.
    pub(super) fn staged(self) -> Staged {
        let Self { entries, readable, mut coverage, ground, .. } = self;
        coverage.ground = ground;
        Staged { entries, readable, coverage }
    }

    pub(super) fn everything(
        &mut self,
        guarded: &Guarded,
        rows: &[Armed<'_>],
        own: &Own,
    ) -> Result<(), Error> {
        for path in guarded.workspaces.iter().chain([&guarded.home]) {
            for directory in path.ancestors() {
                if let walk::Found::Node(node) = self.links.open(self.list, directory) {
                    self.ground.untouchable.insert(node.identity.file);
                }
            }
        }
        self.ground.own = self.own_ground(guarded);
        for workspace in &guarded.workspaces {
            // It makes an exception for this session, and stands on what is the user's own: nobody takes names from the
            // deny-list in somebody else's directory.
            if let walk::Found::Node(node) = self.links.open(self.list, workspace)
                && (guarded.uid == 0 || guarded.uid == node.identity.uid)
            {
                let here = Label { flags: abi::LABEL_WORKSPACE, ..plain(0, 0) };
                self.hold(Key::File(node.identity.file), &here)?;
            }
        }
        self.opens = true;
        self.public_files(guarded)?;
        self.lend(guarded)?;
        for armed in rows {
            self.row(armed, guarded)?;
        }
        self.stores(guarded)?;
        self.watched_directories(guarded, |rule| rule.tasks.is_empty())?;
        self.search(guarded, rows)?;
        self.named_keys(guarded)?;
        self.rewrites(guarded)?;
        for file in &own.files {
            let label = Label { deny: file.deny.bits(), reason: reason::OWN_FILE, flags: 0 };
            self.path(&file.path, &label, Walk::Whole)?;
            self.place(&file.path, &label)?;
        }
        for &pid in &own.processes {
            self.hold(Key::Process(pid), &plain(0, abi::REASON_PROTECTED))?;
        }
        Ok(())
    }

    /// What closes, upon what is armed already.
    pub(super) fn more(
        &mut self,
        guarded: &Guarded,
        rows: &[Armed<'_>],
        watched: fn(&Rule) -> bool,
    ) -> Result<(), Error> {
        for armed in rows.iter().filter(|armed| !is_ones_own(armed.row, guarded)) {
            self.row(armed, guarded)?;
        }
        self.watched_directories(guarded, watched)?;
        self.search(guarded, rows)
    }

    /// Where rules leave names alone it is as in a workspace: what matters in any directory does not. Not in what holds a home.
    pub(super) fn stores(&mut self, guarded: &Guarded) -> Result<(), Error> {
        let here = Label { flags: abi::LABEL_WORKSPACE, ..plain(0, 0) };
        let home = match self.links.open(self.list, &guarded.home) {
            walk::Found::Node(home) => Some(home.identity.file.dev),
            _ => None,
        };
        for row in guarded.rules.policy().rows().filter(|row| row.rule.frees_names) {
            let paths = match row.site {
                Site::Home(path) => self.paths(path, guarded),
                Site::System(path) => vec![PathBuf::from(path)],
                _ => continue,
            };
            for path in paths {
                // A link leads to another disk, often. One to the same could be made to free the names of anything there.
                if let walk::Found::Node(node) = self.links.open(self.list, &path)
                    && node.is_dir()
                    && (!path.is_symlink() || Some(node.identity.file.dev) != home)
                    && [0, guarded.uid].contains(&node.identity.uid)
                    && !self.ground.untouchable.contains(&node.identity.file)
                {
                    self.hold(Key::File(node.identity.file), &here)?;
                }
            }
        }
        Ok(())
    }

    /// Where something lies in a workspace that is watched comes and goes file by file: whoever moves the whole directory there
    /// brings what nobody sees.
    fn watched_directories(&mut self, guarded: &Guarded, of: fn(&Rule) -> bool) -> Result<(), Error> {
        let rows = guarded.rules.policy().rows().filter(|row| of(row.rule));
        let mut tops = rows.filter(|row| row.rule.effect == Effect::Watch).filter_map(|row| row.site.top());
        tops.try_for_each(|top| self.above_by_name(top))
    }

    pub(super) fn row(&mut self, Armed { row, label }: &Armed<'_>, guarded: &Guarded) -> Result<(), Error> {
        let walk = row.rule.walk;
        match row.site {
            Site::Home(path) => self.paths(path, guarded).into_iter().try_for_each(|path| {
                if !self.may_close(*row, &path)? {
                    return Ok(());
                }
                if row.rule.is_replaced {
                    return self.files_at(&path, label);
                }
                self.readable_for_now(*row, &path, label, guarded.uid)?;
                self.named_path(&path, label, true, walk)
            }),
            Site::System(path) => {
                if !self.may_close(*row, Path::new(path))? {
                    return Ok(());
                }
                self.named_path(Path::new(path), label, false, walk)
            }
            Site::Runtime(path) => {
                let runtime = Path::new("/run/user").join(guarded.uid.to_string());
                self.named_path(&runtime.join(path), label, false, walk)
            }
            Site::Workspace(path) => guarded.workspaces.iter().try_for_each(|workspace| {
                if !self.may_close(*row, &workspace.join(path))? {
                    return Ok(());
                }
                if row.rule.is_replaced {
                    return self.files_within(workspace, path, label);
                }
                self.named_path(&workspace.join(path), label, false, walk)
            }),
            Site::NameIn(directory, name) => {
                self.mark_directories(directory, label, guarded);
                self.above_by_name(directory)?;
                // In the home it is a place like any other: links, on the way to it or there, lead to what is guarded.
                let base = if directory.starts_with('.') { "" } else { ".config/" };
                for path in self.paths(&format!("{base}{directory}/{name}"), guarded) {
                    self.named_path(&path, label, true, walk)?;
                }
                self.named_directories(directory, name, label, guarded, walk)?;
                let Some(directory) = crate::name::padded(directory.as_bytes()) else { return Ok(()) };
                self.name(abi::name_dir(&directory), name.as_bytes(), label)
            }
            Site::Name(name) => {
                self.in_workspaces(name, label, guarded)?;
                self.name(abi::ANY_DIR, name.as_bytes(), label)
            }
            Site::Variable(variable) => match guarded.variable(variable) {
                Some(value) => self.socket(variable, value, label),
                None => Ok(()),
            },
            Site::Address(ip) => forms(*ip).try_for_each(|form| self.hold(Key::Net(form), label)),
            // Looked for when every place has its label: see `search.rs`. A host's name closes nothing.
            Site::Pattern(_) | Site::Repository(_) | Site::Host(_) => Ok(()),
        }
    }

    /// Where a jewel of the home lies: there, and where the session's variables say. Their values are the guarded side's, so that
    /// they close the user's own files, and no directory that holds a home or a workspace.
    pub(super) fn paths(&self, path: &str, guarded: &Guarded) -> Vec<PathBuf> {
        let value = |name: &str| guarded.variable(name).map(|value| value.as_bstr());
        let elsewhere = event::moved::elsewhere(path, value).into_iter();
        let elsewhere = elsewhere.map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(&path)));
        let home = guarded.home.join(path);
        let others: Vec<PathBuf> = elsewhere.filter(|path| *path != home && self.is_users(path)).collect();
        std::iter::once(home).chain(others).collect()
    }

    /// A key at the top of a workspace is one like any other, unless that was asked for. Deeper ones are a project's own, as
    /// those of its tests.
    pub(super) fn in_workspaces(
        &mut self,
        name: &str,
        label: &Label,
        guarded: &Guarded,
    ) -> Result<(), Error> {
        if guarded.force {
            return Ok(());
        }
        for workspace in &guarded.workspaces {
            if let walk::Found::Node(node) = self.links.open_itself(self.list, &workspace.join(name))
                && walk::is(node.identity.mode, libc::S_IFREG)
            {
                self.label(&node, label)?;
            }
        }
        Ok(())
    }

    /// The socket that a variable names. The value is the guarded side's, so that it labels sockets and nothing else.
    pub(super) fn socket(&mut self, variable: &str, value: &BString, label: &Label) -> Result<(), Error> {
        let Some(path) = socket_path(value) else {
            if !value.is_empty() {
                self.coverage.warnings.push(format!(
                    "`${variable}` names no unix socket with a path: what it names is not guarded by the static deny-list"
                ));
            }
            return Ok(());
        };
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&path));
        match self.links.open(self.list, &path) {
            walk::Found::Node(node) if node.is_socket() => self.label(&node, label),
            walk::Found::Node(_) => {
                self.coverage
                    .warnings
                    .push(format!("`${variable}` names a file that is no socket: it is not guarded"));
                Ok(())
            }
            walk::Found::Missing => Ok(()),
            walk::Found::Unreadable(e) => {
                self.warn(&path, &e.to_string());
                Ok(())
            }
        }
    }

    /// A label of this session is to be added to an entry.
    pub(super) fn hold(&mut self, key: Key, label: &Label) -> Result<(), Error> {
        self.in_time()?;
        self.entries.push((key, *label));
        Ok(())
    }

    /// Goes on, unless it takes too long.
    pub(super) fn in_time(&self) -> Result<(), Error> {
        if Instant::now() < self.until { Ok(()) } else { Err(Error::TooLong(ARMING)) }
    }

    pub(super) fn name(&mut self, dir: FileKey, name: &[u8], label: &Label) -> Result<(), Error> {
        let Some(name) = crate::name::padded(name) else { return Ok(()) };
        self.coverage.names += 1;
        self.hold(Key::Name(NameKey { dir, name }), label)
    }

    pub(super) fn warn(&mut self, path: &Path, why: &str) {
        self.coverage.warnings.push(format!(
            "`{}` exists and is not guarded by the static deny-list: {why}",
            path.as_os_str().as_bytes().escape_bytes()
        ));
    }
}

/// Whether a place was only found by a name, and lies in a workspace, where names do not count.
fn is_ones_own(row: Row<'_>, guarded: &Guarded) -> bool {
    let Site::Home(path) = row.site else { return false };
    let path = guarded.home.join(path);
    // A name in a directory counts wherever that lies.
    let counts_anywhere = row.rule.sites.iter().any(|site| matches!(site, Site::NameIn(..)));
    !counts_anywhere
        && !row.rule.sites.contains(row.site)
        && guarded.workspaces.iter().any(|workspace| path.starts_with(workspace))
}

/// The path in the value of a variable that names a socket: a plain path, `unix://PATH`, or D-Bus' list of
/// `unix:path=PATH,guid=..`.
pub(super) fn socket_path(value: &[u8]) -> Option<BString> {
    let of_bus = value.split_str(";").find_map(|address| {
        let options = address.strip_prefix(b"unix:")?;
        options.split_str(",").find_map(|option| option.strip_prefix(b"path="))
    });
    let path = of_bus.unwrap_or_else(|| value.strip_prefix(b"unix://").unwrap_or(value));
    (path.first() == Some(&b'/')).then(|| path.into())
}
