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
mod policy;
mod program;
mod sockets;
mod spelling;
pub(crate) mod words;

use crate::reason::{Normal, Reasons};
use crate::{DenyList, Error};
use abi::{NetKey, T1Key, access};
use event::Context;
use models::Novelty;

pub use files::{Entry, Files, Real};
pub use names::Names;
pub(crate) use policy::label_made;
pub use policy::{Closed, LABELS_MAX, NAMES_MAX, NETS_MAX, Policy};
pub use sockets::{SOCKETS_MAX, Sockets};

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
    compiled.sockets = sockets::compile(novelty);
    compiled.unknown_net = access::CONNECT;
    compiled.unknown_net_reason = reasons.allocate(policy, &normal.never_connected());
    let too_big = |what, wanted, limit| Error::TooBig { normal: normal.to_string(), what, wanted, limit };
    if compiled.labels.len() > LABELS_MAX {
        return Err(too_big("labels", compiled.labels.len(), LABELS_MAX));
    }
    if compiled.nets.len() > NETS_MAX {
        return Err(too_big("networks", compiled.nets.len(), NETS_MAX));
    }
    let sockets = compiled.sockets.known().len();
    if sockets > SOCKETS_MAX {
        return Err(too_big("abstract sockets", sockets, SOCKETS_MAX));
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
    let written = written.and_then(|()| {
        policy.sockets.known().iter().try_for_each(|name| list.insert_known_name(name, number))
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
    let sockets = policy.sockets.known().iter().map(|name| list.remove_known_name(name, number));
    for done in labels.chain(names).chain(nets).chain(sockets) {
        first = first.and(done);
    }
    first
}

pub(crate) fn net_key(policy: u32, addr: [u8; 16]) -> NetKey {
    NetKey { policy: policy.to_be_bytes(), addr }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
