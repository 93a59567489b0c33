//! One running session: what arrives is counted, written down, scored and answered.

mod armed;
mod denials;
mod effect;
pub(crate) mod itself;
mod judged;
pub(crate) mod lag;
pub(crate) mod live;
mod looks;
pub mod names;
pub(crate) mod obeyed;
mod passed;
mod peers;
mod pipes;
mod recording;
mod standstill;
mod tally;
#[cfg(test)]
mod tests;
mod undo;
mod watched;
pub(crate) mod way;
pub(crate) mod whole;

pub use effect::{Answer, Effect};
pub use live::Live;
pub use live::taking::{Closing, Taking};
pub use passed::{Change, Deed};
pub use recording::{Patience, Recording, Teller};
pub use standstill::Cause;
pub use undo::Batch;
pub(crate) use undo::Undo;
