//! The user's keys, for one session: what uses them is started before anybody is inside, and lent to members.

use super::lease::Lease;
use super::machine::cgroup_prefix;
use super::running::Running;
use super::sessions::Slot;
use super::shared::Shared;
use crate::broker::process::Prepared;
use crate::broker::{Broker, Wanted, path_of};
use bstr::BString;
use event::Mode;
use guard::t0::KeyFiles;
use std::sync::Arc;
use wire::{Begin, Ready};

/// Looks at the user's keys, and starts what uses them, where there are any. A session that has no such thing goes on, and
/// has no keys.
pub(super) fn open(
    shared: &Shared,
    lease: &Lease,
    slot: &Slot,
    begin: &Begin,
    notes: &mut Vec<String>,
) -> (Option<Broker>, KeyFiles) {
    // Nothing is refused, and nothing is put in the place of what is the user's.
    if begin.mode == Mode::Shadow {
        return (None, KeyFiles::default());
    }
    let variable = |name: &str| {
        let mut found = begin.variables.iter().rev();
        found.find(|(key, _)| key == name).map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let gnupg = variable("GNUPGHOME");
    let wanted = Wanted {
        uid: begin.uid,
        gid: begin.gid,
        home: begin.home.clone(),
        agent: variable("SSH_AUTH_SOCK"),
        gnupg: gnupg.clone(),
        name: format!("{}{}", cgroup_prefix(), slot.number),
    };
    let started = Broker::start(&shared.starter, wanted).and_then(|broker| {
        let prepared = broker.prepared().clone();
        if prepared.any {
            lease.kernel.protect(broker.pid())?;
        }
        Ok((prepared.any.then_some(broker), prepared))
    });
    let (broker, prepared) = match started {
        Ok((broker, prepared)) => {
            notes.extend(prepared.notes.iter().cloned());
            (broker, prepared)
        }
        Err(error) => {
            notes.push(format!("ssh and gpg have no keys in this session: {error}"));
            (None, Prepared::default())
        }
    };
    let paths = |paths: &[BString]| paths.iter().map(path_of).collect();
    let gnupg = gnupg.as_ref().map(path_of).filter(|path| path.is_absolute());
    (
        broker,
        KeyFiles {
            keys: paths(&prepared.keys),
            files: paths(&prepared.files),
            agents: paths(&prepared.agents),
            gnupg,
        },
    )
}

/// Lets the session's members use the keys, and says by which variables they find them.
pub(super) fn lend(shared: &Shared, lease: &Lease, running: &Arc<Running>, attach: bool, ready: &mut Ready) {
    let (kernel, slot) = (Arc::clone(&lease.kernel), running.slot);
    let is_member = move |pid| Ok(kernel.member(pid)?.is_some_and(|member| member.session == slot));
    let (sessions, telling) = (Arc::clone(&shared.sessions), Arc::clone(running));
    match running.lend_keys(is_member, move |used| sessions.used(&telling, used)) {
        Ok(variables) if attach && !variables.is_empty() => {
            let said = variables.iter().map(|(name, value)| format!("`{name}={value}`"));
            ready.notes.push(format!(
                "ssh and gpg have no keys in what runs already, unless it sets {}",
                said.collect::<Vec<_>>().join(" and ")
            ));
        }
        Ok(variables) => ready.variables = variables,
        Err(error) => ready.notes.push(format!("ssh and gpg have no keys in this session: {error}")),
    }
}
