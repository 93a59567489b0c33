//! Virtual machines with Debian's kernels: `cargo xtask vm`.
//!
//! What a kernel refuses or lacks is tried on that kernel. A machine is three things: Debian's cloud kernel,
//! a root disk with the programs that sessions need (built once, [`base`]), and a small disk with what is
//! tried in this run ([`payload`]). The root is a real ext4, written to a throw-away snapshot; `/tmp` is a
//! tmpfs. It is emulated, so it runs anywhere, and its times say nothing about overhead.

mod archive;
mod base;
mod disk;
mod kernel;
mod module;
mod payload;
mod qemu;
mod stage;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

pub use kernel::Series;
pub use payload::Payload;
pub use qemu::{Limits, Outcome};

use crate::host;

/// Debian packages with the programs that build and run a machine, and what the tests in it call.
///
/// busybox is the machine's first program; e2fsprogs makes its disks; btrfs-progs and bubblewrap are for the
/// tests of file identity and of agents that bring their own sandbox.
const PACKAGES: [&str; 5] = ["qemu-system-x86", "busybox-static", "e2fsprogs", "btrfs-progs", "bubblewrap"];
/// The programs of those packages, by which they are found to be there.
const PROGRAMS: [&str; 5] = ["qemu-system-x86_64", "busybox", "mkfs.ext4", "mkfs.btrfs", "bwrap"];

/// Exit status when the machine had to be stopped, as `timeout(1)` has it.
const TIMED_OUT: i32 = 124;
/// Exit status when the machine ended without saying how the command did.
const NO_STATUS: i32 = 125;

/// What to do with virtual machines.
#[derive(Subcommand)]
pub enum Job {
    /// Boot a kernel, run a command in it as root, and pass on its output and status
    Run(Run),
}

/// The arguments of `vm run`.
#[derive(Args)]
pub struct Run {
    /// Which kernel to boot
    #[arg(long, value_enum, default_value = "6.12")]
    kernel: Series,
    /// Seconds after which the machine is stopped
    #[arg(long, value_name = "S", default_value_t = 600)]
    timeout: u64,
    /// Memory of the machine
    #[arg(long, value_name = "MB", default_value_t = 1536)]
    memory: u32,
    /// The program to put at /usr/bin/wardline, instead of target/release/wardline; with the wardline-lab beside it
    #[arg(long, value_name = "PATH")]
    wardline: Option<PathBuf>,
    /// A file to put into /opt, by its own name; can be given several times
    #[arg(long, value_name = "PATH")]
    add: Vec<PathBuf>,
    /// A word for the kernel's command line, as `lsm=yama` for the tier `tracepoint`; can be given several times
    #[arg(long, value_name = "WORD")]
    boot: Vec<String>,
    /// The command, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Does the job; returns the exit status to end with.
pub fn run(job: &Job) -> Result<i32> {
    let Job::Run(run) = job;
    prepare(run.kernel)?;
    let built = host::target()?.join("release/wardline");
    let wardline = run.wardline.clone().or_else(|| built.is_file().then_some(built));
    if wardline.is_none() {
        eprintln!("vm: target/release/wardline is not built, so there is no `wardline` in the machine");
    }
    let payload = Payload {
        wardline,
        files: run.add.clone(),
        python: None,
        environment: Vec::new(),
        boot: run.boot.clone(),
        command: run.command.clone(),
    };
    let limits = Limits { timeout: Duration::from_secs(run.timeout), memory_mb: run.memory };
    Ok(match boot(run.kernel, &payload, limits, host::print)? {
        Outcome::Exited(status) => status,
        Outcome::TimedOut => TIMED_OUT,
        Outcome::Died(_) => NO_STATUS,
    })
}

/// Installs, fetches and builds what every machine of a series needs, where it is missing.
pub fn prepare(series: Series) -> Result<()> {
    if PROGRAMS.iter().any(|program| host::find(program).is_none()) {
        host::apt_install(&PACKAGES)?;
    }
    if let Some(program) = PROGRAMS.iter().find(|program| host::find(program).is_none()) {
        bail!("`{program}` is still missing after its package was installed");
    }
    kernel::Kernel::get(series).with_context(|| format!("no kernel {series} to boot"))?;
    base::image().context("cannot build the root disk").map(|_| ())
}

/// Boots a machine, runs the payload's command in it, and shows each line that it prints to `seen`.
pub fn boot(
    series: Series,
    payload: &Payload,
    limits: Limits,
    seen: impl FnMut(&str) + Send,
) -> Result<Outcome> {
    let kernel = kernel::Kernel::get(series).with_context(|| format!("no kernel {series} to boot"))?;
    let base = base::image().context("cannot build the root disk")?;
    let scratch = Scratch::new(series)?;
    let disk = payload.image(&kernel, &scratch.0).context("cannot build the disk of this run")?;
    let initramfs = kernel.initramfs()?;
    let machine = qemu::Machine {
        kernel: &kernel.image,
        initramfs: &initramfs,
        base: &base,
        payload: &disk,
        words: &payload.boot,
    };
    machine.run(&scratch.0, limits, seen)
}

/// A directory for one run, removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(series: Series) -> Result<Scratch> {
        let path = host::target()?.join(format!("vm/run-{}-{series}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind costs space in target/ and nothing else.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
