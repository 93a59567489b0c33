//! The kernel programs: `cargo xtask ebpf`.
//!
//! Nobody who builds Wardline needs the toolchain of `ebpf/`: the object that it makes is committed in
//! `ebpf/prebuilt/` with a manifest, and `check` proves that the two still belong together. The programs that the
//! benchmark compares with are kept in the same way, in `bench/floor/`.

mod build;
mod check;
mod lines;
mod manifest;
mod programs;
mod setup;
mod toolchain;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

pub use check::{Freshness, check};
use programs::ALL;
pub use programs::WARDLINE;
pub use setup::setup;

/// What to do with the kernel programs.
#[derive(Subcommand)]
pub enum Job {
    /// Build the objects and their manifests
    Build {
        /// Where to write them, each in a folder of its own, instead of `prebuilt` beside the sources
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Keep source lines, for the verifier's log
        #[arg(long, requires = "out")]
        lines: bool,
    },
    /// Fail when a committed object was not built from its sources
    Check {
        /// Install the toolchain first where it is missing
        #[arg(long)]
        setup: bool,
    },
    /// Install the toolchain that `build` needs
    Setup,
}

/// Does the job.
pub fn run(job: &Job) -> Result<()> {
    match job {
        Job::Build { out, lines } => {
            ALL.iter().try_for_each(|programs| build::build(programs, out.as_deref(), *lines))
        }
        Job::Check { setup } => check(*setup).map(|_| ()),
        Job::Setup => setup(),
    }
}
