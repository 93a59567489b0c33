//! The session's actions, whichever thread they come from: surprise of each after those before it, running mean, bits per
//! action.

use super::running::{Channel, Running};
use crate::learned::Models;
use crate::mean::Mean;
use crate::ngram::History;
use crate::reader::{Seen, Surprising};
use crate::recent::Recent;
use crate::surprise::{Surprises, surprise};

pub(super) const CHANNEL: Channel = Channel::of_order(
    "actions",
    (0.7, 1.0 / 3.0),
    |models| models.tokens.observations() > 0,
    || Box::new(Actions::default()),
);

/// Half-life of the running mean, in actions.
const HALF_LIFE: f64 = 16.0;

#[derive(Clone, Debug, Default)]
struct Actions {
    history: History,
    surprises: Surprises,
    mean: Mean,
    recent: Recent<Surprising>,
}

impl Running for Actions {
    fn act(&mut self, seen: &Seen<'_>, models: &Models) -> f64 {
        let token = seen.step.token;
        let broader = models.background.as_ref().map(|background| &background.actions);
        let bits = surprise(&models.actions, broader, &self.history, token.0);
        let (model, history) = (&models.actions, &self.history);
        self.recent.see(bits, || Surprising::of(token, bits, model, history));
        self.recent.act();
        self.history.push(token.0);
        self.mean.push(self.surprises.again(token.0, bits), HALF_LIFE)
    }

    fn interrupt(&mut self) {
        self.history = History::default();
    }

    fn reasons(&self, models: &Models) -> Vec<String> {
        self.recent
            .told(|surprising| format!("in the session as a whole, {}", surprising.words(&models.actions)))
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}
