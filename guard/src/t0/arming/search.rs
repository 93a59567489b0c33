//! What is closed by a name that the kernel side cannot compare, or for what lies beside it: it is looked for when a session
//! begins, and closed to that session: another one may work there. Wherever it goes then, it stays closed, and its place does.
//! What is made later is open, and the rules' page says so; what is not looked at, the session says.

use super::{Armed, Arming};
use crate::Error;
use crate::links::Links;
use crate::t0::guarded::Guarded;
use crate::walk::Found;
use abi::{LABEL_OWN, Label};
use bstr::ByteSlice;
use event::jewel::access;
use policy::{Pattern, Row, Site, Walk, What};
use rustix::fs::FileType;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Directories that are looked into.
const DIRECTORIES: usize = 512;
/// Names that are looked at, in all of them.
const NAMES: usize = 20_000;
/// Files that are closed so, and repositories.
const FOUND: usize = 1_024;
/// Bytes of the file by which a work tree says whose it is, gitrepository-layout(5).
const MAX_GIT_FILE: u64 = 4_096;

impl Arming<'_> {
    /// Patterns, names and other repositories in the home, nearest directories first, and copies beside jewels.
    pub(super) fn search(&mut self, guarded: &Guarded, rows: &[Armed<'_>]) -> Result<(), Error> {
        let of =
            |is: fn(&Site) -> bool| rows.iter().copied().filter(|of| is(of.row.site)).collect::<Vec<_>>();
        let files = of(|site| matches!(site, Site::Pattern(_) | Site::Name(_)));
        let repositories = of(|site| matches!(site, Site::Repository(_)));
        let links = self.links;
        let is_own = |own: &HashSet<(u64, u64)>, path: &Path| {
            links.identity(path).is_some_and(|key| own.contains(&key))
        };
        // Who works in the whole home finds nothing that is not its own.
        let all_own = guarded.home.ancestors().any(|path| is_own(&self.ground.own, path));
        let is_sought = !(all_own || files.is_empty() && repositories.is_empty());
        let mut queue: VecDeque<_> = is_sought.then(|| (guarded.home.clone(), 0)).into_iter().collect();
        let (mut directories, mut names, mut found) = (0, 0, 0);
        let mut missed = None;
        while let Some((directory, depth)) = queue.pop_front() {
            self.in_time()?;
            if directories == DIRECTORIES || names == NAMES || found >= FOUND {
                missed = Some(directory);
                break;
            }
            directories += 1;
            for (name, kind) in links.entries(&directory, NAMES + 1 - names) {
                if names == NAMES || found >= FOUND {
                    missed = Some(directory);
                    break;
                }
                names += 1;
                let path = directory.join(OsStr::from_bytes(&name));
                let is_dir = kind == FileType::Directory;
                let is_others = || !is_own(&self.ground.own, &path);
                if is_dir && name == ".git" && is_others() {
                    self.repository(&path, &repositories)?;
                    found += 1;
                } else if is_dir && depth < Pattern::DEPTH && Pattern::looks_into(&name) && is_others() {
                    queue.push_back((path, depth + 1));
                } else if kind == FileType::RegularFile {
                    found += usize::from(self.file(&path, &name, &files, guarded)?);
                }
            }
            if missed.is_some() {
                break;
            }
        }
        if let Some(missed) = missed {
            self.coverage.warnings.push(format!(
                "the home is too large to be searched whole: what its name alone closes is open in `{}` and what lies \
                 farther away ({directories} directories and {names} names were looked at)",
                missed.as_os_str().as_bytes().escape_bytes()
            ));
        }
        self.copies(guarded, rows)
    }

    /// The session's workspaces, and the repositories that they lie in.
    pub(super) fn own_ground(&self, guarded: &Guarded) -> HashSet<(u64, u64)> {
        let identity = |path: &Path| self.links.identity(path);
        let mut own: HashSet<(u64, u64)> = HashSet::new();
        own.extend(guarded.workspaces.iter().filter_map(|path| identity(path)));
        for (top, git) in guarded.workspaces.iter().filter_map(|path| repository(path, &guarded.home)) {
            // A package of a repository reads what lies at its top, as it does what lies in it.
            own.extend([identity(&top), identity(&git)].into_iter().flatten());
        }
        own
    }

    /// Closes a file that has a name which is sought; whether it has.
    fn file(
        &mut self,
        path: &Path,
        name: &[u8],
        rows: &[Armed<'_>],
        guarded: &Guarded,
    ) -> Result<bool, Error> {
        let has = |row: Row<'_>| match row.site {
            Site::Pattern(pattern) => pattern.has(name),
            Site::Name(of) => of.as_bytes() == name,
            _ => false,
        };
        let found = rows.iter().filter(|of| has(of.row));
        let found: Vec<_> =
            found.filter_map(|of| Some((of.row, to_itself(left(of, path, guarded)?)))).collect();
        let secret = |(row, label): &(Row<'_>, Label)| {
            label.deny & event::Access::READ.bits() != 0 && row.rule.harmless.is_none()
        };
        // What one rule leaves open, another may close.
        if let Some((row, label)) = found.first().filter(|_| !found.iter().any(secret)) {
            self.readable_for_now(*row, path, label, guarded.uid)?;
        }
        for (row, label) in &found {
            self.path(path, label, row.rule.walk)?;
            self.place(path, label)?;
        }
        if !found.is_empty() {
            self.coverage.found.push(path.to_owned());
        }
        Ok(!found.is_empty())
    }

    /// Closes what makes whoever works in another repository run commands.
    fn repository(&mut self, git: &Path, rows: &[Armed<'_>]) -> Result<(), Error> {
        let Some(top) = git.parent() else { return Ok(()) };
        self.coverage.repositories.push(top.to_owned());
        for Armed { row, label } in rows {
            let Site::Repository(path) = row.site else { continue };
            let label = to_itself(*label);
            if row.rule.is_replaced {
                self.files_within(top, path, &label)?;
                continue;
            }
            let path = top.join(path);
            self.itself(&path, &label, Walk::Whole)?;
            self.place(&path, &label)?;
            if matches!(self.links.open_itself(self.list, &path), Found::Node(_)) {
                self.coverage.found.push(path);
            }
        }
        Ok(())
    }

    /// Closes copies that were made beside files which may not be read.
    fn copies(&mut self, guarded: &Guarded, rows: &[Armed<'_>]) -> Result<(), Error> {
        let mut beside: HashMap<PathBuf, HashMap<Vec<u8>, Armed<'_>>> = HashMap::new();
        for armed in rows {
            let Site::Home(path) = armed.row.site else { continue };
            if !armed.row.rule.what.contains(What::READ) {
                continue;
            }
            for path in self.paths(path, guarded) {
                if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                    let names = beside.entry(parent.to_owned()).or_default();
                    names.entry(name.as_bytes().to_owned()).or_insert(*armed);
                }
            }
        }
        let mut looked = 0;
        for (directory, names) in beside {
            for (name, kind) in self.links.entries(&directory, NAMES + 1 - looked) {
                if looked == NAMES {
                    self.coverage.warnings.push(format!(
                        "beside the jewels in `{}` lie too many files for copies of them to be found",
                        directory.as_os_str().as_bytes().escape_bytes()
                    ));
                    return Ok(());
                }
                looked += 1;
                let path = directory.join(OsStr::from_bytes(&name));
                let of = policy::copied_from(&name).find_map(|of| names.get(of));
                if let Some(armed) = of
                    && kind == FileType::RegularFile
                    && let Some(label) = left(armed, &path, guarded)
                {
                    self.path(&path, &label, armed.row.rule.walk)?;
                }
            }
        }
        Ok(())
    }
}

/// The label of what was found by a row, if the user's rules leave anything of it.
fn left(armed: &Armed<'_>, path: &Path, guarded: &Guarded) -> Option<Label> {
    let Some(path) = path.strip_prefix(&guarded.home).ok().and_then(Path::to_str) else {
        return Some(armed.label);
    };
    let deny = armed.label.deny & access(guarded.rules.left_of(armed.row, path)).bits();
    (deny != 0).then_some(Label { deny, ..armed.label })
}

/// Other sessions may work there: what lies in a workspace is its session's own.
fn to_itself(label: Label) -> Label {
    Label { flags: label.flags | LABEL_OWN, ..label }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    Links::All.identity(path)
}

/// The repository that a workspace lies in: its top directory, and its `.git`.
fn repository(workspace: &Path, home: &Path) -> Option<(PathBuf, PathBuf)> {
    let inside = workspace.ancestors().take_while(|path| path.starts_with(home) && *path != home);
    let top = inside.chain([workspace]).find(|path| path.join(".git").symlink_metadata().is_ok())?;
    let git = top.join(".git");
    let git = if git.is_dir() { git } else { repository_of(top)? };
    Some((top.to_owned(), git))
}

/// The `.git` of the repository that a workspace is a linked work tree of. The workspace says so, and is believed where the
/// repository says the same.
fn repository_of(workspace: &Path) -> Option<PathBuf> {
    let link = workspace.join(".git");
    let said = read_line(&link)?;
    let own = workspace.join(said.strip_prefix("gitdir: ")?);
    let worktrees = own.parent()?;
    let git = worktrees.parent()?;
    let back = own.join(read_line(&own.join("gitdir"))?);
    let agrees =
        worktrees.ends_with("worktrees") && identity(&back).is_some() && identity(&back) == identity(&link);
    agrees.then(|| git.to_owned())
}

fn read_line(path: &Path) -> Option<String> {
    // Whoever lies in wait there is not waited for.
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).ok()?;
    let mut text = String::new();
    let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
    is_file.then(|| file.take(MAX_GIT_FILE).read_to_string(&mut text).ok())??;
    Some(text.trim_end().to_owned())
}
