//! The third stage: from a verdict on the score to what is done.
//!
//! T2 blocks the next action, never the one that crossed. Where the kernel can refuse, it takes away the kind of
//! operation that crossed; where it cannot, it freezes, which is instant and can be undone.

use abi::access;
use event::{Access, Event, Op, Tier};
use models::Verdict;

/// What is done about a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// It is said.
    Say,
    /// These accesses are refused from now on, in the whole session.
    Restrict(Access),
    /// The session is frozen, and these accesses are refused in case it goes on.
    Freeze(Access),
    /// The session is killed.
    Kill,
}

/// What to do about `verdict` on a score that `event` changed. In a shadow session the caller only says so.
pub fn step(verdict: Verdict, tier: Tier, event: &Event) -> Step {
    let kind = kind(event);
    match (verdict, tier) {
        (Verdict::Allow, _) => Step::Nothing,
        // There is nobody who can be asked while the agent owns the terminal: it is said, and the session's owner decides.
        (Verdict::Alert | Verdict::Ask, _) => Step::Say,
        (Verdict::Restrict, Tier::Lsm) => Step::Restrict(kind),
        (Verdict::Contain, Tier::Lsm) => Step::Restrict(kind | everything()),
        (Verdict::Restrict, Tier::Tracepoint) => Step::Freeze(kind),
        (Verdict::Contain, Tier::Tracepoint) | (Verdict::Freeze, _) => Step::Freeze(kind | everything()),
        (Verdict::Kill, _) => Step::Kill,
    }
}

/// What an agent can do harm with: changes, programs and connections. Reading stays, so that it can end in order.
fn everything() -> Access {
    Access::from_bits_truncate(access::MODIFY | access::CONNECT | access::LISTEN | access::EXEC)
}

/// The accesses of the kind of operation that crossed. Reading is answered by closing the ways out, since a session that
/// may not read cannot even end.
fn kind(event: &Event) -> Access {
    let modify = Access::from_bits_truncate(access::MODIFY);
    match event.op {
        Op::Open if event.access.intersects(modify | Access::TRUNC) => modify,
        Op::Open => Access::CONNECT,
        op => op.closes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Object;

    fn event(op: Op, access: Access) -> Event {
        Event { time_ns: 1, pid: 1, tid: 1, ..Event::of(op, access, Object::None) }
    }

    #[test]
    fn deleting_too_much_ends_in_a_refusal_or_a_freeze() {
        let unlink = event(Op::Unlink, Access::REMOVE);
        let Step::Restrict(bits) = step(Verdict::Restrict, Tier::Lsm, &unlink) else {
            panic!("no restriction")
        };
        assert!(bits.contains(Access::REMOVE | Access::WRITE) && !bits.contains(Access::READ));
        assert!(matches!(step(Verdict::Restrict, Tier::Tracepoint, &unlink), Step::Freeze(_)));
        assert_eq!(step(Verdict::Kill, Tier::Lsm, &unlink), Step::Kill);
        assert_eq!(step(Verdict::Ask, Tier::Lsm, &unlink), Step::Say);
        assert_eq!(step(Verdict::Allow, Tier::Lsm, &unlink), Step::Nothing);
    }

    #[test]
    fn reading_too_much_closes_the_ways_out() {
        let read = event(Op::Open, Access::READ);
        assert_eq!(step(Verdict::Restrict, Tier::Lsm, &read), Step::Restrict(Access::CONNECT));
        let Step::Restrict(all) = step(Verdict::Contain, Tier::Lsm, &read) else { panic!("no restriction") };
        assert!(all.contains(Access::EXEC | Access::REMOVE) && !all.contains(Access::READ));
    }
}
