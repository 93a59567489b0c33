//! The policy of one baseline in one session.

use super::names::Names;
use super::sockets::Sockets;
use crate::{DenyList, Error};
use abi::{FileKey, Label, NetLabel, T1Key, T1NameKey, access};
use bstr::{BStr, BString};
use event::Access;
use std::collections::BTreeMap;

/// Labels of one policy. The kernel's map holds four policies of this size; a home and a system whose every directory is
/// told apart need some thousand.
pub const LABELS_MAX: usize = 65_536;
/// Names of one policy: a quarter of what the kernel's map holds.
pub const NAMES_MAX: usize = 16_384;
/// Networks of one policy.
pub const NETS_MAX: usize = 4_096;

/// What one baseline refuses in one session, ready to be armed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its number: the first half of its keys.
    pub number: u32,
    /// Labels, each file once.
    pub labels: Vec<(FileKey, Label)>,
    /// Names in directories in which names matter, and the reason for which each may not be made.
    pub names: Vec<(T1NameKey, u32)>,
    /// Directories in which names will matter when a session has made them, by canonical path.
    pub awaited: BTreeMap<BString, Names>,
    /// Networks: how many bits of the v4-mapped or IPv6 address count, the address, and the label.
    pub nets: Vec<(u32, [u8; 16], NetLabel)>,
    /// Abstract names of unix sockets outside the session to which it may connect.
    pub sockets: Sockets,
    /// What is refused to a file that no label covers.
    pub unlabelled: u32,
    /// Reason of `unlabelled`.
    pub unlabelled_reason: u32,
    /// What is refused to an address that no network covers.
    pub unknown_net: u32,
    /// Reason of `unknown_net`.
    pub unknown_net_reason: u32,
    /// Directories in which something is closed, nearest to the session's places first: for means that watch directories.
    pub closed: Vec<Closed>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A directory in which something is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Where it is; canonical.
    pub path: BString,
    /// What is closed there.
    pub deny: Access,
    /// Everything below is closed as well, and not only what lies directly in it.
    pub deep: bool,
    /// How far from the session's own places: 0 in the home or beside a workspace.
    pub distance: u8,
}

impl Policy {
    /// Opens a directory that is the session's own, but for starting programs from it and for mounting.
    pub(crate) fn open_but_for_programs(&mut self, directory: FileKey, reason: u32) {
        let deny = access::EXEC | access::MOUNT;
        self.labels.retain(|(file, _)| *file != directory);
        self.labels.push((directory, Label { deny, reason, flags: 0 }));
    }
}

/// A directory that a policy awaits is there now: from here on only the names that it knows are made in it. One that has a
/// label was there before, and was moved to this place: it keeps that.
pub(crate) fn label_made(
    list: &dyn DenyList,
    policy: &mut Policy,
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
    let label = Label { deny: names.deny, reason: names.deny_reason, flags: names.flags };
    policy.labels.push((dir, label));
    list.insert_t1(&T1Key { file: dir, policy: number, pad: 0 }, &label)
}
