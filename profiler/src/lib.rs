//! Training: from the sessions of a store to baselines, and the library that keeps them.
//!
//! [`train`] picks the sessions that can be believed, reads them with the same tokeniser as the guard, and hands them to
//! [`models::train`]. [`Library`] keeps baselines as files. Must never talk to the kernel.
#![forbid(unsafe_code)]

mod corpus;
mod difference;
mod error;
mod file;
mod library;
mod screen;
mod session;
mod training;

pub use corpus::{Recorded, workspace};
pub use difference::{Difference, Differing};
pub use error::Error;
pub use library::answers::{Answer, Says, is_answered};
pub use library::history::{Became, Revision};
pub use library::update::{Kept, Known};
pub use library::{Entry, Library};
pub use screen::{LOSS_SHARE_MAX, reason_to_leave_out};
pub use session::{Reading, replay};
pub use training::{Filter, Options, Refused, Report, Trained, Untasked, train};
