//! What channels there are: running values that say, one-sidedly, how unlike the baseline a session is.
//!
//! | channel | value |
//! | --- | --- |
//! | `sequence`, `sequence-slow` | surprise of a thread's tokens, running mean, bits per event |
//! | `actions` | surprise of the session's action stream, running mean, bits per action |
//! | `syscalls`, `syscalls-slow` | surprise of a thread's raw system calls, running mean, bits per call |
//! | `novelty` | first touches, running sum of what each cost above the everyday, bits |
//! | `volume` | surprise of the session's counts, bits |
//! | `cluster` | distance of the last window to every known kind of window, spreads |

/// A channel's name, and how its values are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// Its name, as users see it.
    pub name: &'static str,
    /// The least spread of its values: differences below this are noise, in the value's unit.
    pub unit: f64,
    /// Spreads that it may say at most, however far out it is.
    pub bound: f64,
    /// What its evidence counts for beside the others': channels that read the same at two time scales share a whole.
    pub weight: f64,
    /// What it extrapolates is acted upon: it says what was done. In which order is another matter in every repository, so
    /// that past what held-out sessions prove a person is asked.
    pub acts: bool,
    /// What its reasons are.
    pub tells: Tells,
}

impl Channel {
    /// Zero is no value of it, but says that there was nothing to value.
    pub(crate) fn is_silent_at_zero(&self) -> bool {
        matches!(self.tells, Tells::Steps | Tells::Calls | Tells::Windows)
    }
}

/// What the reasons of a channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// What was done.
    Steps,
    /// That system calls came in another order.
    Calls,
    /// Where it was done.
    Places,
    /// How often.
    Counts,
    /// That the whole of what was done lately is new.
    Windows,
}

/// Spreads that a channel may add to the sum at most.
pub(crate) const TOGETHER_BOUND: f64 = 12.0;

/// What was done may say so much alone: enough to freeze, whatever a dozen sessions did.
const DONE_BOUND: f64 = 64.0;

const fn order(name: &'static str, unit: f64, weight: f64, tells: Tells) -> Channel {
    Channel { name, unit, bound: TOGETHER_BOUND, weight, acts: false, tells }
}

const fn done(name: &'static str, unit: f64, bound: f64, tells: Tells) -> Channel {
    Channel { name, unit, bound, weight: 1.0, acts: true, tells }
}

/// Every channel, in the order of the values of a [`crate::calibration::Block`]. The units are such that sessions that were all alike do not make
/// an alarm of one new tool call: some five events in a row that were never seen, or a hundred system calls in an order
/// that was never seen, are needed.
pub const CHANNELS: [Channel; 8] = [
    order("sequence", 0.8, 0.5, Tells::Steps),
    order("sequence-slow", 0.45, 0.5, Tells::Steps),
    order("actions", 0.7, 1.0, Tells::Steps),
    order("syscalls", 0.6, 0.5, Tells::Calls),
    order("syscalls-slow", 0.25, 0.5, Tells::Calls),
    done("novelty", 4.0, DONE_BOUND, Tells::Places),
    done("volume", 1.0, DONE_BOUND, Tells::Counts),
    // A dozen sessions have not shown every kind of window: one that is far from all of them is no proof of anything.
    done("cluster", 0.25, 2.0, Tells::Windows),
];

pub(crate) const SEQUENCE: usize = 0;
pub(crate) const ACTIONS: usize = 2;
pub(crate) const SYSCALLS: usize = 3;
pub(crate) const NOVELTY: usize = 5;
pub(crate) const VOLUME: usize = 6;
pub(crate) const CLUSTER: usize = 7;

/// Those that change between actions, and say their highest value at the next one.
pub(crate) const RUNNING: [usize; 4] = [SEQUENCE, SEQUENCE + 1, SYSCALLS, SYSCALLS + 1];
