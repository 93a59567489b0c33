//! The kernel programs: `cargo xtask ebpf`.
//!
//! Nobody who builds Wardline needs the toolchain of `ebpf/`: the object that it makes is committed in
//! `ebpf/prebuilt/` with a manifest, and `check` proves that the two still belong together. The programs that the
//! benchmark compares with are kept in the same way, in `bench/floor/`.

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

/// Programs that are built into one object, which is committed in `prebuilt/` beside their sources.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The workspace of their sources, from the root of the tree.
    pub folder: &'static str,
    /// The binary's name in that workspace.
    pub binary: &'static str,
    /// The name of the built object, in `prebuilt/` and wherever else it is written.
    pub object: &'static str,
}

/// Wardline's own.
pub const WARDLINE: Programs = Programs { folder: "ebpf", binary: "wardline", object: "wardline.bpf.o" };
/// Those that the benchmark compares with.
pub const FLOOR: Programs = Programs { folder: "bench/floor", binary: "floor", object: "floor.bpf.o" };
/// All that are built.
const ALL: [Programs; 2] = [WARDLINE, FLOOR];

/// What to do with the kernel programs.
#[derive(Subcommand)]
pub enum Job {
    /// Build the objects and their manifests
    Build {
        /// Where to write them, each in a folder of its own, instead of `prebuilt` beside the sources
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
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
        Job::Build { out } => ALL.iter().try_for_each(|programs| build::build(programs, out.as_deref())),
        Job::Check { setup } => check(*setup).map(|_| ()),
        Job::Setup => setup(),
    }
}
