//! A user's rules close only the user's own objects.

use super::Arming;
use crate::Error;
use crate::links::Links;
use crate::walk;
use policy::{Layer, Row};
use std::path::Path;

impl Arming<'_> {
    /// A user's own rule, or a repository's, closes what is the user's: others have sessions, too, and all have one deny-list. What lies
    /// behind a link that is not followed may be the user's, who may not close the link's place: that is said.
    pub(super) fn may_close(&mut self, row: Row<'_>, path: &Path) -> Result<bool, Error> {
        if row.rule.layer < Layer::User {
            return Ok(true);
        }
        let own = self.owns(path).or_else(|| {
            path.ancestors().skip(1).find_map(|directory| {
                if let Some(known) = self.owned.get(directory) {
                    return *known;
                }
                let own = self.owns(directory);
                self.owned.insert(directory.to_owned(), own);
                own
            })
        });
        if own == Some(true) {
            return Ok(true);
        }
        let not_own = Error::NotOwn {
            rule: row.rule.id.clone(),
            path: path.to_owned(),
            directory: crate::rules::OF_MACHINE,
        };
        if self.links == Links::All {
            return Err(not_own);
        }
        // Who is inside may have put it there: the other rules are not kept from closing by that.
        let why = match self.links.open(self.list, path) {
            walk::Found::Unreadable(linked @ Error::Linked(_)) => linked,
            _ => not_own,
        };
        self.coverage.warnings.push(why.to_string());
        Ok(false)
    }

    /// Whether what a path leads to is the user's; `None`: nothing is there.
    fn owns(&self, path: &Path) -> Option<bool> {
        match self.links.open(self.list, path) {
            walk::Found::Node(node) => Some(node.identity.uid == self.uid),
            // A link that was not followed lies where the user may put one.
            walk::Found::Missing | walk::Found::Unreadable(Error::Linked(_)) => None,
            walk::Found::Unreadable(_) => Some(false),
        }
    }

    /// Whether a path leads to what the user may close: a file of their own, or its place in a directory of their own.
    pub(super) fn is_users(&self, path: &Path) -> bool {
        let is_own = |node: &walk::Node| node.identity.uid == self.uid && !node.is_device();
        match self.links.open(self.list, path) {
            walk::Found::Node(node) => is_own(&node) && !self.ground.untouchable.contains(&node.identity.file),
            walk::Found::Missing => path.parent().is_some_and(
                |parent| matches!(self.links.open(self.list, parent), walk::Found::Node(node) if is_own(&node)),
            ),
            walk::Found::Unreadable(_) => false,
        }
    }
}
