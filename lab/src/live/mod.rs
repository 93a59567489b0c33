//! Driving `wardline` as a user would, one process a session: for the demo, and for corpora of real agents.

mod client;
mod stage;
mod waiting;

pub use client::{Baseline, Client, Job, Run};
pub use stage::Stage;
pub use waiting::Interrupts;
