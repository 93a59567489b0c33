//! The first stage: crown jewels become labels of the kernel's static deny-list, before a session's first instruction.
//!
//! Nothing that was learned, and no tag, reaches this file. What a label could not be put on is always said.

mod above;
mod aside;
mod content;
mod held;
mod kept;
mod keys;
mod lease;
mod place;
mod planted;
mod search;

use crate::fanotify::Marks;
use crate::{DenyList, Error, Reasons, magic, reason, walk};
use abi::{FileKey, Label, NameKey};
use bstr::{BString, ByteSlice};
use event::Access;
use event::jewel::access;
use held::{Held, Key};
pub use keys::KeyFiles;
use lease::Lease;
use policy::{Layer, Row, Rules, Site, Walk};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
pub(crate) use above::component;
pub use kept::Kept;
pub(crate) use kept::keep;
pub use magic::{FileSystem, file_system};
pub(crate) use planted::Places;
pub use planted::Planted;

/// How long the jewels of a session may take to be labelled: a home of tens of thousands of files takes a second.
pub const ARMING: Duration = Duration::from_secs(45);

/// Wardline's own: what it needs to stay itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Its files and directories.
    pub files: Vec<OwnFile>,
    /// Its processes.
    pub processes: Vec<u32>,
}

/// One of Wardline's own files or directories. The directory of the control socket gives no `CONNECT` here: the
/// supervisor itself refuses peers from inside a session, and tells them so.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is refused.
    pub deny: Access,
}

/// Whose jewels are guarded, and around what.
#[derive(Clone, Debug, Default)]
pub struct Guarded {
    /// The user.
    pub uid: u32,
    /// The user's home.
    pub home: PathBuf,
    /// What people decided.
    pub rules: Rules,
    /// The session's workspaces: jewels that are names alone do not hold in them, and no link makes one of them, or what
    /// holds one, a jewel.
    pub workspaces: Vec<PathBuf>,
    /// Variables of the command's environment.
    pub variables: Vec<(BString, BString)>,
    /// A key that lies in a workspace is the session's, too.
    pub force: bool,
    /// Files that the session's agent itself may replace.
    pub rewrites: Vec<PathBuf>,
    /// What the user's keys are, beside those at places that are the same for everybody.
    pub key_files: KeyFiles,
}

impl Guarded {
    /// The value of a variable; the last one wins, as in a shell.
    fn variable(&self, name: &str) -> Option<&BString> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What was labelled for a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files and directories that have a label.
    pub labels: usize,
    /// Exact names.
    pub names: usize,
    /// Files among `labels` that have more than one hard link, and so another name somewhere.
    pub hard_linked: usize,
    /// Objects that have a permission mark.
    pub marks: usize,
    /// What was found by its name.
    pub found: Vec<PathBuf>,
    /// What the user should know: jewels that exist and could not be labelled, and directories too large to enumerate or search.
    pub warnings: Vec<String>,
}

/// The static deny-list of all running sessions.
pub struct Static {
    list: Arc<dyn DenyList>,
    own: Own,
    reasons: Arc<Reasons>,
    held: Mutex<Held>,
    readable: Mutex<Vec<Readable>>,
}

/// A file of a jewel that may be read as long as nobody writes it.
struct Readable {
    slot: u32,
    file: FileKey,
    lease: Lease,
    /// What holds as soon as somebody does.
    label: Label,
}

impl Static {
    /// With nothing armed.
    pub fn new(list: Arc<dyn DenyList>, own: Own, reasons: Arc<Reasons>) -> Self {
        Self { list, own, reasons, held: Mutex::default(), readable: Mutex::default() }
    }

    /// Labels the jewels of a session's user for the session in `slot`, and marks them where marks are had. On an
    /// error nothing of it stays.
    pub fn arm(&self, slot: u32, guarded: &Guarded, marks: Option<&Marks>) -> Result<Coverage, Error> {
        let mut arming = Arming {
            list: &*self.list,
            held: &self.held,
            until: Instant::now() + ARMING,
            slot,
            marks,
            uid: guarded.uid,
            untouchable: HashSet::new(),
            entries: HashMap::new(),
            directories: HashMap::new(),
            readable: Vec::new(),
            public: HashSet::new(),
            coverage: Coverage::default(),
        };
        let rows = self.rows(slot, guarded);
        let armed = arming.everything(guarded, &rows, &self.own);
        let (coverage, readable) = (arming.coverage, arming.readable);
        match armed {
            Ok(()) => {
                self.readable().extend(readable);
                Ok(coverage)
            }
            Err(e) => {
                self.reasons.release_own(slot);
                self.held().release(&*self.list, slot)?;
                Err(e)
            }
        }
    }

    /// Whether the session in `slot` has files that may be read as long as nobody writes them.
    pub fn is_any_readable(&self, slot: u32) -> bool {
        self.readable().iter().any(|file| file.slot == slot)
    }

    /// Puts the label back on every file of the session in `slot` that somebody is about to write, and lets them. To be
    /// called often: they wait.
    pub fn keep_whole(&self, slot: u32) -> Result<(), Error> {
        let broken = |file: &mut Readable| file.slot == slot && file.lease.is_broken();
        let broken: Vec<Readable> = self.readable().extract_if(.., broken).collect();
        let mut kept = Ok(());
        for file in broken {
            let closed = self.held().add(&*self.list, slot, Key::File(file.file), &file.label);
            let closed = closed.and_then(|()| file.lease.end_readers(&self.list, slot));
            if closed.is_err() {
                // Kept for another attempt: whoever waits goes on after a while.
                self.readable().push(file);
            }
            kept = kept.and(closed);
        }
        kept
    }

    /// What the rules refuse, as labels.
    fn rows<'g>(&self, slot: u32, guarded: &'g Guarded) -> Vec<Armed<'g>> {
        let armed = guarded.rules.refusals().map(|refusal| {
            let number =
                refusal.shipped.map_or_else(|| self.reasons.of_own(slot, &refusal), reason::of_jewel);
            Armed { row: refusal.row, label: plain(access(refusal.what).bits(), number) }
        });
        armed.collect()
    }

    fn readable(&self) -> MutexGuard<'_, Vec<Readable>> {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was labelled for `slot` alone.
    pub fn release(&self, slot: u32) -> Result<(), Error> {
        self.readable().retain(|file| file.slot != slot);
        self.reasons.release_own(slot);
        self.held().release(&*self.list, slot)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rule at one of its sites, and the label that it gives.
#[derive(Clone, Copy)]
struct Armed<'r> {
    row: Row<'r>,
    label: Label,
}

/// One call of [`Static::arm`].
struct Arming<'a> {
    list: &'a dyn DenyList,
    /// Held for one entry at a time: a file system may answer when it likes, and other sessions begin and end meanwhile.
    held: &'a Mutex<Held>,
    /// By when it is to be done.
    until: Instant,
    slot: u32,
    marks: Option<&'a Marks>,
    /// The session's user.
    uid: u32,
    /// Directories that no link turns into a jewel: the root, homes, workspaces and what holds them.
    untouchable: HashSet<FileKey>,
    /// What was found on the way to jewels.
    entries: HashMap<PathBuf, Option<above::Entry>>,
    /// Directories in which jewels lie, and whether they have a mark; `None`: none is there.
    directories: HashMap<PathBuf, (Option<FileKey>, bool)>,
    /// What may be read for now.
    readable: Vec<Readable>,
    /// What may be read of the directory of ssh.
    public: HashSet<FileKey>,
    coverage: Coverage,
}

impl Arming<'_> {
    fn everything(&mut self, guarded: &Guarded, rows: &[Armed<'_>], own: &Own) -> Result<(), Error> {
        for path in guarded.workspaces.iter().chain([&guarded.home]) {
            for directory in path.ancestors() {
                if let walk::Found::Node(node) = walk::open(self.list, directory) {
                    self.untouchable.insert(node.identity.file);
                }
            }
        }
        for workspace in &guarded.workspaces {
            // It makes an exception for this session, and stands on what is the user's own: nobody takes names from the
            // deny-list in somebody else's directory.
            if let walk::Found::Node(node) = walk::open(self.list, workspace)
                && (guarded.uid == 0 || guarded.uid == node.identity.uid)
            {
                let here = Label { flags: abi::LABEL_WORKSPACE, ..plain(0, 0) };
                self.hold(Key::File(node.identity.file), &here)?;
            }
        }
        self.public_files(guarded)?;
        for armed in rows {
            self.row(armed, guarded)?;
        }
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

    fn row(&mut self, Armed { row, label }: &Armed<'_>, guarded: &Guarded) -> Result<(), Error> {
        let walk = row.rule.walk;
        match row.site {
            Site::Home(path) => self.paths(path, guarded).into_iter().try_for_each(|path| {
                self.check_own(*row, &path)?;
                self.readable_for_now(*row, &path, label, guarded.uid)?;
                self.named_path(&path, label, true, walk)
            }),
            Site::System(path) => {
                self.check_own(*row, Path::new(path))?;
                self.named_path(Path::new(path), label, false, walk)
            }
            Site::Runtime(path) => {
                let runtime = Path::new("/run/user").join(guarded.uid.to_string());
                self.named_path(&runtime.join(path), label, false, walk)
            }
            Site::Workspace(path) => guarded.workspaces.iter().try_for_each(|workspace| {
                let path = workspace.join(path);
                self.check_own(*row, &path)?;
                self.named_path(&path, label, false, walk)
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
                let Some(directory) = padded(directory.as_bytes()) else { return Ok(()) };
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
            Site::Address(ip) => self.hold(Key::Net(mapped(*ip)), label),
            // Looked for when every place has its label: see `search.rs`.
            Site::Pattern(_) | Site::Repository(_) => Ok(()),
        }
    }

    /// Where a jewel of the home lies: there, and where the session's variables say. Their values are the guarded side's, so that
    /// they close the user's own files, and no directory that holds a home or a workspace.
    fn paths(&self, path: &str, guarded: &Guarded) -> Vec<PathBuf> {
        let value = |name: &str| guarded.variable(name).map(|value| value.as_bstr());
        let elsewhere = event::moved::elsewhere(path, value).into_iter();
        let elsewhere = elsewhere.map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(&path)));
        let home = guarded.home.join(path);
        let others: Vec<PathBuf> = elsewhere.filter(|path| *path != home && self.is_users(path)).collect();
        std::iter::once(home).chain(others).collect()
    }

    /// A user's own rule closes what is the user's: others have sessions, too, and all have one deny-list.
    fn check_own(&self, row: Row<'_>, path: &Path) -> Result<(), Error> {
        if row.rule.layer != Layer::User {
            return Ok(());
        }
        let found = path.ancestors().map(|path| walk::open(self.list, path));
        match found.into_iter().find(|found| !matches!(found, walk::Found::Missing)) {
            Some(walk::Found::Node(node)) if node.identity.uid == self.uid => Ok(()),
            _ => Err(Error::NotOwn { rule: row.rule.id.clone(), path: path.to_owned() }),
        }
    }

    /// Whether a path leads to what the user may close: a file of their own, or its place in a directory of their own.
    fn is_users(&self, path: &Path) -> bool {
        let is_own = |node: &walk::Node| node.identity.uid == self.uid;
        match walk::open(self.list, path) {
            walk::Found::Node(node) => is_own(&node) && !self.untouchable.contains(&node.identity.file),
            walk::Found::Missing => path.parent().is_some_and(
                |parent| matches!(walk::open(self.list, parent), walk::Found::Node(node) if is_own(&node)),
            ),
            walk::Found::Unreadable(_) => false,
        }
    }

    /// A key at the top of a workspace is one like any other, unless that was asked for. Deeper ones are a project's own, as
    /// those of its tests.
    fn in_workspaces(&mut self, name: &str, label: &Label, guarded: &Guarded) -> Result<(), Error> {
        if guarded.force {
            return Ok(());
        }
        for workspace in &guarded.workspaces {
            if let walk::Found::Node(node) = walk::open_itself(self.list, &workspace.join(name))
                && walk::is(node.identity.mode, libc::S_IFREG)
            {
                self.label(&node, label)?;
            }
        }
        Ok(())
    }

    /// The socket that a variable names. The value is the guarded side's, so that it labels sockets and nothing else.
    fn socket(&mut self, variable: &str, value: &BString, label: &Label) -> Result<(), Error> {
        let Some(path) = socket_path(value) else {
            if !value.is_empty() {
                self.coverage.warnings.push(format!(
                    "`${variable}` names no unix socket with a path: what it names is not guarded by the static deny-list"
                ));
            }
            return Ok(());
        };
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&path));
        match walk::open(self.list, &path) {
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

    /// Adds this session's label to an entry.
    fn hold(&self, key: Key, label: &Label) -> Result<(), Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.add(self.list, self.slot, key, label)
    }

    fn is_held(&self, key: Key) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).has(key)
    }

    /// Goes on, unless it takes too long.
    fn in_time(&self) -> Result<(), Error> {
        if Instant::now() < self.until { Ok(()) } else { Err(Error::TooLong(ARMING)) }
    }

    fn name(&mut self, dir: FileKey, name: &[u8], label: &Label) -> Result<(), Error> {
        let Some(name) = padded(name) else { return Ok(()) };
        self.coverage.names += 1;
        self.hold(Key::Name(NameKey { dir, name }), label)
    }

    fn warn(&mut self, path: &Path, why: &str) {
        self.coverage.warnings.push(format!(
            "`{}` exists and is not guarded by the static deny-list: {why}",
            path.as_os_str().as_bytes().escape_bytes()
        ));
    }
}

fn plain(deny: u32, reason: u32) -> Label {
    Label { deny, reason, flags: 0 }
}

/// A name as the kernel's keys hold it; `None` for one that is too long to match there.
fn padded(name: &[u8]) -> Option<[u8; abi::NAME_LEN]> {
    let mut padded = [0; abi::NAME_LEN];
    padded.get_mut(..name.len()).filter(|_| name.len() < abi::NAME_LEN)?.copy_from_slice(name);
    Some(padded)
}

/// An address as the kernel's keys hold it: IPv4 is v4-mapped.
pub(crate) fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The path in the value of a variable that names a socket: a plain path, `unix://PATH`, or D-Bus' list of
/// `unix:path=PATH,guid=..`.
fn socket_path(value: &[u8]) -> Option<BString> {
    let of_bus = value.split_str(";").find_map(|address| {
        let options = address.strip_prefix(b"unix:")?;
        options.split_str(",").find_map(|option| option.strip_prefix(b"path="))
    });
    let path = of_bus.unwrap_or_else(|| value.strip_prefix(b"unix://").unwrap_or(value));
    (path.first() == Some(&b'/')).then(|| path.into())
}

#[cfg(test)]
mod tests;
