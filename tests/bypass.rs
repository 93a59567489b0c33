//! Results of ways round the guard: tests report each, and docs/bypasses.md collects the reports. A run of all tests
//! compares the page with that.

use crate::scene::{can_refuse, kernel};
use std::fmt;

/// What came of an attempt that leads there where nobody guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did not happen.
    Refused,
    /// It happened, and who did it could do nothing more.
    Stopped,
    /// It did not happen while it was asked for, and did once the supervisor was back.
    PutOff,
    /// Who tried it is inside all the same.
    Inside,
    /// It ended with the session.
    Ended,
    /// It happened.
    Happened,
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Fate::Refused => "refused",
            Fate::Stopped => "happened and stopped",
            Fate::PutOff => "put off",
            Fate::Inside => "stays inside",
            Fate::Ended => "ends with the session",
            Fate::Happened => "**happens**",
        })
    }
}

/// Says what has come of `way`, below the heading `of`, done by `by`; in words for people.
pub fn came(of: &str, way: &str, by: &str, fate: Fate) {
    let (major, minor) = kernel();
    let column = match (can_refuse(), (major, minor) >= (6, 13)) {
        (true, _) => format!("`lsm`, {major}.{minor}"),
        (false, true) => "`tracepoint`".to_owned(),
        (false, false) => format!("`tracepoint`, {major}.{minor}"),
    };
    println!("bypass | {of} | {way} | {by} | {column} | {fate}");
}
