//! What may be made in a directory, by name: where sessions make the same names each time, others do not belong.
//!
//! Names hold for what is new: who moves something to a name is not asked for it, since what sessions move to is not
//! learned.

use crate::{DenyList, Error};
use abi::{FileKey, LABEL_NAMES, Label, NAME_LEN, T1Key, T1NameKey};
use bstr::BStr;
use std::collections::BTreeSet;

/// The names of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What may be made, padded with zeros.
    pub known: BTreeSet<[u8; NAME_LEN]>,
    /// Why nothing else may.
    pub reason: u32,
    /// What the label of the directory refuses besides, once somebody has made it.
    pub deny: u32,
    /// Why.
    pub deny_reason: u32,
}

impl Names {
    /// As the kernel's map has them, for a directory that is there.
    pub(super) fn entries(&self, dir: FileKey, policy: u32) -> impl Iterator<Item = (T1NameKey, u32)> {
        let key = move |name| T1NameKey { dir, policy, pad: 0, name };
        let known = self.known.iter().map(move |name| (key(*name), 0));
        known.chain([(key([0; NAME_LEN]), self.reason)])
    }
}

/// A name as the kernel's map has it; `None` where it is too long.
pub(super) fn padded(name: &BStr) -> Option<[u8; NAME_LEN]> {
    let mut padded = [0; NAME_LEN];
    // The kernel side reads one byte less.
    padded[..NAME_LEN - 1].get_mut(..name.len())?.copy_from_slice(name);
    Some(padded)
}

/// A directory that a policy awaits is there now: from here on only the names that it knows are made in it. One that has a
/// label was there before, and was moved to this place: it keeps that.
pub(crate) fn label_made(
    list: &dyn DenyList,
    policy: &mut super::Policy,
    path: &BStr,
    dir: FileKey,
) -> Result<(), Error> {
    let Some(names) = policy.awaited.remove(path) else { return Ok(()) };
    if policy.labels.iter().any(|(labelled, _)| *labelled == dir) {
        return Ok(());
    }
    let number = policy.number;
    for (key, reason) in names.entries(dir, number) {
        policy.names.push((key, reason));
        list.insert_t1_name(&key, reason)?;
    }
    let label = Label { deny: names.deny, reason: names.deny_reason, subjects: 0, flags: LABEL_NAMES };
    policy.labels.push((dir, label));
    list.insert_t1(&T1Key { file: dir, policy: number, pad: 0 }, &label)
}
