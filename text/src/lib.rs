//! Text for people: what of it is seen, and numbers with their nouns.
//!
//! Every page, table and message goes by the same rules here, whoever writes it. Must never know what a text is about.
#![forbid(unsafe_code)]

mod number;
mod shown;

pub use number::{count, thousands};
pub use shown::{is_unseen, masked, seen, shown};
