//! Counts of a session, in bounded memory.

use event::{Captured, Class, Context, Event, Object, Op, Origin, Outcome};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// Distinct objects that are told apart; past it a count stands still, and the report says at least so many.
const DISTINCT_MAX: usize = 1 << 20;

/// What was seen so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) syscalls: u64,
    pub(super) lost: u64,
    pub(super) unresolved: u64,
    pub(super) execs: u64,
    /// Actions that got through.
    pub(super) actions: u64,
    /// The same by kind.
    kinds: HashMap<(Op, Class), u64>,
    hasher: RandomState,
    files: HashSet<u64>,
    programs: HashSet<u64>,
    hosts: HashSet<IpAddr>,
}

impl Tally {
    pub(super) fn take(&mut self, captured: &Captured, context: &Context) {
        match captured {
            Captured::Event(event) => self.event(event, context),
            Captured::Syscall(_) => self.syscalls += 1,
            Captured::Loss(loss) => self.lost += loss.count,
        }
    }

    fn event(&mut self, event: &Event, context: &Context) {
        self.events += 1;
        // An operation that its process was killed for came back, and did not get through.
        let done =
            matches!(event.outcome, Outcome::Done(_)) && !event.decision.is_some_and(|made| made.enforced);
        if done && event.op.is_action() {
            self.actions += 1;
            *self.kinds.entry((event.op, Class::of(&event.object, context))).or_default() += 1;
        }
        if let Some(file) = event.object.file() {
            self.unresolved += u64::from(file.origin == Origin::Unresolved);
            if done && file.origin == Origin::Trusted {
                let hash = self.hasher.hash_one(&file.path);
                insert(&mut self.files, hash);
                if event.op == Op::Exec {
                    insert(&mut self.programs, hash);
                }
            }
        }
        if let Object::Address(address) = &event.object
            && matches!(event.op, Op::Connect | Op::Send)
            && self.hosts.len() < DISTINCT_MAX
        {
            self.hosts.insert(address.ip.to_canonical());
        }
        self.execs += u64::from(done && event.op == Op::Exec);
    }

    pub(super) fn files(&self) -> u64 {
        self.files.len() as u64
    }

    pub(super) fn programs(&self) -> u64 {
        self.programs.len() as u64
    }

    pub(super) fn hosts(&self) -> u64 {
        self.hosts.len() as u64
    }

    /// How often a kind of action got through.
    pub(super) fn passed(&self, kind: (Op, Class)) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or(0)
    }
}

fn insert(set: &mut HashSet<u64>, hash: u64) {
    if set.len() < DISTINCT_MAX {
        set.insert(hash);
    }
}
