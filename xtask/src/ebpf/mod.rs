//! The kernel programs: `cargo xtask ebpf`.
//!
//! Nobody who builds Wardline needs the toolchain of `ebpf/`: the object that it makes is committed in
//! `ebpf/prebuilt/` with a manifest, and `check` proves that the two still belong together.

mod build;
mod check;
mod manifest;
mod setup;
mod toolchain;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

pub use check::{Freshness, check};
pub use setup::setup;

/// The name of the built object, in `ebpf/prebuilt/` and wherever else it is written.
pub const OBJECT: &str = "wardline.bpf.o";

/// What to do with the kernel programs.
#[derive(Subcommand)]
pub enum Job {
    /// Build the object and its manifest
    Build {
        /// Where to write them, instead of `ebpf/prebuilt`
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Fail when the committed object was not built from these sources
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
        Job::Build { out } => build::build(out.as_deref()),
        Job::Check { setup } => check(*setup).map(|_| ()),
        Job::Setup => setup(),
    }
}
