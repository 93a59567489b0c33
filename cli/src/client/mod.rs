//! The client: the user's own process around the command. It forks the command held, hands it to the supervisor,
//! releases it once everything is armed, and gives it the terminal until it ends.

mod attach;
pub mod connect;
mod first;
mod found;
mod frozen;
mod guarded;
mod held;
mod lost;
mod run;
mod signals;
pub mod terminal;
mod way;

pub use attach::{Left, attach};
pub use held::{Held, Looks};
pub use run::{Ended, How, run};
pub use terminal::be_seen;
