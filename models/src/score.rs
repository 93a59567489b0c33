//! A score: what each channel says, and what that comes to.

use crate::calibration::P;
use crate::channel::CHANNELS;
use serde::{Deserialize, Serialize};

/// One channel's part in a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelScore {
    /// The channel's name.
    pub name: String,
    /// Its value, in its own unit: see [`crate::channel`].
    pub value: f64,
    /// Its p-value, corrected for the number of channels.
    pub p: f64,
    /// Its p-value is smaller than what held-out blocks can prove.
    pub extrapolated: bool,
    /// What it counted, where it counts several things apart and speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
}

impl ChannelScore {
    /// Whether it may be acted upon: see [`Channel::acts`].
    ///
    /// [`Channel::acts`]: crate::channel::Channel::acts
    pub fn acts(&self) -> bool {
        !self.extrapolated || CHANNELS.iter().any(|channel| channel.name == self.name && channel.acts)
    }

    fn p(&self) -> P {
        P { p: self.p, extrapolated: self.extrapolated }
    }
}

/// How unlike the baseline the session is just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The share of clean sessions of this length that would ever look at least as bad, in (0, 1].
    pub p: f64,
    /// `p` rests on an extrapolation.
    pub extrapolated: bool,
    /// The same of what may be acted upon: what held-out sessions prove, and what channels extrapolate that say what was
    /// done.
    pub acting: P,
    /// Every channel that counts.
    pub channels: Vec<ChannelScore>,
    /// What it comes from, in words, the weightiest first. Empty while nothing is unusual.
    pub reasons: Vec<String>,
    /// 1 where everything was seen; lower the more records were lost lately.
    pub confidence: f64,
    /// Records were lost in this stretch of the session: it must not be taken for normal.
    pub lossy: bool,
}

impl Score {
    /// Sums its channels up again, after some were taken out.
    pub fn sum_up(&mut self) {
        let smallest = |of: &mut dyn Iterator<Item = P>| {
            of.fold(CERTAIN, |least, p| if p.p < least.p { p } else { least })
        };
        let all = smallest(&mut self.channels.iter().map(ChannelScore::p));
        self.acting =
            smallest(&mut self.channels.iter().filter(|channel| channel.acts()).map(ChannelScore::p));
        (self.p, self.extrapolated) = (all.p, all.extrapolated);
    }
}

/// The p-value of what says nothing.
pub(crate) const CERTAIN: P = P { p: 1.0, extrapolated: false };
