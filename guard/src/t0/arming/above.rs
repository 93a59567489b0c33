//! Places: a jewel is closed wherever its path leads, and so is whatever would lead it elsewhere. What takes the place of a
//! jewel, or of a directory above it, has its place, whether that was there when the session began or not.

use super::Arming;
use crate::Error;
use crate::links::Links;
use crate::name::component;
use crate::t0::entry::{Entry, Place};
use crate::t0::guarded::Guarded;
use crate::t0::held::{Key, plain};
use crate::walk::Found;
use abi::{
    ANY_DEV, EVERY_SESSION, LABEL_ABOVE, LABEL_OWN, Label, PlaceKey, REASON_ABOVE, RewriteKey, access,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Links that lead from one to the next and are followed: as many as the kernel follows.
const LINKS: u32 = 40;

impl Arming<'_> {
    /// A jewel's place, by every way that its path leads: through the links that are there, and as if each were a
    /// directory. What lies on the way is closed to be moved, removed or replaced. What is closed to the session alone is a place
    /// to it alone.
    pub(super) fn place(&mut self, path: &Path, label: &Label) -> Result<(), Error> {
        let session = if label.flags & LABEL_OWN == 0 { EVERY_SESSION } else { self.slot };
        let label = &Label { flags: label.flags & !LABEL_OWN, ..*label };
        // Whoever moves a socket that is there takes its label along, and who makes one reaches nobody.
        let is_socket = label.deny & (access::READ | access::MODIFY) == 0;
        for (from, below) in self.ways(path) {
            self.places_below(from.of_session(session), &below, label, is_socket)?;
        }
        if !is_socket {
            for path in path.ancestors().skip(1) {
                // Many jewels lie in one directory.
                if !self.above.insert((path.to_owned(), session)) {
                    break;
                }
                self.above(path, session, LINKS)?;
            }
        }
        Ok(())
    }

    /// Lets the agent itself replace files, at whatever place their paths lead to.
    pub(super) fn rewrites(&mut self, guarded: &Guarded) -> Result<(), Error> {
        for file in &guarded.rewrites {
            for (from, below) in self.ways(file) {
                let PlaceKey { hash, dev, .. } =
                    below.iter().rev().fold(from, |place, name| place.below(name)).key;
                let key = RewriteKey { place: hash, dev, session: self.slot };
                self.hold(Key::Rewrite(key), &plain(0, 0))?;
            }
        }
        Ok(())
    }

    /// Where a path leads: places on it with the names below each, last one first. From the deepest directory that is there,
    /// and, as if each were a directory, from the links.
    fn ways(&mut self, path: &Path) -> Vec<(Place, Vec<Vec<u8>>)> {
        let mut ways = Vec::new();
        let mut below: Vec<Vec<u8>> = Vec::new();
        let mut deepest = true;
        for path in path.ancestors() {
            if let Some(entry) = (!below.is_empty()).then(|| self.entry(path)).flatten() {
                let from =
                    [entry.link.is_some().then_some(entry.here), deepest.then_some(entry.dir).flatten()];
                ways.extend(from.into_iter().flatten().map(|place| (place, below.clone())));
                deepest = false;
            }
            let Some(name) = path.file_name() else { break };
            below.push(name.as_bytes().to_owned());
        }
        ways
    }

    /// The places on the way from a directory, whose names come last one first, and the jewel's at its end.
    fn places_below(
        &mut self,
        from: Place,
        names: &[Vec<u8>],
        label: &Label,
        is_socket: bool,
    ) -> Result<(), Error> {
        let mut place = from;
        for (left, name) in names.iter().enumerate().rev() {
            place = place.below(name);
            if left == 0 {
                self.add_place(place, label)?;
            } else if !is_socket {
                self.close_above(place)?;
            }
        }
        Ok(())
    }

    /// What lies at a path, above a jewel, and what it leads to if it is a link.
    fn above(&mut self, path: &Path, session: u32, links: u32) -> Result<(), Error> {
        let Some(entry) = self.entry(path) else { return Ok(()) };
        self.close_above(entry.here.of_session(session))?;
        let Some(target) = entry.link.filter(|_| links > 0) else { return Ok(()) };
        for path in target.ancestors() {
            self.above(path, session, links - 1)?;
        }
        Ok(())
    }

    /// A directory of this name has a jewel in it wherever it is. Only where nothing else is called so: names without a dot
    /// are programs' as well.
    pub(super) fn above_by_name(&mut self, directory: &str) -> Result<(), Error> {
        if !directory.starts_with('.') {
            return Ok(());
        }
        let (first, hash) = component(directory.as_bytes());
        self.close_above(Place { key: PlaceKey { hash, dev: ANY_DEV, session: EVERY_SESSION }, first })
    }

    fn close_above(&mut self, place: Place) -> Result<(), Error> {
        self.add_place(place, &Label { flags: LABEL_ABOVE, ..plain(0, REASON_ABOVE) })
    }

    fn add_place(&mut self, place: Place, label: &Label) -> Result<(), Error> {
        self.hold(Key::Place(place.key, place.first), label)
    }

    fn entry(&mut self, path: &Path) -> Option<Entry> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let found = look(self.list, self.links, path);
        self.known.insert(path.to_owned(), found.clone());
        found
    }
}

fn look(list: &dyn crate::DenyList, links: Links, path: &Path) -> Option<Entry> {
    let Found::Node(node) = links.open_itself(list, path) else { return None };
    let here = Place::of(&node)?;
    if !node.is_link() {
        return Some(Entry { here, link: None, dir: node.is_dir().then_some(here) });
    }
    let to = rustix::fs::readlinkat(&node.fd, c"", Vec::new()).ok()?;
    let to = Path::new(std::ffi::OsStr::from_bytes(to.as_bytes())).to_owned();
    let dir = match links.open(list, path) {
        Found::Node(target) if target.is_dir() => Place::of(&target),
        // It is closed as if it were a directory itself.
        Found::Unreadable(Error::Linked(_)) => return Some(Entry { here, link: None, dir: Some(here) }),
        _ => None,
    };
    Some(Entry { here, link: Some(path.parent().map_or(to.clone(), |parent| parent.join(&to))), dir })
}
