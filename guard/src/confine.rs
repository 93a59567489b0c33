//! Operations that the tier `tracepoint` cannot refuse one by one are refused as a whole, by the kernel's own means: before
//! its first instruction the command is given a filter of system calls (seccomp) and a Landlock domain, and everything that
//! it starts has them too. Neither keeps a program inside from gaining privileges.

mod filter;
use event::{Mode, Tier};
use landlock::{
    AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::io;
use wire::Confinement;

/// What this process can give to a command that it starts.
pub fn offer() -> Confinement {
    // Who may not administrate the system could do so only by keeping programs inside from gaining privileges.
    let able = capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::SYS_ADMIN));
    Confinement { rings: able, programs: able, domain: able && ruleset().is_ok() }
}

/// What a session is given of what is offered.
pub(crate) fn choose(offered: Confinement, tier: Tier, mode: Mode) -> Confinement {
    // A recording is confined as its enforced session is: a program that falls back to ordinary calls does so in both. A
    // shadow session refuses nothing.
    if tier == Tier::Tracepoint && mode != Mode::Shadow { offered } else { Confinement::default() }
}

/// A Landlock domain that refuses nothing by itself. Whoever is in a domain reaches into no process outside of it: memory,
/// environment, descriptors, tracing. A domain must have something to say, so that this one says which ports may be bound:
/// each.
pub struct Domain(RulesetCreated);

impl Domain {
    /// Has it ready: that takes 65,536 calls, which belong to nobody's session.
    pub fn new() -> io::Result<Self> {
        let every_port =
            (0..=u16::MAX).map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::BindTcp)));
        let made = ruleset().and_then(|ruleset| ruleset.add_rules(every_port));
        Ok(Self(made.map_err(cause)?))
    }
}

/// Confines the calling process, which must have one thread and be able to administrate the system; `domain` is what was
/// offered.
pub fn confine(confinement: Confinement, domain: Option<Domain>) -> io::Result<()> {
    if confinement.domain {
        let Domain(ruleset) = domain.ok_or(io::ErrorKind::InvalidInput)?;
        ruleset.no_new_privs(false).restrict_self().map_err(cause)?;
    }
    if confinement.rings || confinement.programs { filter::apply(confinement) } else { Ok(()) }
}

/// Why the kernel did not.
fn cause(error: RulesetError) -> io::Error {
    io::Error::from_raw_os_error(*landlock::Errno::from(error))
}

/// Rules about ports, which came with Linux 6.7. Rules about files would keep a session's programs from mounting, as sandboxes
/// do.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessNet::BindTcp)?
        .create()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Confinement = Confinement { rings: true, programs: true, domain: true };

    #[test]
    fn what_a_hook_can_refuse_one_by_one_needs_no_confinement() {
        assert_eq!(choose(ALL, Tier::Lsm, Mode::Enforce), Confinement::default());
        assert_eq!(choose(ALL, Tier::Tracepoint, Mode::Enforce), ALL);
        assert_eq!(choose(Confinement::default(), Tier::Tracepoint, Mode::Enforce), Confinement::default());
    }

    #[test]
    fn a_recording_is_confined_as_its_enforced_session_and_a_shadow_session_is_not() {
        assert_eq!(choose(ALL, Tier::Tracepoint, Mode::Record), ALL);
        assert_eq!(choose(ALL, Tier::Tracepoint, Mode::Shadow), Confinement::default());
    }
}
