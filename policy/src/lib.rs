//! The policy: what people decided that no agent session may do, as data.
//!
//! A [`Rule`] says where, what, with which effect, and why. Rules are TOML ([`Policy::read`]); the shipped ones are the
//! files in `policy/shipped`, compiled in and parsed once ([`shipped`]). Nothing here knows a kernel or a file system: the
//! first stage arms what the rules say, and object classes, explanations and documents read them.

mod meet;
mod mistake;
mod page;
mod read;
mod rule;
mod shipped;
mod site;

pub use meet::{Meeting, Secrets, Way, copied_from};
pub use mistake::{Mistake, Mistakes};
pub use page::page;
pub use read::MAX_BYTES;
pub use rule::{Effect, Harmless, Kind, Policy, Row, Rule, Walk, What};
pub use shipped::{SHIPPED, shipped};
pub use site::{NAME_MAX, Pattern, Site};
