//! Facts about this machine from the kernel: clocks, processes, mounts.
//!
//! Must never decide anything, and never read a file that the guarded side could put in the place of the kernel's.

pub mod clock;
mod error;
pub mod mountinfo;
pub mod process;

pub use error::Error;
