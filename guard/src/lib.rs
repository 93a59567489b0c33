//! The guard: three stages that decide, the deny-list that they write, and the means that refuse.
//!
//! * T0 ([`t0`]): crown jewels become labels before a session's first instruction.
//! * T1 ([`t1`]): a baseline becomes labels and networks before its segment begins.
//! * T2 ([`ladder`]): the score of what happens widens the deny-list, freezes or kills.
//!
//! The kernel side refuses by the deny-list; where it cannot, [`fanotify`] asks it for each marked object, and
//! [`cgroup`]s stop a whole session. [`Guard`] arms, [`Live`] is one running session. Whose process owns both, and who asks
//! for a session, is not known here.
//!
//! Must never decide by a name that the guarded side can choose (`comm`, argv, a path string), never let a baseline or a
//! tag touch the first stage, never arm half a policy, and never call something guarded that was not shown to be.

pub mod canary;
pub mod cgroup;
pub mod child;
pub mod confine;
pub mod delegates;
mod denylist;
mod error;
pub mod fanotify;
mod guard;
pub mod ladder;
mod links;
mod loans;
pub mod magic;
mod name;
pub mod reason;
pub mod repository;
pub mod rules;
pub mod session;
mod shared;
pub mod t0;
pub mod t1;
mod trial;
mod walk;
pub mod workspace;

pub use denylist::DenyList;
pub use error::Error;
pub use guard::{Guard, Opening};
pub use reason::Reasons;
pub use session::{Effect, Live};
