//! A score: what each channel says, and what that comes to.

use crate::law::P;
use serde::{Deserialize, Serialize};

/// One channel's part in a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelScore {
    /// The channel's name.
    pub name: String,
    /// Its value, in its own unit: see [`crate::channel`].
    pub value: f64,
    /// How many of the channel's units it is above what clean sessions usually come to, however far.
    pub units: f64,
    /// At how many what it says alone would be ten times rarer, or than the highest clean session. A channel that may say little
    /// never gets there.
    pub worse: f64,
    /// What it adds to the evidence: see [`crate::calibration`].
    pub evidence: f64,
    /// It says what was done, so that what it extrapolates may be acted upon.
    pub acts: bool,
    /// What it counted, where it counts several things apart and speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
}

/// Units past which a channel stands out.
const OUTSTANDING: f64 = 2.0;

impl ChannelScore {
    /// Whether it stands out by itself.
    pub fn stands_out(&self) -> bool {
        self.units >= OUTSTANDING
    }
}

/// How unlike the baseline the session is just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The share of clean sessions that would look at least as bad at this length, in (0, 1].
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
