//! Code of others, each piece run once by a guarded agent in a machine made for it: the cases that are read, what a run
//! came to, and both in a table.
//!
//! Running is not done here: whoever runs a case hands over an [`Outcome`], one line of JSON, so that a machine that dies
//! keeps what came before.

mod case;
mod outcome;
mod table;

pub use case::{Case, Language, read, sample};
pub use outcome::{Effect, Line, MARK, Machine, Outcome, Report, Sort, Verdict, Visible};
pub use table::markdown;
