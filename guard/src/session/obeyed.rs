//! The rules that a session obeys. What it began with is armed to its end; what comes later is sets of labels of their own,
//! which only close.

use crate::Error;
use crate::fanotify::Marks;
use crate::t0::{Guarded, Labels};
use event::TaskName;
use policy::Rules;
use std::sync::Arc;

/// What rules close during the task that a session begins with, as it was found before anybody was inside.
pub(crate) struct AtStart {
    pub(super) task: TaskName,
    pub(super) labels: Labels,
}

/// The rules of a session.
#[derive(Default)]
pub(crate) struct Obeyed {
    /// All of them, whatever its task.
    pub(crate) rules: Rules,
    /// What it was armed for when it began.
    pub(crate) guarded: Arc<Guarded>,
    /// Where opens are asked for, in the tier that has marks. Those of all its sets: one more only asks more often.
    pub(crate) marks: Option<Arc<Marks>>,
    /// The sets that count during its task alone.
    pub(super) of_task: Vec<u32>,
    /// Something that the rules close could not be closed.
    pub(super) is_partial: bool,
    pub(super) at_start: Option<Arc<AtStart>>,
    /// The rules of which everything was closed that could be.
    pub(super) whole: Rules,
    /// How many sets came later.
    sets: u32,
    /// How often other rules were taken.
    taken: u32,
}

/// How often a session takes other rules: each time adds to what it holds in the kernel.
pub(super) const MOST: u32 = 64;

impl Obeyed {
    /// What a session begins with.
    pub(crate) fn new(rules: Rules, guarded: Guarded, marks: Option<Marks>) -> Self {
        let (guarded, marks) = (Arc::new(guarded), marks.map(Arc::new));
        Self { whole: rules.clone(), rules, guarded, marks, ..Self::default() }
    }

    /// The number of the next set.
    pub(super) fn next(&mut self) -> u32 {
        self.sets += 1;
        self.sets
    }

    /// Counts that other rules are taken.
    pub(super) fn take(&mut self) -> Result<(), Error> {
        if self.taken >= MOST {
            return Err(Error::Taken(MOST));
        }
        self.taken += 1;
        Ok(())
    }

    /// What holds during a task.
    pub(crate) fn during(&self, task: &TaskName) -> Rules {
        self.rules.of_task(task.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_rules_are_taken_a_bounded_number_of_times() {
        let mut obeyed = Obeyed::default();
        assert!((0..MOST).all(|_| obeyed.take().is_ok()));
        assert!(matches!(obeyed.take(), Err(Error::Taken(MOST))));
    }
}
