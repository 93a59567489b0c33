//! A tool's look at its own credentials, refused: `git` and `curl` look into `.netrc` whenever they run, `npm` into
//! `.npmrc`. By itself it says nothing against a session. One that looks for many kinds gathers them.
//!
//! `ssh` opens its keys and would note the keys of hosts whenever it runs. It gets neither, as nobody does: this is about what
//! counts as a denial, and opens nothing.

use crate::reason;
use bstr::ByteSlice;
use event::jewel::is_key;
use event::{Access, Context, Event, Fate, Object, Op, Outcome};
use std::collections::{BTreeSet, HashSet};

/// Kinds of credentials that one session's tools look for.
const KINDS: usize = 2;

/// Where the system keeps `ssh`, and `ssh-keygen`, by which git signs.
const SSH: [&str; 6] = [
    "/usr/bin/ssh",
    "/bin/ssh",
    "/usr/local/bin/ssh",
    "/usr/bin/ssh-keygen",
    "/bin/ssh-keygen",
    "/usr/local/bin/ssh-keygen",
];
/// Processes that are told apart.
const PROCESSES: usize = 4096;

/// The looks of one session.
#[derive(Debug, Default)]
pub(super) struct Looks {
    count: u64,
    kinds: BTreeSet<u32>,
    /// Processes that run `ssh`.
    ssh: HashSet<u32>,
    keys: u64,
}

impl Looks {
    /// Whether a decision of T0 is such a look: refused, and for reading alone.
    pub(super) fn take(&mut self, event: &Event, number: u32) -> bool {
        let refused = event.decision.is_some_and(|decision| decision.fate() == Fate::Refused);
        let reads = event.op == Op::Open && (event.access & !Access::PATH_ONLY) == Access::READ;
        let is_look = refused && reads && reason::jewel(number).is_some_and(|jewel| jewel.rule.routine);
        if is_look {
            self.count += 1;
            self.kinds.insert(number);
        }
        is_look
    }

    /// Looks that do not speak against the session.
    pub(super) fn routine(&self) -> u64 {
        self.count - self.harvest()
    }

    /// Whether an event is a refused look of `ssh` at its keys, or at its list of hosts to change it.
    pub(super) fn at_keys(&mut self, event: &Event, context: &Context) -> bool {
        match (event.op, &event.object, event.outcome) {
            (Op::Exec, Object::Exe(exe), Outcome::Done(_))
                if SSH.iter().any(|path| exe.file.path == *path) && self.ssh.len() < PROCESSES =>
            {
                self.ssh.insert(event.pid);
            }
            (Op::Exec, _, Outcome::Done(_)) => {
                self.ssh.remove(&event.pid);
            }
            (Op::Exit, ..) if event.pid == event.tid => {
                self.ssh.remove(&event.pid);
            }
            _ => {}
        }
        let Some(decision) = event.decision else { return false };
        let is_key =
            decision.reason == reason::NAMED_KEY || reason::jewel(decision.reason).is_some_and(is_key);
        let reads = event.op == Op::Open && (event.access & !Access::PATH_ONLY) == Access::READ;
        let is_look = decision.fate() == Fate::Refused
            && self.ssh.contains(&event.pid)
            && (reads && is_key || is_list_of_hosts(&event.object, context));
        self.keys += u64::from(is_look);
        is_look
    }

    /// How often `ssh` looked.
    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    /// Looks that speak against the session after all.
    pub(super) fn harvest(&self) -> u64 {
        if self.kinds.len() > KINDS { self.count } else { 0 }
    }
}

/// Whether an object is `~/.ssh/known_hosts`, or a file beside it that ssh makes to replace it.
fn is_list_of_hosts(object: &Object, context: &Context) -> bool {
    let path = object.file().and_then(|file| context.in_home(&file.path));
    path.is_some_and(|path| {
        path.strip_prefix(b".ssh/known_hosts")
            .is_some_and(|rest| (rest.is_empty() || rest.starts_with(b".")) && !rest.contains_str("/"))
    })
}
