//! Counts of what cannot be undone: the surprise of the session's, bits.

use super::running::{Chances, Channel, Running};
use crate::group::Group;
use crate::learned::Models;
use crate::reader::Seen;
use crate::volume::{Recall, Tally};

pub(super) const CHANNEL: Channel = Channel {
    chances: Chances::Segments,
    ..Channel::of_deeds("volume", 1.0, || Box::new(Volume::default()))
};

#[derive(Clone, Debug, Default)]
struct Volume {
    tally: Tally,
    recall: Recall,
}

impl Running for Volume {
    fn act(&mut self, seen: &Seen<'_>, models: &Models) -> f64 {
        self.tally.push(seen.group);
        models.volume.recalled(&self.tally, &mut self.recall).0
    }

    fn relearned(&mut self) {
        self.recall = Recall::default();
    }

    fn counted(&self, models: &Models) -> Option<Group> {
        models.volume.surprise(&self.tally).1
    }

    fn reasons(&self, models: &Models) -> Vec<String> {
        let Some(group) = self.counted(models) else { return Vec::new() };
        let (total, highest) = (self.tally.total(group), models.volume.highest(group));
        vec![format!("{total} {}, where no session had more than {highest}", group.words())]
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}
