//! Build and check automation: `cargo xtask JOB`.
//!
//! One module a job. Nothing here is needed at run time, and nothing here decides what Wardline does.
#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "places were found in what is looked at, and JSON has null where it has nothing; a job that stops says where, and guards nobody"
)]
#![expect(clippy::cast_possible_truncation, reason = "what is measured is rounded for a reader")]
#![expect(
    clippy::let_underscore_must_use,
    reason = "a text takes whatever is written to it; the rest tidies up after a job that has its answer"
)]

mod bench;
mod bypasses;
#[cfg(test)]
mod circles;
mod coverage;
#[cfg(test)]
mod documents;
mod ebpf;
mod firstday;
mod fuzz;
mod host;
#[cfg(test)]
mod impls;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod lengths;
mod operations;
mod picture;
mod redcode;
mod sizes;
#[cfg(test)]
mod sources;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds and checks Wardline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Build, check or prepare the kernel programs
    #[command(subcommand)]
    Ebpf(ebpf::Job),
    /// Run the fuzz targets
    Fuzz(fuzz::Fuzz),
    /// Try real agents in a home as people have it
    #[command(name = "firstday")]
    FirstDay(firstday::FirstDay),
    /// Run commands on other kernels
    #[command(subcommand)]
    Vm(vm::Job),
    /// Measure what it costs to be watched
    #[command(subcommand)]
    Bench(bench::Job),
    /// Write the page of ways round the guard, from what the last whole run of the tests saw
    Bypasses(bypasses::Bypasses),
    /// Write what the shipped rules close of a list of places, from trying them in both tiers
    Coverage(coverage::Coverage),
    /// Write the table of what is told, from what its test sees in each tier
    Operations,
    /// Draw what the demo prints, for the README
    Picture(picture::Picture),
    /// Run hostile programs in guarded sessions, in a throw-away machine
    Redcode(redcode::Redcode),
    /// Measure the built programs without their symbols
    Sizes,
    /// Run every check and test that this machine can run
    Test(test::Test),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().job) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the job; returns the exit status to end with.
fn run(job: &Job) -> Result<i32> {
    match job {
        Job::Ebpf(job) => ebpf::run(job).map(|()| 0),
        Job::Fuzz(arguments) => fuzz::run(arguments).map(|()| 0),
        Job::FirstDay(arguments) => firstday::run(arguments),
        Job::Vm(job) => vm::run(job),
        Job::Bench(job) => bench::run(job).map(|()| 0),
        Job::Bypasses(arguments) => bypasses::run(arguments).map(|()| 0),
        Job::Coverage(arguments) => coverage::run(arguments).map(|()| 0),
        Job::Operations => operations::run().map(|()| 0),
        Job::Picture(arguments) => picture::run(arguments).map(|()| 0),
        Job::Redcode(arguments) => redcode::run(arguments),
        Job::Sizes => sizes::run().map(|()| 0),
        Job::Test(arguments) => test::run(arguments),
    }
}
