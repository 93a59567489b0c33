//! Measures what it costs to be watched: `cargo xtask bench`.

mod answer;
mod capture;
mod condition;
mod flood;
mod floor;
mod inside;
mod machine;
mod micro;
mod outcome;
mod output;
mod peer;
mod report;
mod statistics;
mod store;
mod supervisor;
mod workload;
mod world;

use anyhow::Result;
use clap::Subcommand;

pub use machine::Machine;

/// What to measure.
#[derive(Subcommand)]
pub enum Job {
    /// Compare workloads bare, under Wardline, and under every other tool found here
    Capture(capture::Capture),
    /// Flood a session, and see what is kept; overhead by the number and age of sessions and the size of the database
    Flood(flood::Flood),
    /// How long the score's answer takes, from the operation to the map, beside busy sessions
    Answer(answer::Answer),
    /// Compare how a session can be stored
    Store(store::Store),
    /// The workload's own side
    #[command(hide = true)]
    Inside(inside::Inside),
}

/// Does it.
pub fn run(job: &Job) -> Result<()> {
    match job {
        Job::Capture(arguments) => capture::run(arguments),
        Job::Flood(arguments) => flood::run(arguments),
        Job::Answer(arguments) => answer::run(arguments),
        Job::Store(arguments) => store::run(arguments),
        Job::Inside(arguments) => inside::run(arguments),
    }
}
