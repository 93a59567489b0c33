//! The condition of a measured workload, and one measured run.

use super::floor::{Empty, Floor};
use super::inside::Measured;
use super::peer::{self, Peer};
use super::supervisor::{Counting, Runs, Supervisor};
use super::workload::{Profile, Workload};
use super::world::World;
use crate::host;
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is round the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// One of ours, or nothing.
    Own(Own),
    /// A tool that a user would reach for instead.
    Peer(Peer),
}

/// What is not a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// Nothing.
    Bare,
    /// A process that sleeps: what differs from bare is noise.
    Null,
    /// Programs that do nothing on Wardline's hooks.
    Empty,
    /// A record of 256 bytes for each system call, counted and thrown away.
    Floor,
    /// `wardline record`
    Record,
    /// `wardline enforce` without a baseline
    Enforce,
    /// Outside every session, while one sleeps.
    Beside,
}

impl Condition {
    /// Nothing.
    pub const BARE: Condition = Condition::Own(Own::Bare);

    /// Everything that is compared with bare, what is measured closely first.
    pub fn all() -> Vec<Condition> {
        let own = [Own::Null, Own::Empty, Own::Floor, Own::Record, Own::Enforce, Own::Beside];
        let peers = Peer::ALL.into_iter().filter(|peer| peer.is_here());
        own.into_iter().map(Condition::Own).chain(peers.map(Condition::Peer)).collect()
    }

    /// Its name, in tables.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Own(Own::Bare) => "bare",
            Condition::Own(Own::Null) => "null control",
            Condition::Own(Own::Empty) => "empty programs",
            Condition::Own(Own::Floor) => "floor",
            Condition::Own(Own::Record) => "wardline record",
            Condition::Own(Own::Enforce) => "wardline enforce",
            Condition::Own(Own::Beside) => "outside a session",
            Condition::Peer(Peer::Strace) => "strace -f",
            Condition::Peer(Peer::StraceSeccomp) => "strace --seccomp-bpf -f",
            Condition::Peer(Peer::PerfTrace) => "perf trace",
            Condition::Peer(Peer::Bpftrace) => "bpftrace",
            Condition::Peer(Peer::Auditd) => "auditd",
        }
    }

    /// Whether it is measured with all pairs.
    pub fn is_close(self) -> bool {
        matches!(self, Condition::Own(_))
    }

    /// By how much the rounds of a loop are fewer, since it is slow.
    pub fn fewer(self, workload: Workload) -> u64 {
        match self {
            Condition::Own(_) => 1,
            Condition::Peer(Peer::Strace | Peer::StraceSeccomp) => 40,
            // A program started is nearly as fast under all of these.
            Condition::Peer(_) if workload == Workload::ForkExec => 1,
            Condition::Peer(_) => 8,
        }
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What the workload measured of itself.
    pub measured: Measured,
    /// From the start of the first process to the end of the last, ns.
    pub whole_ns: u64,
    /// Events that arrived, where something counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Events that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Processor time of the supervisor: arming, while the workload ran, and until the session was written, ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor_ns: Option<[u64; 3]>,
    /// What kernel programs did, where it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs: Option<Runs>,
}

impl Run {
    /// Wall time of a round, ns.
    pub fn round_ns(&self) -> f64 {
        self.measured.wall_ns as f64 / self.measured.rounds.max(1) as f64
    }
}

/// What runs are made with.
pub struct Bench {
    /// Wardline. Ends before its place goes: it is told through a socket there.
    pub supervisor: Supervisor,
    /// Where.
    pub world: World,
    /// How long.
    pub profile: Profile,
    /// The hooks of its kernel programs.
    hooks: BTreeSet<String>,
}

impl Bench {
    /// Makes it.
    pub fn new(profile: Profile) -> Result<Bench> {
        peer::quiet_audit();
        let world = World::new()?;
        let supervisor = Supervisor::start(&world)?;
        let hooks = supervisor.hooks()?;
        Ok(Bench { world, supervisor, profile, hooks })
    }

    /// Runs a workload once. `counting`: the kernel counts its programs' time, which makes the run itself slower.
    pub fn run(&self, condition: Condition, workload: Workload, rounds: u64, counting: bool) -> Result<Run> {
        let _counting = counting.then(Counting::start).transpose()?;
        let call = |session: bool| self.call(workload, rounds, session);
        match condition {
            Condition::Own(Own::Bare) => self.outside(Vec::new(), &call(false)),
            Condition::Own(Own::Null) => {
                let _sleep = Sleep::start()?;
                self.outside(Vec::new(), &call(false))
            }
            Condition::Own(Own::Empty) => {
                let empty = Empty::attach(&self.hooks)?;
                let run = self.outside(Vec::new(), &call(false))?;
                Ok(Run { programs: counting.then(|| empty.runs()), ..run })
            }
            Condition::Own(Own::Floor) => {
                let floor = Floor::attach(self.world.user)?;
                let run = self.outside(Vec::new(), &call(false))?;
                let programs = counting.then(|| floor.runs());
                let (events, lost) = floor.finish()?;
                Ok(Run { events: Some(events), lost: Some(lost), programs, ..run })
            }
            Condition::Own(Own::Record) => self.session("record", &call(true), workload, counting),
            Condition::Own(Own::Enforce) => self.session("enforce", &call(true), workload, counting),
            Condition::Own(Own::Beside) => {
                let beside = Beside::start(self)?;
                let before = self.supervisor.runs();
                let run = self.outside(Vec::new(), &call(false))?;
                let after = self.supervisor.runs();
                drop(beside);
                Ok(Run { programs: counting.then(|| since(before, after)), ..run })
            }
            Condition::Peer(peer) => {
                let (run, seen) = peer.around(&self.world, |words| self.outside(words, &call(false)))?;
                Ok(Run { events: Some(seen.events), lost: Some(seen.lost), ..run })
            }
        }
    }

    /// A workload under `record`, in a session that has been flooded for some seconds before it.
    pub fn aged(&self, workload: Workload, rounds: u64, seconds: u64) -> Result<Run> {
        let mut words = self.call(workload, rounds, true);
        words.splice(4..4, ["--age".into(), seconds.to_string().into()]);
        self.session("record", &words, workload, false)
    }

    /// The words of the workload's command.
    fn call(&self, workload: Workload, rounds: u64, session: bool) -> Vec<OsString> {
        let world = &self.world;
        let mut words = vec![world.runner().into_os_string()];
        let more: [OsString; 2] = if session {
            ["--supervisor".into(), self.supervisor.pid().to_string().into()]
        } else {
            ["--user".into(), world.user.to_string().into()]
        };
        let mut inside = world.inside(workload, self.profile, rounds, &self.report());
        inside.splice(3..3, more);
        words.extend(inside);
        words
    }

    fn report(&self) -> PathBuf {
        self.world.home().join("measured.json")
    }

    /// Runs a command that measures itself.
    fn outside(&self, mut words: Vec<OsString>, call: &[OsString]) -> Result<Run> {
        words.extend(call.iter().cloned());
        let mut command = self.world.command(&words[0]);
        command.args(&words[1..]);
        let (measured, whole_ns) = self.measure(&mut command)?;
        Ok(Run { measured, whole_ns, events: None, lost: None, supervisor_ns: None, programs: None })
    }

    fn measure(&self, command: &mut Command) -> Result<(Measured, u64)> {
        host::write(&self.report(), "")?;
        chown(self.report(), Some(self.world.user), Some(self.world.user))?;
        let started = Instant::now();
        host::output(command)?;
        let whole_ns = started.elapsed().as_nanos() as u64;
        let measured = serde_json::from_slice(&host::read(&self.report())?)
            .with_context(|| format!("`{}` measured nothing", host::shown(command)))?;
        Ok((measured, whole_ns))
    }

    /// What `wardline db stats` says of the sessions' store, as JSON.
    pub fn stats(&self) -> Result<String> {
        let mut command = self.supervisor.wardline(&self.world);
        command.args(["db", "--user", &self.world.user.to_string(), "stats", "--json"]);
        host::output(&mut command)
    }

    /// `wardline record` or `enforce`, up to the command.
    pub fn session_command(&self, verb: &str, task: &str) -> Command {
        let user = self.world.user;
        let mut command = self.supervisor.wardline(&self.world);
        command.args([verb, "--agent", "bench", "--task", task, "--quiet"]);
        command.args(["--user", &format!("{user}:{user}"), "--home"]).arg(self.world.home());
        command
    }

    /// Runs a command that measures itself in a session.
    fn session(&self, verb: &str, call: &[OsString], workload: Workload, counting: bool) -> Result<Run> {
        let summary = self.world.path().join("summary.json");
        let mut command = self.session_command(verb, workload.name());
        command.arg("--summary-file").arg(&summary).arg("--").args(call);
        let (before, programs) = (self.supervisor.processor_ns()?, self.supervisor.runs());
        let (measured, whole_ns) = self.measure(&mut command)?;
        let (after, programs) = (self.supervisor.processor_ns()?, since(programs, self.supervisor.runs()));
        let (begun, ended) = measured.supervisor_ns.context("the session did not look at its supervisor")?;
        let (seen, lost) = account(&summary)?;
        Ok(Run {
            measured,
            whole_ns,
            events: Some(seen),
            lost: Some(lost),
            supervisor_ns: Some([begun - before, ended - begun, after - ended]),
            programs: counting.then_some(programs),
        })
    }
}

/// Records that a session received and lost, from its summary.
pub fn account(summary: &std::path::Path) -> Result<(u64, u64)> {
    let report: serde_json::Value = serde_json::from_slice(&host::read(summary)?)?;
    let number = |name: &str| report[name].as_u64().with_context(|| format!("the summary has no `{name}`"));
    Ok((number("events")? + number("syscalls")?, number("lost")?))
}

fn since(before: Runs, after: Runs) -> Runs {
    Runs {
        time_ns: after.time_ns.saturating_sub(before.time_ns),
        count: after.count.saturating_sub(before.count),
    }
}

/// A process that sleeps.
struct Sleep(std::process::Child);

impl Sleep {
    fn start() -> Result<Sleep> {
        Ok(Sleep(Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn()?))
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session in which nothing happens, so that Wardline's programs are attached.
pub struct Beside(std::process::Child);

impl Beside {
    /// Starts it, and waits until it is armed.
    pub fn start(bench: &Bench) -> Result<Beside> {
        let armed = bench.world.work().join(format!("armed-{}", std::process::id()));
        let _ = std::fs::remove_file(&armed);
        let mut command = bench.session_command("record", "sleep");
        let script = "touch \"$1\"; exec sleep 3600";
        command.args(["--", "/bin/bash", "-c", script, "bash"]).arg(&armed);
        let beside = Beside(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let until = Instant::now() + std::time::Duration::from_secs(20);
        while !armed.exists() {
            if Instant::now() > until {
                bail!("no session began within 20 s");
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = std::fs::remove_file(&armed);
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The client passes it on, and reports the end of its session.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
