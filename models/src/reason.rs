//! Why a score is what it is, in plain words.

use crate::channel::CHANNELS;
use crate::channels::Channels;
use crate::score::ChannelScore;

/// Reasons that one score carries at most.
const REASONS_MAX: usize = 5;

/// The weightiest reasons of the channels that stand out, those of the channel that says most first; never none.
pub(crate) fn reasons(scores: &[ChannelScore], channels: &Channels) -> Vec<String> {
    let mut outstanding: Vec<&ChannelScore> = scores.iter().filter(|score| score.stands_out()).collect();
    outstanding.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    let mut reasons: Vec<String> = Vec::new();
    for score in outstanding {
        let at = CHANNELS.iter().position(|channel| channel.name == score.name);
        for reason in at.map_or_else(Vec::new, |at| channels.reasons(at)) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons.truncate(REASONS_MAX);
    if reasons.is_empty() {
        let none = "many small differences from what was seen while training, none of which stands out";
        reasons.push(none.to_owned());
    }
    reasons
}
