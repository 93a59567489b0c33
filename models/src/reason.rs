//! Why a score is what it is, in plain words.

use crate::channel::{CHANNELS, Tells};
use crate::channels::Effect;
use crate::group::Group;
use crate::learned::Models;
use crate::score::ChannelScore;
use crate::volume::Tally;
use crate::words::words;
use event::{Place, Reach, Step, Token};
use std::collections::VecDeque;

/// Surprising things that are remembered.
const KEPT: usize = 48;

/// Actions after which a surprising thing explains nothing any more.
const ACTIONS_MAX: u64 = 96;

/// Bits from which a token or a touch is worth telling.
const TELLING_BITS: f64 = 5.0;

/// Reasons that one score carries at most.
const REASONS_MAX: usize = 5;

#[derive(Clone, Debug)]
enum What {
    Token { token: Token, seen: usize },
    Place(Place),
}

#[derive(Clone, Debug)]
struct Item {
    action: u64,
    bits: f64,
    what: What,
}

/// The most surprising things of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    items: VecDeque<Item>,
    actions: u64,
}

impl Evidence {
    pub fn push(&mut self, step: &Step, effect: &Effect) {
        self.actions += u64::from(effect.action);
        if let Some((token, bits, seen)) = effect.token.filter(|token| token.1 >= TELLING_BITS) {
            self.keep(bits, What::Token { token, seen });
        }
        for (touch, bits) in step.touches().zip(effect.touches) {
            if let Some(bits) = bits.filter(|bits| *bits >= TELLING_BITS) {
                self.keep(bits, What::Place(touch.place.clone()));
            }
        }
    }

    fn keep(&mut self, bits: f64, what: What) {
        if self.items.len() == KEPT {
            self.items.pop_front();
        }
        self.items.push_back(Item { action: self.actions, bits, what });
    }

    /// The weightiest reasons for the channels that stand out; never none.
    pub fn reasons(&self, channels: &[ChannelScore], tally: &Tally, models: &Models) -> Vec<String> {
        let mut outstanding: Vec<&ChannelScore> =
            channels.iter().filter(|channel| channel.stands_out()).collect();
        outstanding.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
        let mut reasons = Vec::new();
        for channel in outstanding {
            let known = CHANNELS.iter().find(|known| known.name == channel.name);
            let told = match known.map(|known| known.tells) {
                Some(Tells::Places) => self.recent(|item| matches!(item.what, What::Place(_))),
                Some(Tells::Steps) => self.recent(|item| matches!(item.what, What::Token { .. })),
                Some(Tells::Counts) => volume(tally, models),
                Some(Tells::Windows) => {
                    vec!["what was done lately is like nothing that was seen while training".to_owned()]
                }
                Some(Tells::Calls) => vec!["system calls in an unusual order".to_owned()],
                None => Vec::new(),
            };
            for reason in told {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons.truncate(REASONS_MAX);
        if reasons.is_empty() {
            reasons.push(
                "many small differences from what was seen while training, none of which stands out"
                    .to_owned(),
            );
        }
        reasons
    }

    fn recent(&self, of: impl Fn(&Item) -> bool) -> Vec<String> {
        let mut items: Vec<&Item> =
            self.items.iter().filter(|item| of(item) && item.action + ACTIONS_MAX >= self.actions).collect();
        items.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let mut words: Vec<String> = Vec::new();
        for item in items {
            let reason = item.words();
            if !words.contains(&reason) {
                words.push(reason);
            }
            if words.len() == 3 {
                break;
            }
        }
        words
    }
}

impl Item {
    fn words(&self) -> String {
        match &self.what {
            What::Token { token, seen: 0 } => format!("`{}` was never seen while training", token.describe()),
            What::Token { token, .. } => {
                format!("`{}` is unusual after what came before", token.describe())
            }
            What::Place(place) => {
                format!("{} `{}` for the first time", verb(place.reach), words(place))
            }
        }
    }
}

fn volume(tally: &Tally, models: &Models) -> Vec<String> {
    let Some(group) = models.volume.surprise(tally).1 else { return Vec::new() };
    vec![volume_words(group, tally.total(group), models.volume.highest(group))]
}

fn volume_words(group: Group, total: u32, highest: u32) -> String {
    format!("{total} {}, where no session had more than {highest}", group.words())
}

fn verb(reach: Reach) -> &'static str {
    match reach {
        Reach::Read => "reads",
        Reach::Write => "writes",
        Reach::Create => "makes",
        Reach::Remove => "removes",
        Reach::Exec => "runs",
        Reach::Connect | Reach::Unix => "connects to",
        Reach::Name => "asks for the name",
        Reach::Listen => "listens on",
    }
}
