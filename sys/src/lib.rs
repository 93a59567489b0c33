//! What the kernel says of this machine, read in one way: clocks, processes, mounts.
//!
//! Must never decide anything, and never read a file that the guarded side could put in the place of the kernel's.
#![cfg_attr(
    not(test),
    // What root runs does not stop over what others wrote, cuts no number, and drops no error unsaid.
    deny(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::let_underscore_must_use)
)]

pub mod clock;
pub mod mountinfo;
pub mod process;
