//! What the end-to-end tests share: the binary, a throw-away world for it, and a terminal.
//!
//! The tests drive the binary as users do, as root, against the running kernel; so they run as well in a virtual machine
//! that has bash, coreutils and git and nothing else.

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
