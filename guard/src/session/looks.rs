//! A tool's look at its own credentials, refused: `git` and `curl` look into `.netrc` whenever they run, `npm` into
//! `.npmrc`. By itself it says nothing against a session. One that looks for many kinds gathers them.

use crate::reason;
use event::{Access, Event, Fate, Op};
use std::collections::BTreeSet;

/// Kinds of credentials that one session's tools look for.
const KINDS: usize = 2;

/// The looks of one session.
#[derive(Debug, Default)]
pub(super) struct Looks {
    count: u64,
    kinds: BTreeSet<u32>,
}

impl Looks {
    /// Whether a decision of T0 is such a look: refused, and for reading alone.
    pub(super) fn take(&mut self, event: &Event, number: u32) -> bool {
        let refused = event.decision.is_some_and(|decision| decision.fate() == Fate::Refused);
        let reads = event.op == Op::Open && (event.access & !Access::PATH_ONLY) == Access::READ;
        let is_look = refused && reads && reason::jewel(number).is_some_and(|jewel| jewel.is_looked_at());
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

    /// Looks that speak against the session after all.
    pub(super) fn harvest(&self) -> u64 {
        if self.kinds.len() > KINDS { self.count } else { 0 }
    }
}
