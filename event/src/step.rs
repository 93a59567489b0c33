//! A step: an abstract event, as the models read it.
//!
//! What one operation is counted for and asked about, in one place for both sides: what training counts of an event is what
//! enforcement asks of an attempt.
//!
//! Most operations reach for one place; renames, links and starts of scripts reach for two. For a script the kernel starts its
//! file and the interpreter's, and a stage is asked about each (`bprm_check_security` and `FAN_OPEN_EXEC_PERM` come once for
//! every file of the chain). The scripts between the two of a longer chain are in no event: a compiled baseline finds them
//! as the kernel does, by the `#!` lines.

use crate::{Op, Reach, Tier, Token};
use bstr::BString;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The root of the places of abstract unix sockets.
pub const ABSTRACT: &str = "$abstract";

/// Where an operation reached: a path from the general to the particular, with the session's own places made
/// symbolic, so that the same place in another workspace or home is the same place.
///
/// Files: `$workspace/..` (what git keeps for itself there is `$workspace/.git/$state`), `$home/..`, `$tmp/..`, or the
/// components of the path behind `/`; below `$unmounted` what lies in a file system that is mounted for the session alone.
/// Addresses: `$net4` and four octets, or `$net6` and eight groups, then the port. Where the name of the host
/// counts, `$host` in place of its address: the labels of the name from the last to the first, then a colon and the port. A
/// listener outside the session on this machine's loopback: `$local` and the port, or `$picked` for those that the kernel
/// picks. Abstract unix sockets: `$abstract` and the name. Below `$kept` the directories in
/// which the agent keeps its own state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// How it was reached for.
    pub reach: Reach,
    /// From the general to the particular; never empty.
    pub components: Arc<[BString]>,
}

/// Who says that a place was reached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The kernel, of the object itself.
    Kernel,
    /// The kernel's copy of the name by which it found a script and started it. A recording is believed: the name teaches. A
    /// session that is guarded opens nothing with it: it is decided about the files that the name leads to.
    Name,
    /// The session alone. It raises surprise, and neither teaches nor is decided about.
    Session,
}

/// An event as the models read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Thread: n-grams are kept for each.
    pub tid: u32,
    /// The event, made abstract.
    pub token: Token,
    /// Part of the session's action stream.
    pub action: bool,
    /// Where it reached, for what succeeded or was refused by Wardline; `None` where there is no place, where nothing was reached (the
    /// name did not exist), and for what the session itself had made.
    pub place: Option<Place>,
    /// A place that only a claimed path names: raises surprise, never teaches.
    pub claimed: bool,
    /// The other place that it reached for, and who says so: the script that was started, where `place` is its interpreter;
    /// the name that a rename made; the file that a link was made of.
    pub second: Option<(Place, Said)>,
    /// The directories of which it says that the agent keeps its own state there, as places below [`KEPT`](crate::state::KEPT).
    pub keeps: Vec<Place>,
    /// Thread that was made: it inherits this thread's context.
    pub child: Option<u32>,
    /// The thread ended.
    pub ended: bool,
}

/// A place that an operation reached for, and how far it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch<'s> {
    /// The place.
    pub place: &'s Place,
    /// Who says so.
    pub said: Said,
}

impl Step {
    /// Every place that the operation reached for.
    pub fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        let said = if self.claimed { Said::Session } else { Said::Kernel };
        let place = self.place.as_ref().map(|place| Touch { place, said });
        let second = self.second.as_ref().map(|(place, said)| Touch { place, said: *said });
        place.into_iter().chain(second)
    }

    /// The places that it teaches: what the kernel went on with, where that can be believed, and nobody refused it.
    pub fn taught(&self) -> impl Iterator<Item = &Place> {
        let refused = self.token.0 & 3 == REFUSED;
        let places = self.touches().filter(move |touch| !refused && touch.said != Said::Session);
        places.map(|touch| touch.place).chain(&self.keeps)
    }

    /// The places that a compiled baseline is asked about when the same is attempted in this tier: those that the operation
    /// teaches, where the tier has a means against it.
    pub fn asked(&self, tier: Tier) -> impl Iterator<Item = &Place> {
        let has_means = tier != Tier::Tracepoint || self.token.op().is_none_or(Op::is_met_without_hooks);
        let decided = self.touches().filter(move |touch| has_means && touch.said != Said::Session);
        decided.map(|touch| touch.place)
    }
}

/// The outcome of a token that says EPERM or EACCES.
const REFUSED: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn step(op: Op) -> Step {
        let place =
            |name: &str| Place { reach: Reach::Remove, components: ["$home".into(), name.into()].into() };
        Step {
            time_ns: 1,
            tid: 1,
            token: Token(u32::from(op as u16) << 11),
            action: true,
            place: Some(place("x")),
            claimed: false,
            second: Some((place("script"), Said::Name)),
            keeps: Vec::new(),
            child: None,
            ended: false,
        }
    }

    fn names<'s>(places: impl Iterator<Item = &'s Place>) -> Vec<String> {
        places.map(|place| place.components[1].to_string()).collect()
    }

    #[test]
    fn what_is_asked_is_what_was_taught_where_there_is_a_means() {
        for &op in Op::ALL {
            let step = step(op);
            assert_eq!(names(step.asked(Tier::Lsm)), names(step.taught()), "{op:?}");
            let asked = if op.is_met_without_hooks() { names(step.taught()) } else { Vec::new() };
            assert_eq!(names(step.asked(Tier::Tracepoint)), asked, "{op:?}");
        }
        assert_eq!(names(step(Op::Exec).taught()), ["x", "script"]);
    }

    #[test]
    fn what_the_session_alone_says_teaches_nothing_and_is_not_asked_about() {
        let step = Step { claimed: true, second: None, ..step(Op::Open) };
        assert_eq!((step.touches().count(), step.taught().count(), step.asked(Tier::Lsm).count()), (1, 0, 0));
    }

    #[test]
    fn what_was_refused_teaches_nothing() {
        let refused = Step { token: Token(u32::from(Op::Exec as u16) << 11 | 2), ..step(Op::Exec) };
        assert_eq!((refused.taught().count(), refused.asked(Tier::Lsm).count()), (0, 2));
    }
}
