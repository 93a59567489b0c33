//! The first day with an agent: an ordinary user's home as people have it, the agent installed as people install it, and
//! sessions that the user starts through `sudo`.
//!
//! Six sessions are recorded, of two tasks in three projects. Baselines are made of them. Then sessions run guarded: in a
//! project that was recorded and in one that was not, with their task said and without. All of them are normal work: each has
//! to start, to come to its own end, and to be refused nothing but credentials that tools read by themselves.

mod account;
mod furnish;
mod internet;
mod project;
mod residence;
mod trial;
mod way;

pub use account::Account;
pub use internet::Internet;
pub use project::{Project, TASKS};
pub use residence::{Came, Job, Residence};
pub use trial::{Outcome, Trial};
pub use way::{Installed, Way, fetch, install};
