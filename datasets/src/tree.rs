//! The files of a workspace before its session.
#![expect(clippy::indexing_slicing, reason = "a place is drawn from within the table")]

use crate::{seed::Rng, words};
use rand::Rng as _;
use std::collections::BTreeMap;

/// The files of a workspace, by path below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Contents by relative path, in the order of the paths.
    pub files: BTreeMap<String, String>,
    /// A git repository with a remote.
    pub git: bool,
}

impl Tree {
    /// A documentation tree of so many directories with so many pages each.
    pub(crate) fn documentation(rng: &mut Rng, directories: usize, pages: usize) -> Tree {
        let mut tree = Tree::default();
        tree.files.insert("README.md".into(), words::page(rng, 3));
        for directory in words::directories(rng, directories) {
            // A few trees keep their pages one level down, as real ones do.
            let below = if rng.gen_bool(0.3) { format!("docs/{directory}") } else { directory.to_owned() };
            for _ in 0..rng.gen_range(pages.saturating_sub(1).max(2)..=pages + 1) {
                let kind = ["md", "md", "txt", "rst"][rng.gen_range(0..4)];
                let sections = rng.gen_range(1..5);
                tree.files.insert(format!("{below}/{}.{kind}", words::slug(rng)), words::page(rng, sections));
            }
        }
        tree
    }

    /// The directories that hold files, without the top.
    pub(crate) fn directories(&self) -> Vec<&str> {
        let mut directories: Vec<&str> = self
            .files
            .keys()
            .filter_map(|path| path.rsplit_once('/'))
            .map(|(directory, _)| directory)
            .collect();
        directories.dedup();
        directories
    }
}
