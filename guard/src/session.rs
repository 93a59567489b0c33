//! One running session: what arrives is counted, written down, scored and answered.

mod answer;
mod armed;
mod change;
mod denials;
mod effect;
mod enter;
mod freeze;
pub(crate) mod itself;
mod judged;
mod keys;
pub(crate) mod lag;
mod live;
mod looks;
mod met;
pub mod names;
mod normal;
pub(crate) mod obeyed;
mod passed;
mod peers;
mod pipes;
mod receive;
mod recording;
mod restore;
mod standstill;
mod stop;
mod sum;
pub(crate) mod taking;
mod tally;
#[cfg(test)]
mod tests;
mod undo;
mod watched;
pub(crate) mod way;
pub(crate) mod whole;

pub use effect::{Answer, Effect};
pub use live::Live;
pub use passed::{Change, Deed};
pub use recording::{Patience, Recording, Teller};
pub use standstill::Cause;
pub use taking::{Closing, Taking};
pub use undo::Batch;
pub(crate) use undo::Undo;
