//! Text for people: what of it is seen, and numbers with their nouns.
//!
//! Every page, table and message goes by the same rules here, whoever writes it. Must never know what a text is about.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    // What root runs does not stop over what others wrote, cuts no number, and drops no error unsaid.
    deny(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::let_underscore_must_use)
)]

mod number;
mod shown;

pub use number::{count, thousands};
pub use shown::{is_unseen, masked, seen, shown};
