//! The store as its users see it: what goes in comes back, whatever happens to the process, the file or the disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod damage;
mod follow;
mod full;
mod roundtrip;
mod sample;
mod upkeep;
mod writer;
