//! The second stage: a baseline becomes labels and networks of the kernel's deny-list, before its segment begins.
//!
//! [`compile`] decides, as a pure function of the baseline, the session's places and what [`Files`] shows of the file
//! system; [`arm`] writes. In the kernel the nearest labelled ancestor decides, so that a directory has a label only where
//! something changes. Must never open what the baseline does not know, and never touch the first stage's map.

mod compile;
mod files;
mod habits;
pub(crate) mod hosts;
pub(crate) mod names;
mod network;
mod program;
pub(crate) mod words;

use crate::reason::{Normal, Reasons};
use crate::{DenyList, Error};
use abi::{FileKey, Label, NetKey, NetLabel, T1Key, T1NameKey, access};
use bstr::BString;
use event::{Access, Context};
use models::Novelty;
use std::collections::BTreeMap;

pub use files::{Entry, Files, Real};
pub use names::Names;

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

/// Compiles a baseline for a session at `context`. Reasons are those of `policy`.
pub fn compile(
    novelty: &Novelty,
    normal: &Normal,
    context: &Context,
    files: &dyn Files,
    reasons: &Reasons,
    policy: u32,
) -> Result<Policy, Error> {
    let mut compiled = compile::Compiler::new(novelty, normal, context, files, reasons, policy).run();
    compiled.nets = network::compile(novelty, &context.resolvers);
    compiled.unknown_net = access::CONNECT;
    compiled.unknown_net_reason = reasons.allocate(policy, &normal.never_connected());
    let too_big = |what, wanted, limit| Error::TooBig { normal: normal.to_string(), what, wanted, limit };
    if compiled.labels.len() > LABELS_MAX {
        return Err(too_big("labels", compiled.labels.len(), LABELS_MAX));
    }
    if compiled.nets.len() > NETS_MAX {
        return Err(too_big("networks", compiled.nets.len(), NETS_MAX));
    }
    Ok(compiled)
}

/// Writes the labels and networks of a policy. They mean nothing until a session names the policy; on an error nothing
/// stays.
pub fn arm(list: &dyn DenyList, policy: &Policy) -> Result<(), Error> {
    let number = policy.number;
    let labels = policy
        .labels
        .iter()
        .try_for_each(|(file, label)| list.insert_t1(&T1Key { file: *file, policy: number, pad: 0 }, label));
    let names = labels
        .and_then(|()| policy.names.iter().try_for_each(|(key, reason)| list.insert_t1_name(key, *reason)));
    let written = names.and_then(|()| {
        policy
            .nets
            .iter()
            .try_for_each(|(bits, addr, label)| list.insert_net(*bits, net_key(number, *addr), label))
    });
    written.inspect_err(|_| {
        if let Err(e) = disarm(list, policy) {
            tracing::error!(error = %e, policy = number, "labels of a policy that does not fit were left in the kernel");
        }
    })
}

/// Removes a policy that no session names any more. Goes on past an error, and reports the first.
pub fn disarm(list: &dyn DenyList, policy: &Policy) -> Result<(), Error> {
    let number = policy.number;
    let labels =
        policy.labels.iter().map(|(file, _)| list.remove_t1(&T1Key { file: *file, policy: number, pad: 0 }));
    let nets = policy.nets.iter().map(|(bits, addr, _)| list.remove_net(*bits, net_key(number, *addr)));
    let mut first = Ok(());
    let names = policy.names.iter().map(|(key, _)| list.remove_t1_name(key));
    for done in labels.chain(names).chain(nets) {
        first = first.and(done);
    }
    first
}

fn net_key(policy: u32, addr: [u8; 16]) -> NetKey {
    NetKey { policy: policy.to_be_bytes(), addr }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
