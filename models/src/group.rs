//! The counted groups of actions: irreversible or rare ones.

use event::{Class, Op, Place, Reach, Step};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Files of the workspace, that were there before, removed or moved away.
    Removals,
    /// Files of the workspace, that were there before, written.
    Overwrites,
    /// Places read in other projects, other homes, or loose in the home.
    ForeignReads,
    /// Places changed outside the workspace, the agent's own state, caches and temporary files.
    ForeignChanges,
    /// Destinations outside this machine.
    Destinations,
    /// Actions that failed or were refused (not: what was absent).
    Failures,
}

impl Group {
    /// Every group.
    pub const ALL: [Group; 6] = [
        Group::Removals,
        Group::Overwrites,
        Group::ForeignReads,
        Group::ForeignChanges,
        Group::Destinations,
        Group::Failures,
    ];

    /// What is counted, in words, for explanations.
    pub fn words(self) -> &'static str {
        match self {
            Group::Removals => "files of the workspace removed",
            Group::Overwrites => "files of the workspace overwritten",
            Group::ForeignReads => "places read in other projects or the home",
            Group::ForeignChanges => "places changed outside the workspace",
            Group::Destinations => "network destinations",
            Group::Failures => "failed actions",
        }
    }

    /// How the group's counts are believed to be distributed before any were seen.
    pub(crate) fn belief(self) -> Belief {
        match self {
            // Half of the budget: it cannot be undone, and programs seldom do it in bulk.
            Group::Removals => Belief { share: 0.5, count: 2.0, size: 3.0 },
            // A formatter writes every file at once, a search reads a whole tree, a broken script fails in a loop.
            Group::Overwrites | Group::Destinations => Belief { share: 0.1, count: 4.0, size: 1.5 },
            Group::ForeignReads | Group::ForeignChanges => Belief { share: 0.1, count: 3.0, size: 1.5 },
            Group::Failures => Belief { share: 0.1, count: 8.0, size: 1.0 },
        }
    }

    /// The group that an action counts for. `first`: the session had not touched the place.
    pub fn of(step: &Step, first: bool) -> Option<Group> {
        let class = step.token.class();
        let workspace = matches!(class, Class::Workspace | Class::Git);
        match step.place.as_ref().map(|place| place.reach) {
            _ if step.token.0 & 3 >= 2 && step.token.op() != Some(Op::Connect) => Some(Group::Failures),
            Some(Reach::Remove) if workspace => Some(Group::Removals),
            Some(Reach::Write) if workspace && first => Some(Group::Overwrites),
            Some(Reach::Read) if first && is_foreign(class) => Some(Group::ForeignReads),
            Some(Reach::Write | Reach::Create | Reach::Remove) if first && is_guarded(class) => {
                Some(Group::ForeignChanges)
            }
            Some(Reach::Connect) if first && is_far(class, step.place.as_ref()) => Some(Group::Destinations),
            _ => None,
        }
    }
}

fn is_foreign(class: Class) -> bool {
    matches!(
        class,
        Class::OtherProject | Class::OtherHome | Class::Home | Class::HomeSecret | Class::Elsewhere
    )
}

fn is_guarded(class: Class) -> bool {
    use Class::{AgentState, Device, Git, HomeCache, Kernel, None, Tmp, Workspace};
    !matches!(class, Workspace | Git | AgentState | HomeCache | Tmp | Kernel | Device | None)
}

fn is_far(class: Class, place: Option<&Place>) -> bool {
    matches!(class, Class::Host | Class::PrivateNet | Class::LinkLocal) && place.is_some()
}

/// What is believed of a group before any session was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belief {
    /// The group's share of the channel's false alarms (weighted Bonferroni; the shares sum to one).
    pub share: f64,
    /// Occurrences that one more session is taken to have had: a dozen sessions do not prove that something never is.
    pub count: f64,
    /// The size of the negative binomial at most: variance is at least mean + mean^2 / size.
    pub size: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_share_one_budget() {
        let sum: f64 = Group::ALL.iter().map(|group| group.belief().share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
