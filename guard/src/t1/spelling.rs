//! The real paths of symbolic places, in one session: its home, its workspaces' names, and the versions that are there.

use super::files::Files;
use bstr::{BStr, BString, ByteSlice};
use event::template::{self, REPOSITORY, VERSION};
use event::{Context, Reach};
use models::Novelty;
use std::cell::RefCell;
use std::collections::HashMap;

/// Paths that one place is spelled as.
const SPELLED_MAX: usize = 64;

/// Entries of a directory among which versions are looked for.
const ENTRIES_MAX: usize = 4_096;

/// How a session spells places.
pub(super) struct Spelling<'a> {
    novelty: &'a Novelty,
    context: &'a Context,
    files: &'a dyn Files,
    /// By directory and name: what is there of it.
    versions: RefCell<HashMap<(BString, BString), Vec<BString>>>,
}

impl<'a> Spelling<'a> {
    pub(super) fn new(novelty: &'a Novelty, context: &'a Context, files: &'a dyn Files) -> Self {
        Self { novelty, context, files, versions: RefCell::default() }
    }

    /// The real paths of a place, those in the workspaces as well.
    pub(super) fn programs(&self, reach: Reach, components: &[&BStr]) -> Vec<BString> {
        match components.split_first() {
            Some((root, rest)) if *root == "$workspace" => {
                let below = bstr::join("/", rest);
                let workspaces = self.context.workspaces.iter();
                workspaces.map(|workspace| bstr::join("/", [workspace.as_slice(), &below]).into()).collect()
            }
            _ => self.real(reach, components),
        }
    }

    /// The real paths of a place, with the names that the session's workspaces give it, and those of the versions that are
    /// there; templates stay in them. None for places in the workspace, where nothing is closed, and for those that are no
    /// paths.
    pub(super) fn real(&self, reach: Reach, components: &[&BStr]) -> Vec<BString> {
        let Some((root, rest)) = components.split_first() else { return Vec::new() };
        let mut paths: Vec<BString> = match root.as_bytes() {
            b"/" => vec![BString::default()],
            b"$home" => vec![self.context.home.clone()],
            b"$tmp" => vec!["/tmp".into()],
            _ => return Vec::new(),
        };
        for (at, name) in rest.iter().enumerate() {
            if let Some((prefix, suffix)) = name.split_once_str(REPOSITORY) {
                let spelled = paths.iter().flat_map(|path| self.repositories(path, name, prefix, suffix));
                paths = spelled.take(SPELLED_MAX).collect();
            } else if name.contains_str(VERSION) {
                // Who may make directories there could make one that is run.
                if reach == Reach::Exec
                    && components.get(..=at).is_none_or(|above| self.novelty.is_open(Reach::Create, above))
                {
                    return Vec::new();
                }
                let spelled = paths.iter().flat_map(|path| self.versions(path, name));
                paths = spelled.take(SPELLED_MAX).collect();
            } else {
                paths.iter_mut().for_each(|path| *path = below(path, name));
            }
        }
        paths
    }

    /// A name that is made of the repository's.
    fn repositories(&self, path: &BString, name: &BStr, prefix: &[u8], suffix: &[u8]) -> Vec<BString> {
        let own = template::is_own(&below(path, name), self.context);
        let spellings = self.context.workspaces.iter().flat_map(|at| template::spellings(at, own));
        spellings.map(|spelling| below(path, &[prefix, &spelling, suffix].concat())).collect()
    }

    /// A name with a version: in any version that is there when the policy is compiled.
    fn versions(&self, path: &BString, name: &BStr) -> Vec<BString> {
        let key = (path.clone(), BString::from(name));
        let mut versions = self.versions.borrow_mut();
        let found = versions.entry(key).or_insert_with(|| {
            let (mut there, _) = self.files.names(path.as_bstr(), ENTRIES_MAX).unwrap_or_default();
            there.retain(|there| template::versioned(there).is_some_and(|versioned| versioned == name));
            there.iter().map(|there| below(path, there)).collect()
        });
        found.clone()
    }
}

fn below(path: &BString, name: &[u8]) -> BString {
    [path.as_slice(), b"/", name].concat().into()
}
