//! Objects that a session cannot change, reach or end: the places of jewels, sockets of delegated authority, processes
//! outside of it, the supervisor, and what its baseline does not know.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

mod jewels;
mod learned;
mod outside;

use anyhow::Result;
use end_to_end::attempt;

const EPERM: i32 = libc::EPERM;

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}
