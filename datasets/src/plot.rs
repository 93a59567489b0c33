//! The sessions of a world: which there are, and how each follows from the seed.

use crate::session::{Attack, Family, Plot, Session};
use crate::{Handed, attack, edit, summarize};

impl Plot {
    /// The sessions to record, the families taking turns.
    pub fn recorded(&self) -> Vec<Session> {
        let turns = (0..self.profile.sessions).flat_map(|index| Family::ALL.map(|family| (family, index)));
        turns.map(|(family, index)| self.clean(family, index)).collect()
    }

    /// A clean session that was not recorded. Each number gives another one.
    pub fn fresh(&self, family: Family, number: usize) -> Session {
        self.clean(family, self.profile.sessions + number)
    }

    /// An attack.
    pub fn attack(&self, attack: Attack) -> Session {
        match attack {
            Attack::SshKey => attack::ssh_key(self),
            Attack::SourceExfiltration => attack::source_exfiltration(self),
            Attack::SlowWipe => attack::slow_wipe(self),
        }
    }

    /// An `edit` session that was not recorded, and runs a program that it was handed. Each number gives another one.
    pub fn handed(&self, number: usize, program: &Handed<'_>) -> Session {
        edit::handed(self, number, program)
    }

    fn clean(&self, family: Family, index: usize) -> Session {
        match family {
            Family::Summarize => summarize::session(self, index),
            Family::Edit => edit::session(self, index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, Tools};
    use std::collections::BTreeSet;

    fn plot(seed: u64) -> Plot {
        let tools = Tools { cc: true, python: true, curl: true, awk: true, diff: true };
        Plot { seed, profile: Profile::NORMAL, tools }
    }

    fn all(plot: Plot) -> Vec<Session> {
        let fresh = Family::ALL.map(|family| plot.fresh(family, 0));
        let attacks = Attack::ALL.map(|attack| plot.attack(attack));
        plot.recorded().into_iter().chain(fresh).chain(attacks).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_scripts_and_another_seed_others() {
        assert_eq!(all(plot(7)), all(plot(7)));
        for (one, other) in all(plot(7)).iter().zip(all(plot(8))) {
            assert_ne!(one.script, other.script);
            assert_ne!(one.tree, other.tree);
        }
    }

    #[test]
    fn every_session_has_a_workspace_and_files_that_no_other_has() {
        let sessions = all(plot(3));
        let names: BTreeSet<&str> = sessions.iter().map(|session| session.name.as_str()).collect();
        assert_eq!(names.len(), sessions.len());
        for session in &sessions {
            let others = sessions.iter().filter(|other| other.name != session.name);
            let theirs: BTreeSet<&String> = others.flat_map(|other| other.tree.files.keys()).collect();
            let own = session.tree.files.keys().filter(|path| !theirs.contains(path)).count();
            assert!(own * 2 > session.tree.files.len(), "{}", session.name);
        }
    }
}
