//! A jewel at a path: the object there, the link that leads to it, what lies below it, and its name for the day when
//! the object is replaced.

use super::Arming;
use crate::links::Links;
use crate::t0::content;
use crate::t0::guarded::Guarded;
use crate::t0::held::Key;
use crate::t0::lease::Lease;
use crate::t0::staged::Readable;
use crate::walk::{self, Found, Node, Visit};
use crate::{Error, magic};
use abi::{FileKey, Label, access};
use bstr::{BString, ByteSlice};
use policy::{Row, Walk};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Files below one jewel that are enumerated. A key directory has a dozen, a browser's profile tens of thousands, most
/// of them cache, which the directory's own label covers; the bound keeps the start of a session below a second.
const BELOW_LIMIT: usize = 20_000;
/// Directories below one jewel that are marked, where there are too many files for each to have a label.
const DIRECTORIES: usize = 1_024;
/// Files below one jewel that get a label of their own although they have only one name. What has two names always
/// gets one: its other name lies elsewhere.
pub(super) const OWN_LABELS: usize = 4_096;

impl Arming<'_> {
    /// A jewel at a path: the object, and the name in its directory, since programs replace files atomically.
    pub(super) fn named_path(
        &mut self,
        path: &Path,
        label: &Label,
        of_user: bool,
        walk: Walk,
    ) -> Result<(), Error> {
        self.path(path, label, walk)?;
        self.place(path, label)?;
        let (Some(parent), Some(leaf)) = (path.parent(), path.file_name()) else { return Ok(()) };
        // A replaced file has no mark of its own: its directory's mark covers it. Not so in the system's directories, of
        // which everybody opens files all the time, and where only root replaces any.
        let marked = label.deny & (access::READ | access::WRITE) != 0 && of_user;
        match self.directory(parent, marked) {
            // A name has no session of its own. Its place has.
            Some(directory) if label.flags & abi::LABEL_OWN == 0 => {
                self.name(directory, leaf.as_bytes(), label)
            }
            _ => Ok(()),
        }
    }

    /// A directory in which jewels lie; many lie in one. `marked`: it is to have a mark.
    fn directory(&mut self, path: &Path, marked: bool) -> Option<FileKey> {
        if let Some(&(file, has_mark)) = self.directories.get(path)
            && (has_mark || !marked || file.is_none())
        {
            return file;
        }
        let file = match self.links.open(self.list, path) {
            Found::Node(node) if node.is_dir() => {
                if marked {
                    self.mark(&node);
                }
                Some(node.identity.file)
            }
            Found::Node(_) | Found::Missing => None,
            Found::Unreadable(e) => {
                self.warn(path, &e.to_string());
                None
            }
        };
        self.directories.insert(path.to_owned(), (file, marked));
        file
    }

    /// Lets a file be read that surely holds no credential: a regular file of the user, with one name, that nobody has open
    /// for writing.
    pub(super) fn readable_for_now(
        &mut self,
        row: Row<'_>,
        path: &Path,
        label: &Label,
        uid: u32,
    ) -> Result<(), Error> {
        let Some(harmless) = row.rule.harmless else { return Ok(()) };
        if !self.opens {
            return Ok(());
        }
        let Found::Node(node) = self.links.open_itself(self.list, path) else { return Ok(()) };
        let identity = node.identity;
        if !walk::is(identity.mode, libc::S_IFREG) || identity.uid != uid || identity.nlink != 1 {
            return Ok(());
        }
        let Some(lease) = Lease::take(&node) else { return Ok(()) };
        if lease.read(content::MAX_BYTES).is_some_and(|bytes| content::is_harmless(harmless, &bytes)) {
            self.readable.push(Readable { slot: self.slot, file: identity.file, lease, label: *label });
        }
        Ok(())
    }

    /// The object at a path; of a link itself, since who made it also chose where it leads.
    pub(super) fn itself(&mut self, path: &Path, label: &Label, walk: Walk) -> Result<(), Error> {
        match self.links.open_itself(self.list, path) {
            Found::Node(link) if link.is_link() => {
                let label = Label { deny: label.deny & access::MODIFY, ..*label };
                if label.deny == 0 { Ok(()) } else { self.label(&link, &label) }
            }
            Found::Node(node) => self.object(path, &node, label, walk),
            _ => Ok(()),
        }
    }

    /// The object at a path, and the link there if it is one.
    pub(super) fn path(&mut self, path: &Path, label: &Label, walk: Walk) -> Result<(), Error> {
        let link = match self.links.open_itself(self.list, path) {
            Found::Node(node) => node,
            Found::Missing => return Ok(()),
            Found::Unreadable(e) => {
                self.warn(path, &e.to_string());
                return Ok(());
            }
        };
        if !link.is_link() {
            return self.object(path, &link, label, walk);
        }
        let on_link = Label { deny: label.deny & access::MODIFY, ..*label };
        if on_link.deny != 0 {
            self.label(&link, &on_link)?;
        }
        match self.links.open(self.list, path) {
            Found::Node(target) if self.ground.untouchable.contains(&target.identity.file) => {
                self.warn(path, "it is a link to a directory that holds a home or a workspace");
                Ok(())
            }
            // The deny-list is everybody's, and a user's link leads wherever it likes.
            Found::Node(target)
                if link.identity.uid == self.uid && self.uid != 0 && target.identity.uid != self.uid =>
            {
                self.warn(path, "it is a link to what belongs to somebody else");
                Ok(())
            }
            Found::Node(target) => self.object(path, &target, label, walk),
            // Where a link of root's leads that leads nowhere, nothing of the user's is made.
            Found::Missing if self.links != Links::All => Ok(()),
            Found::Missing => self.dangling(path, label),
            Found::Unreadable(e) => {
                self.warn(path, &e.to_string());
                Ok(())
            }
        }
    }

    /// A link to nothing: what is made at its end later is the jewel.
    fn dangling(&mut self, path: &Path, label: &Label) -> Result<(), Error> {
        let Ok(target) = std::fs::read_link(path) else { return Ok(()) };
        let target: PathBuf = path.parent().map_or(target.clone(), |parent| parent.join(&target));
        let (Some(parent), Some(leaf)) = (target.parent(), target.file_name()) else { return Ok(()) };
        match self.links.open(self.list, parent) {
            Found::Node(node) if node.is_dir() => self.name(node.identity.file, leaf.as_bytes(), label),
            _ => Ok(()),
        }
    }

    fn object(&mut self, path: &Path, node: &Node, label: &Label, walk: Walk) -> Result<(), Error> {
        let system = magic::file_system(node.identity.magic);
        if !system.enforceable {
            self.warn(path, &format!("it lies on {}, where labels were not shown to hold", system.name));
        }
        self.label(node, label)?;
        match walk {
            _ if !node.is_dir() => Ok(()),
            Walk::Whole => self.below(path, node, label),
            Walk::Directories => self.mark_below(node, label),
        }
    }

    /// Marks the directories below one: its label stands for what lies in them.
    fn mark_below(&mut self, directory: &Node, label: &Label) -> Result<(), Error> {
        if self.marks.is_none() || label.deny & (access::READ | access::WRITE | access::EXEC) == 0 {
            return Ok(());
        }
        let list = self.list;
        walk::below(list, directory.fd.as_fd(), Visit::Directories, DIRECTORIES, &mut |_, node| {
            if node.is_dir() {
                self.mark(node);
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Every file below a directory, by inode: a hard link made earlier gives it another ancestor. And what links there lead
    /// to: people keep their files somewhere else.
    fn below(&mut self, path: &Path, directory: &Node, label: &Label) -> Result<(), Error> {
        let mut links = Vec::new();
        self.files_below(path, directory, label, &mut links)?;
        if let (Links::NotOf(_), Some(link)) = (self.links, links.first()) {
            let link = path.join(OsStr::from_bytes(link));
            self.coverage.warnings.push(Error::Linked(link).to_string());
            return Ok(());
        }
        for link in links {
            self.in_time()?;
            let link = path.join(OsStr::from_bytes(&link));
            let Some(target) = self.behind(&link) else { continue };
            self.label(&target, label)?;
            if target.is_dir() {
                self.files_below(&link, &target, label, &mut Vec::new())?;
            }
        }
        Ok(())
    }

    /// The user's own file or directory behind a link in a jewel's directory. The link is the user's, who may let it lead
    /// anywhere.
    pub(super) fn behind(&self, link: &Path) -> Option<Node> {
        match self.links.open(self.list, link) {
            Found::Node(target)
                if target.identity.uid == self.uid
                    && (target.is_dir() || walk::is(target.identity.mode, libc::S_IFREG))
                    && !self.ground.untouchable.contains(&target.identity.file) =>
            {
                Some(target)
            }
            _ => None,
        }
    }

    fn files_below(
        &mut self,
        path: &Path,
        directory: &Node,
        label: &Label,
        links: &mut Vec<BString>,
    ) -> Result<(), Error> {
        let mut own_labels = 0;
        let list = self.list;
        let walked = walk::below(list, directory.fd.as_fd(), Visit::All, BELOW_LIMIT, &mut |below, node| {
            self.in_time()?;
            if node.is_link() && links.len() < OWN_LABELS {
                links.push(below.to_owned());
            }
            // It is closed where it lies. Its other names may be somebody else's.
            if self.links != Links::All && node.identity.uid != self.uid {
                if node.is_dir() {
                    self.mark(node);
                }
                return Ok(true);
            }
            let two_names = !node.is_dir() && node.identity.nlink > 1;
            if two_names || own_labels < OWN_LABELS {
                own_labels += 1;
                self.label(node, label)?;
            }
            Ok(true)
        })?;
        if walked.cut {
            self.coverage.warnings.push(format!(
                "`{}` holds more than {BELOW_LIMIT} files: hard links made earlier to those beyond are not guarded",
                path.as_os_str().as_bytes().escape_bytes()
            ));
        }
        if walked.unreadable > 0 {
            self.warn(path, &format!("{} entries below it could not be looked at", walked.unreadable));
        }
        Ok(())
    }

    /// The file at a path below a workspace or another repository, or the files below the directory there, and nothing that is
    /// put there later. Whoever made what lies there chose where its links lead: those that leave it are not followed.
    pub(super) fn files_within(&mut self, top: &Path, path: &str, label: &Label) -> Result<(), Error> {
        let found = self.links.open_within(self.list, top, Path::new(path));
        self.files_there(&top.join(path), found, label)
    }

    /// The file at a path of the home, or the files below the directory there, and nothing that is put there later.
    pub(super) fn files_at(&mut self, path: &Path, label: &Label) -> Result<(), Error> {
        let found = match self.links.open_itself(self.list, path) {
            Found::Node(link) if link.is_link() && self.links != Links::All => {
                Found::Unreadable(Error::Linked(path.to_owned()))
            }
            Found::Node(link) if link.is_link() => self.behind(path).map_or(Found::Missing, Found::Node),
            found => found,
        };
        self.files_there(path, found, label)
    }

    fn files_there(&mut self, path: &Path, found: Found, label: &Label) -> Result<(), Error> {
        let node = match found {
            Found::Node(node) => node,
            Found::Missing => return Ok(()),
            Found::Unreadable(e) => {
                self.warn(path, &e.to_string());
                return Ok(());
            }
        };
        // The deny-list is everybody's, and what leads here is the user's.
        let uid = self.uid;
        let is_file = |node: &Node| {
            walk::is(node.identity.mode, libc::S_IFREG) && [0, uid].contains(&node.identity.uid)
        };
        if is_file(&node) {
            return self.label(&node, label);
        }
        if !node.is_dir() {
            return Ok(());
        }
        let list = self.list;
        let walked = walk::below(list, node.fd.as_fd(), Visit::All, OWN_LABELS, &mut |_, below| {
            self.in_time()?;
            if is_file(below) {
                self.label(below, label)?;
            }
            Ok(true)
        })?;
        if walked.unreadable > 0 {
            self.warn(path, &format!("{} entries below it could not be looked at", walked.unreadable));
        }
        if walked.cut {
            self.warn(path, &format!("of what it holds, only the first {OWN_LABELS} files are closed"));
        }
        Ok(())
    }

    /// Labels one object, and marks it.
    pub(super) fn label(&mut self, node: &Node, label: &Label) -> Result<(), Error> {
        let key = Key::File(node.identity.file);
        let file = node.identity.file;
        let readable =
            self.public.contains(&file) || self.readable.iter().any(|readable| readable.file == file);
        let lent = self.lent.get(&file).copied().unwrap_or_default();
        let open = if readable { abi::LABEL_READABLE | lent } else { lent };
        let label = &Label { flags: label.flags | open, ..*label };
        self.coverage.labels += usize::from(self.labelled.insert(file));
        self.coverage.hard_linked += usize::from(!node.is_dir() && node.identity.nlink > 1);
        self.hold(key, label)?;
        if label.deny & (access::READ | access::WRITE | access::EXEC) != 0 {
            self.mark(node);
        }
        Ok(())
    }

    /// Marks the directories in which a name is looked for, where such directories usually lie: without a mark the name
    /// is refused at the end of the call, when an open that truncates has emptied the file. A link is not followed, since
    /// whoever made the workspace chose where it leads; the name does not hold behind one either.
    pub(super) fn mark_directories(&mut self, name: &str, label: &Label, guarded: &Guarded) {
        if label.deny & (access::READ | access::WRITE) == 0 {
            return;
        }
        let config = guarded.home.join(".config");
        for base in guarded.workspaces.iter().chain([&guarded.home, &config]) {
            if let Found::Node(node) = self.links.open_itself(self.list, &base.join(name))
                && node.is_dir()
            {
                self.mark(&node);
            }
        }
    }

    /// What has the name in a workspace and is a directory: files deep in it are children of no marked one. Links are not
    /// followed, as above.
    pub(super) fn named_directories(
        &mut self,
        directory: &str,
        name: &str,
        label: &Label,
        guarded: &Guarded,
        walk: Walk,
    ) -> Result<(), Error> {
        for workspace in &guarded.workspaces {
            let directory = workspace.join(directory);
            let is_dir = |path: &Path| matches!(self.links.open_itself(self.list, path), Found::Node(node) if node.is_dir());
            let path = directory.join(name);
            if is_dir(&directory) && is_dir(&path) {
                self.path(&path, label, walk)?;
            }
        }
        Ok(())
    }

    pub(super) fn mark(&mut self, node: &Node) {
        if let Some(marks) = self.marks
            && !node.is_link()
            && !node.is_socket()
            && marks.mark(node)
        {
            self.coverage.marks += 1;
        }
    }
}
