//! The policy: what people decided that no agent session may do, as data.
//!
//! A [`Rule`] says where, what, with which effect, and why. Rules are TOML ([`Policy::read`]); the shipped ones are the
//! files in `policy/shipped`, compiled in and parsed once ([`shipped`]); a machine's and a user's own come upon them
//! ([`Rules`]). Nothing here knows a kernel, a file system or a clock: the first stage arms what the rules say, and object classes,
//! explanations and documents read them.
#![forbid(unsafe_code)]

mod day;
mod english;
mod mistake;
mod name;
mod page;
mod policy;
mod rule;
mod rules;
mod shipped;
mod site;

pub use day::Day;
pub use english::{Heard, Limit, Listener, MAX_HEARD, hear, read as read_english, say, sentence, word_like};
pub use mistake::{Mistake, Mistakes};
pub use name::{NAME_LONGEST, is_name};
pub use page::page;
pub use policy::Policy;
pub use policy::edit::Said;
pub use policy::meet::{Meeting, Secrets, Way, copied_from};
pub use policy::read::{MAX_BYTES, MAX_BYTES_OF_REPOSITORY};
pub use rule::{Effect, Harmless, Kind, Layer, Row, Rule, Walk, What};
pub use rules::{Attempt, Deed, Ground, MAX_LOANS, Refusal, Rules, Source, Taken, Wrong};
pub use shipped::{SHIPPED, shipped};
pub use site::{NAME_MAX, Pattern, Site, site};
