//! Who holds which entry of the static deny-list: sessions of several users share it, and an entry goes with the last
//! session that needs it.

use super::plain;
use crate::{DenyList, Error};
use abi::{FileKey, LABEL_READABLE, Label, NameKey, NetKey, NetLabel, PlaceKey, RewriteKey, access};
use std::collections::HashMap;

/// An entry, by the map that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    File(FileKey),
    Name(NameKey),
    /// With what its name begins with, see [`DenyList::insert_place`].
    Place(PlaceKey, u64),
    /// A place whose file the agent itself may replace.
    Rewrite(RewriteKey),
    Net([u8; 16]),
    Process(u32),
}

/// Every entry with the labels that sessions want there.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<Key, Vec<(u32, Label)>>);

impl Held {
    /// Adds a session's label to an entry. Two labels of one entry refuse what either refuses.
    pub(super) fn add(
        &mut self,
        list: &dyn DenyList,
        slot: u32,
        key: Key,
        label: &Label,
    ) -> Result<(), Error> {
        let labels = self.0.entry(key).or_default();
        if labels.contains(&(slot, *label)) {
            return Ok(());
        }
        labels.push((slot, *label));
        let merged = merged(labels);
        write(list, key, &merged).inspect_err(|_| {
            labels.pop();
        })
    }

    /// Whether an entry is held at all.
    pub(super) fn has(&self, key: Key) -> bool {
        self.0.get(&key).is_some_and(|labels| !labels.is_empty())
    }

    /// Removes what a session holds. Goes on past an error, and reports the first.
    pub(super) fn release(&mut self, list: &dyn DenyList, slot: u32) -> Result<(), Error> {
        let mut first = Ok(());
        self.0.retain(|&key, labels| {
            let before = labels.len();
            labels.retain(|(owner, _)| *owner != slot);
            if labels.len() != before || labels.is_empty() {
                let done =
                    if labels.is_empty() { remove(list, key) } else { write(list, key, &merged(labels)) };
                if first.is_ok() {
                    first = done;
                }
            }
            !labels.is_empty()
        });
        first
    }
}

/// One label for several: everything that one of them refuses.
fn merged(labels: &[(u32, Label)]) -> Label {
    let mut all = labels.iter().map(|(_, label)| *label);
    let first = all.next().unwrap_or(plain(0, 0));
    let closes = |label: &Label| label.deny & access::READ != 0 && label.flags & LABEL_READABLE == 0;
    all.fold(first, |merged, label| {
        let mut flags = merged.flags | label.flags;
        if closes(&merged) || closes(&label) {
            flags &= !LABEL_READABLE;
        }
        if label.deny == 0 && merged.deny != 0 {
            return Label { flags, ..merged };
        }
        if merged.deny == 0 {
            return Label { flags, ..label };
        }
        let wider = label.deny & !merged.deny != 0 && merged.deny & !label.deny == 0;
        Label {
            deny: merged.deny | label.deny,
            reason: if wider { label.reason } else { merged.reason },
            flags,
        }
    })
}

fn write(list: &dyn DenyList, key: Key, label: &Label) -> Result<(), Error> {
    match key {
        Key::File(file) => list.insert_t0(&file, label),
        Key::Name(name) => list.insert_name(&name, label),
        Key::Place(place, first) => list.insert_place(&place, first, label),
        Key::Rewrite(key) => list.insert_rewrite(&key),
        Key::Net(addr) => {
            let label = NetLabel { deny: label.deny, reason: label.reason, ports: [0; 8] };
            list.insert_net(128, NetKey { policy: [0; 4], addr }, &label)
        }
        Key::Process(pid) => list.protect(pid),
    }
}

fn remove(list: &dyn DenyList, key: Key) -> Result<(), Error> {
    match key {
        Key::File(file) => list.remove_t0(&file),
        Key::Name(name) => list.remove_name(&name),
        Key::Place(place, _) => list.remove_place(&place),
        Key::Rewrite(key) => list.remove_rewrite(&key),
        Key::Net(addr) => list.remove_net(128, NetKey { policy: [0; 4], addr }),
        Key::Process(pid) => list.unprotect(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_refuses_more() {
        let ssh = Label { deny: 3, reason: 1, flags: 0 };
        let own = Label { deny: 7, reason: 2, flags: 0 };
        assert_eq!(merged(&[(1, ssh), (2, own)]), Label { deny: 7, reason: 2, flags: 0 });
        assert_eq!(merged(&[(1, own), (2, ssh)]), Label { deny: 7, reason: 2, flags: 0 });
        let workspace = Label { deny: 0, reason: 0, flags: 2 };
        for labels in [[(1, workspace), (2, ssh)], [(2, ssh), (1, workspace)]] {
            assert_eq!(merged(&labels), Label { flags: 2, ..ssh });
        }
    }

    #[test]
    fn what_one_session_may_read_and_another_may_not_is_closed() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let open = Label { flags: LABEL_READABLE, ..closed };
        let unchanged = Label { deny: access::MODIFY, ..closed };
        for (labels, merged_to) in [
            ([open, closed], closed),
            ([closed, open], closed),
            ([open, unchanged], open),
            ([unchanged, open], open),
            ([open, open], open),
        ] {
            assert_eq!(merged(&[(1, labels[0]), (2, labels[1])]), merged_to);
        }
    }
}
