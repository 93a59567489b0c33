//! Evaluation: recorded sessions through the same tokeniser and scorer as the guard's, and what they scored.

mod replay;

pub use replay::{Peak, SessionScore, Summary, replay, summarise};
