//! The processes that run as root beside the sessions: the supervisor, which loads the kernel side, guards every session and
//! answers clients; the keeper, which ends what would run on unguarded; the brokers, which use keys for sessions; the
//! tellers, which write down what sessions do; and the starter, which starts all these.
//!
//! The stages decide and know no process (`guard`); what is said between processes is in `wire`.
//!
//! Must never take a decision of a stage, and never believe a request that can be looked up.

pub mod bound;
pub mod broker;
mod error;
pub mod keeper;
pub mod starter;
pub mod supervisor;
pub mod teller;

pub use error::Error;
