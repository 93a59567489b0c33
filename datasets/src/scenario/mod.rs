//! Attacks as data: each a directory of `datasets/scenarios/` that tells an incident, what lies ready before the session,
//! which commands the agent is talked into, and what an observer sees when they reached their end.
//!
//! [`all`] are built in, [`inject`] puts its steps among those of a task, [`plant`] lays out what it needs, and
//! [`Watch`] judges what came of it. The schema is told in `datasets/scenarios/README.md`.

mod catalogue;
mod delegate;
mod ground;
mod inject;
mod place;
mod plant;
mod sent;
#[cfg(target_os = "linux")]
mod timeline;
#[cfg(target_os = "linux")]
mod watch;

pub use catalogue::{Attack, Expected, Id, Plant, Scenario, Success, Technique, all};
pub use delegate::{Authority, Delegates};
pub use ground::Ground;
pub use inject::inject;
pub use place::Place;
pub use plant::plant;
#[cfg(target_os = "linux")]
pub use watch::{Seen, Watch};
