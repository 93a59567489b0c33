//! Helpers of the end-to-end tests: the binary, a throw-away home for it, and a terminal.
//!
//! The tests drive the binary as users do, as root, against the running kernel; so they run as well in a virtual machine
//! that has bash, coreutils and git and nothing else.
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are the test's own, or such as the kernel gives"
)]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::string_slice, reason = "a place inside a letter fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

pub mod acting;
pub mod apart;
pub mod attempt;
pub mod bypass;
pub mod deeds;
pub mod doors;
pub mod drive;
pub mod fuse;
pub mod internet;
pub mod keys;
mod lasting;
pub mod listener;
mod machine;
pub mod members;
pub mod own;
pub mod person;
mod processes;
pub mod pty;
pub mod reads;
pub mod scene;
mod secret;
mod sharing;
pub mod standing;
mod starts;
pub mod stopped;
pub mod survivors;
pub mod tampers;
pub mod uring;
mod ways;
mod world;

pub use world::{User, World, has, is_alive, lab, wait_until, wardline};
