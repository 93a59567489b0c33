//! What is normal: the models of a baseline, their training, calibration and online score, and the baseline's format.
//!
//! The way of the data: [`train::train`] reads sessions as [`event::Step`]s and raw system calls, learns [`ngram`],
//! [`novelty`], [`volume`] and [`cluster`] models, holds every session out once to calibrate each [`channel`], and
//! returns a [`Baseline`]. A [`Scorer`] reads a live session in the same way, and its [`Score`] becomes a [`Verdict`].
//!
//! Pure: no I/O, no clock, no kernel. Deterministic: the same sessions and seed give the same baseline, byte for byte.
#![forbid(unsafe_code)]

mod allowed;
mod baseline;
mod block;
pub mod calibration;
pub mod channel;
mod channels;
pub mod cluster;
pub mod corpus;
mod difference;
mod error;
mod facts;
pub mod format;
pub mod group;
mod law;
mod learned;
mod limits;
mod mean;
pub mod ngram;
pub mod novelty;
mod openness;
mod reader;
mod reason;
mod recent;
mod region;
mod scale;
mod score;
mod scorer;
mod spread;
mod surprise;
pub mod thread;
pub mod train;
pub mod trial;
mod trie;
mod variety;
mod verdict;
pub mod volume;
pub mod window;
mod words;

pub use allowed::Allowed;
pub use baseline::{Baseline, Provenance, State};
pub use difference::{Difference, Differing};
pub use error::Error;
pub use format::{Expected, decode, encode};
pub use learned::{ACTION_ORDER, Background, Models, SYSCALL_ORDER, TOKEN_ORDER};
pub use limits::SESSIONS_MIN;
pub use novelty::{Novelty, Region};
pub use openness::DENIAL_BUDGET_BITS;
pub use region::is_hub;
pub use score::{ChannelScore, Score};
pub use scorer::Scorer;
pub use trial::Trial;
pub use verdict::{Thresholds, Verdict};
pub use words::words;
