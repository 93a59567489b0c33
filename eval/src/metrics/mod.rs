//! The metrics, one file each: formula, source, and cases that were worked out by hand.
//!
//! Scores are higher the more suspicious a session is. Nothing here knows sessions, baselines or files.

pub mod alarm;
pub mod bootstrap;
pub mod calibrated;
pub mod cost;
pub mod delay;
pub mod floor;
pub mod growth;
pub mod incident;
pub mod operating;
pub mod proportion;
pub mod roc;
