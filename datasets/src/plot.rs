//! The sessions of a world: which there are, and how each follows from the seed.

use crate::session::{Attack, Family, Plot, Session};
use crate::{Handed, attack as attacks, edit, summarize};

/// The sessions to record, the families taking turns.
pub fn recorded(plot: &Plot) -> Vec<Session> {
    let turns = (0..plot.profile.sessions).flat_map(|index| Family::ALL.map(|family| (family, index)));
    turns.map(|(family, index)| clean(plot, family, index)).collect()
}

/// A clean session that was not recorded. Each number gives another one.
pub fn fresh(plot: &Plot, family: Family, number: usize) -> Session {
    clean(plot, family, plot.profile.sessions + number)
}

/// An attack.
pub fn attack(plot: &Plot, attack: Attack) -> Session {
    match attack {
        Attack::SshKey => attacks::ssh_key(plot),
        Attack::SourceExfiltration => attacks::source_exfiltration(plot),
        Attack::SlowWipe => attacks::slow_wipe(plot),
    }
}

/// An `edit` session that was not recorded, and runs a program that it was handed. Each number gives another one.
pub fn handed(plot: &Plot, number: usize, program: &Handed<'_>) -> Session {
    edit::handed(plot, number, program)
}

fn clean(plot: &Plot, family: Family, index: usize) -> Session {
    match family {
        Family::Summarize => summarize::session(plot, index),
        Family::Edit => edit::session(plot, index),
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
        let fresh = Family::ALL.map(|family| fresh(&plot, family, 0));
        let attacks = Attack::ALL.map(|attack| super::attack(&plot, attack));
        recorded(&plot).into_iter().chain(fresh).chain(attacks).collect()
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
