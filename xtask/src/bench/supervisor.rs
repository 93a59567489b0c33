//! Wardline's supervisor, started for the benchmark, and what it uses.

use super::world::World;
use crate::host;
use anyhow::{Context as _, Result, bail};
use datasets::{Wardline, end_within};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use sys::clock::NS_PER_TICK;
use sys::process::Stat;

/// A supervisor that stays; ended with its value.
pub struct Supervisor {
    child: Child,
    wardline: Wardline,
}

/// What one kernel program did while the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// Time in it, ns.
    pub time_ns: u64,
    /// How often it ran.
    pub count: u64,
}

/// What `wardline doctor --json` says, as far as it matters here.
#[derive(Deserialize)]
struct Findings {
    programs: Vec<Attached>,
}

/// A kernel program.
#[derive(Deserialize)]
struct Attached {
    hook: String,
    error: Option<String>,
}

/// The hook of programs that are on none.
const ASKED: &str = "on request";

impl Supervisor {
    /// Starts it, and waits for its socket.
    pub fn start(world: &World) -> Result<Supervisor> {
        let program = host::target()?.join("release/wardline");
        if !program.is_file() {
            bail!("{} is not there: run `cargo build --release` first", program.display());
        }
        // Built in a tree that its user owns.
        let wardline = Wardline::new(program, world.state()).envs(world.environment()).unsafe_paths();
        fs::create_dir_all(wardline.state())?;
        let log = fs::File::create(world.path().join("supervisor.log"))?;
        let mut command = wardline.command();
        command.args(["supervisor", "--stay"]).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("the supervisor cannot be started")?;
        let supervisor = Supervisor { child, wardline };
        let socket = supervisor.wardline.state().join("run/control.sock");
        let until = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            if Instant::now() > until {
                bail!("the supervisor made no socket within 20 s");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(supervisor)
    }

    /// The hooks that its kernel programs are on while a session runs, as `wardline doctor` names them.
    pub fn hooks(&self) -> Result<BTreeSet<String>> {
        // Its exit code says what can be prevented here.
        let output = self.wardline.command().args(["doctor", "--json"]).output()?;
        let found: Findings =
            serde_json::from_slice(&output.stdout).context("`wardline doctor` said nothing")?;
        let attached =
            found.programs.iter().filter(|program| program.error.is_none() && program.hook != ASKED);
        Ok(attached.flat_map(|program| program.hook.split(' ')).map(str::to_owned).collect())
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `wardline --state-dir ...`, in the workspace.
    pub fn wardline(&self, world: &World) -> Command {
        let mut command = self.wardline.command();
        command.current_dir(world.work());
        command
    }

    /// Processor time that it has used, and its children, ns.
    pub fn processor_ns(&self) -> Result<u64> {
        processor_ns(self.pid())
    }

    /// Resident memory of it and of the tellers that run, KiB.
    pub fn resident_kib(&self) -> u64 {
        tellers(self.pid()).chain([self.pid()]).map(resident_kib).sum()
    }

    /// What its kernel programs did so far, summed over them.
    pub fn runs(&self) -> Runs {
        runs_of(self.pid())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.wardline.stop();
        end_within(&mut self.child, Duration::from_secs(5));
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// The processes that write sessions down for a supervisor: children of its threads.
fn tellers(supervisor: u32) -> impl Iterator<Item = u32> {
    let tasks = fs::read_dir(format!("/proc/{supervisor}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids = children.collect::<Vec<String>>().join(" ");
    let pids: Vec<u32> = pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    pids.into_iter().filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == b"teller")
    })
}

/// Processor time of a supervisor, of its children that have ended, and of the tellers that run, ns.
pub fn processor_ns(supervisor: u32) -> Result<u64> {
    let tellers: u64 = tellers(supervisor).filter_map(|pid| own_ns(pid).ok()).sum();
    Ok(own_ns(supervisor)? + tellers)
}

/// Processor time of a process and all its threads, ns.
fn own_ns(pid: u32) -> Result<u64> {
    let ran = Stat::read(pid).and_then(|stat| stat.ran_ticks).context("the supervisor is gone")?;
    Ok(ran * NS_PER_TICK)
}

/// Sums over the kernel programs that a process holds, from /proc/PID/fdinfo.
pub fn runs_of(pid: u32) -> Runs {
    let mut seen = std::collections::HashMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        // A link has its program's number too, and no times.
        if let (Some(id), Some(time_ns), Some(count)) =
            (field("prog_id:"), field("run_time_ns:"), field("run_cnt:"))
        {
            seen.insert(id, Runs { time_ns, count });
        }
    }
    seen.values().fold(Runs::default(), |sum, runs| Runs {
        time_ns: sum.time_ns + runs.time_ns,
        count: sum.count + runs.count,
    })
}

/// Has the kernel count the time of its programs while this lives. Counting itself costs some tens of ns a run.
pub struct Counting(#[expect(dead_code, reason = "held for what its end does")] std::os::fd::OwnedFd);

impl Counting {
    /// Begins.
    pub fn start() -> Result<Counting> {
        let fd = aya::sys::enable_stats(aya::sys::Stats::RunTime);
        Ok(Counting(fd.context("the kernel does not count the time of its programs")?))
    }
}
