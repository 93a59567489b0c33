//! How a channel's values are to be read.

/// How a channel's values are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Grows over a session, so that blocks of one session are not comparable: only whole sessions count.
    pub cumulative: bool,
    /// The value is a modelled -log2 p by itself.
    pub modelled: bool,
    /// Differences below this are noise, in the value's unit.
    pub unit: f64,
    /// Its tail may be extrapolated. Where not, the channel says what held-out sessions prove, and no more.
    pub tail: bool,
}
