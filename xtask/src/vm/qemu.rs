//! Runs a machine under QEMU: takes what it prints, reads its status, ends it in time.

use std::{
    collections::VecDeque,
    fs,
    io::BufReader,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::host;

/// `lsm=` makes `bpf` active; mitigations only slow an emulated processor; a panic ends QEMU. On a busy host the
/// kernel measures the emulated TSC wrongly and its clock runs twice as fast: the HPET needs no measuring.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 lsm=landlock,lockdown,yama,bpf mitigations=off edd=off \
                            clocksource=hpet tsc=unstable random.trust_cpu=on";

/// How often to look whether QEMU has ended, or has to.
const POLL: Duration = Duration::from_millis(50);

/// Lines that are kept of what a machine printed, to tell how it died.
const LAST_LINES: usize = 25;

/// What a machine may use.
#[derive(Clone, Copy)]
pub struct Limits {
    /// From the start of QEMU to its end.
    pub timeout: Duration,
    /// Memory of the machine, MiB.
    pub memory_mb: u32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended, with this status.
    Exited(i32),
    /// The time was over; QEMU was killed.
    TimedOut,
    /// The machine ended before the command did: it did not boot, its kernel panicked, or QEMU failed.
    Died(Death),
}

/// A machine that ended before its command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Exit status or signal of QEMU.
    pub qemu: String,
    /// The last that the machine printed.
    pub last_lines: Vec<String>,
}

impl Death {
    /// Whether its kernel said that it cannot go on.
    pub fn is_panic(&self) -> bool {
        const LAST_WORDS: [&str; 4] = ["Kernel panic", "BUG:", "Oops:", "general protection fault"];
        self.last_lines.iter().any(|line| LAST_WORDS.iter().any(|words| line.contains(words)))
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Death { qemu, last_lines } = self;
        write!(out, "the machine ended before its tests did (QEMU: {qemu}); the last that it printed:")?;
        last_lines.iter().try_for_each(|line| write!(out, "\n  | {line}"))
    }
}

/// A machine, ready to run.
pub struct Machine<'a> {
    /// The kernel's image.
    pub kernel: &'a Path,
    /// The archive that it unpacks.
    pub initramfs: &'a Path,
    /// The root disk, which is only read.
    pub base: &'a Path,
    /// The disk of this run.
    pub payload: &'a Path,
    /// Words for the kernel's command line, besides those that every machine has.
    pub words: &'a [String],
}

impl Machine<'_> {
    /// Boots, shows each line that the machine prints to `seen`, and says how it ended. `scratch` is a directory of this
    /// run.
    pub fn run(&self, scratch: &Path, limits: Limits, mut seen: impl FnMut(&str) + Send) -> Result<Outcome> {
        let status = scratch.join("status");
        let started = Instant::now();
        let mut command = self.command(scratch, &status, limits.memory_mb)?;
        let mut qemu = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let qemu = qemu
            .as_mut()
            .map_err(|error| anyhow::anyhow!("cannot start `{}`: {error}", host::shown(&command)))?;
        let output = qemu.stdout.take().context("QEMU has no output")?;
        let mut last_lines = VecDeque::with_capacity(LAST_LINES + 1);
        let mut keep = |line: &str| {
            last_lines.push_back(line.trim_end().to_owned());
            last_lines.drain(..last_lines.len().saturating_sub(LAST_LINES));
            seen(line);
        };
        let ended = thread::scope(|scope| {
            scope.spawn(|| host::lines(BufReader::new(output), &mut keep));
            wait(qemu, started + limits.timeout)
        })?;
        let seconds = started.elapsed().as_secs_f32();
        let Some(ended) = ended else {
            eprintln!("vm: TIMED OUT after {seconds:.0} s; QEMU was killed");
            return Ok(Outcome::TimedOut);
        };
        let said = fs::read_to_string(&status).unwrap_or_default();
        let Ok(code) = said.trim().parse() else {
            eprintln!("vm: DIED after {seconds:.1} s without a status: see the kernel's messages above");
            return Ok(Outcome::Died(Death { qemu: ended.to_string(), last_lines: last_lines.into() }));
        };
        eprintln!("vm: exit status {code} after {seconds:.1} s");
        Ok(Outcome::Exited(code))
    }

    fn command(&self, scratch: &Path, status: &Path, memory_mb: u32) -> Result<Command> {
        let qemu = host::find("qemu-system-x86_64").context("there is no QEMU: install `qemu-system-x86`")?;
        // The machine must not outlive us, however we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
        command.env("TMPDIR", scratch);
        // One thread for all processors: with a thread each, one may stop at a breakpoint that the kernel has taken out of its
        // code meanwhile, which it does whenever programs are attached, and dies of it ("Oops: int3").
        command.args(["-M", "q35", "-accel", "tcg,thread=single", "-cpu", "max,la57=off", "-smp", "2"]);
        command.args(["-m", &memory_mb.to_string(), "-nodefaults", "-no-reboot", "-display", "none"]);
        command
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &format!("{COMMAND_LINE} {}", self.words.join(" "))]);
        command.args(["-serial", "stdio"]).arg("-serial").arg(format!("file:{}", status.display()));
        for (disk, options) in [(self.base, "snapshot=on"), (self.payload, "readonly=on")] {
            let drive = format!("if=virtio,format=raw,cache=unsafe,{options},file={}", disk.display());
            command.arg("-drive").arg(drive);
        }
        Ok(command)
    }
}

/// Waits until `qemu` ends; kills it at `end`, and then returns `None`.
fn wait(qemu: &mut Child, end: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = qemu.try_wait().context("cannot wait for QEMU")? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            qemu.kill().context("cannot kill QEMU")?;
            qemu.wait().context("cannot wait for QEMU")?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}
