//! The floor, and empty programs, from `bench/floor`.

use super::supervisor::{Runs, runs_of};
use anyhow::{Context as _, Result, bail};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{CgroupAttachMode, Program};
use aya::{Ebpf, EbpfLoader};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The built programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../bench/floor/prebuilt/floor.bpf.o");

/// How long records lie in the ring: as long as Wardline's.
const DRAIN_INTERVAL: Duration = Duration::from_millis(10);

/// Tracepoints that Wardline is on, and the empty programs for them.
const TRACEPOINTS: [(&str, &str); 5] = [
    ("empty_fork", "sched_process_fork"),
    ("empty_exec", "sched_process_exec"),
    ("empty_exit", "sched_process_exit"),
    ("empty_sys_enter", "sys_enter"),
    ("empty_sys_exit", "sys_exit"),
];
/// The same for cgroup hooks.
const CGROUPS: [&str; 5] =
    ["empty_connect4", "empty_connect6", "empty_sendmsg4", "empty_sendmsg6", "empty_sock_create"];

/// Empty programs on the hooks of Wardline's, attached while this lives.
pub struct Empty {
    _bpf: Ebpf,
}

impl Empty {
    /// Loads and attaches them.
    pub fn attach() -> Result<Empty> {
        let mut bpf = EbpfLoader::new().load(OBJECT)?;
        for (name, tracepoint) in TRACEPOINTS {
            attach_tracepoint(&mut bpf, name, tracepoint)?;
        }
        let root = File::open(cgroup_root()?)?;
        for name in CGROUPS {
            match bpf.program_mut(name) {
                Some(Program::CgroupSockAddr(program)) => {
                    program.load()?;
                    program.attach(&root, CgroupAttachMode::Single)?;
                }
                Some(Program::CgroupSock(program)) => {
                    program.load()?;
                    program.attach(&root, CgroupAttachMode::Single)?;
                }
                _ => bail!("floor.bpf.o has no cgroup program `{name}`"),
            }
        }
        Ok(Empty { _bpf: bpf })
    }

    /// What they did so far.
    pub fn runs(&self) -> Runs {
        runs_of(std::process::id())
    }
}

/// The floor program, attached while this lives, and the thread that takes its records.
pub struct Floor {
    _bpf: Ebpf,
    lost: PerCpuArray<MapData, u64>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<u64>>,
}

impl Floor {
    /// Loads and attaches it for the system calls of a user.
    pub fn attach(user: u32) -> Result<Floor> {
        let mut loader = EbpfLoader::new();
        loader.override_global("USER", &user, true);
        let mut bpf = loader.load(OBJECT)?;
        let ring = bpf.take_map("RECORDS").context("floor.bpf.o has no ring")?;
        let mut ring = RingBuf::try_from(ring)?;
        let lost = PerCpuArray::try_from(bpf.take_map("LOST").context("floor.bpf.o has no counter")?)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reader = std::thread::Builder::new().name("floor".into()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut records = 0;
                loop {
                    let last = stop.load(Ordering::Acquire);
                    while ring.next().is_some() {
                        records += 1;
                    }
                    if last {
                        return records;
                    }
                    std::thread::sleep(DRAIN_INTERVAL);
                }
            }
        })?;
        attach_tracepoint(&mut bpf, "floor", "sys_exit")?;
        Ok(Floor { _bpf: bpf, lost, stop, reader: Some(reader) })
    }

    /// What it did so far.
    pub fn runs(&self) -> Runs {
        runs_of(std::process::id())
    }

    /// Ends it; returns how many records arrived, and how many found no room.
    pub fn finish(mut self) -> Result<(u64, u64)> {
        self.stop.store(true, Ordering::Release);
        let records = match self.reader.take().map(JoinHandle::join) {
            Some(Ok(records)) => records,
            _ => bail!("the reader of the floor's ring ended by itself"),
        };
        Ok((records, self.lost.get(&0, 0)?.iter().sum()))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn attach_tracepoint(bpf: &mut Ebpf, name: &str, tracepoint: &str) -> Result<()> {
    let Some(Program::RawTracePoint(program)) = bpf.program_mut(name) else {
        bail!("floor.bpf.o has no tracepoint program `{name}`");
    };
    program.load().with_context(|| format!("`{name}` does not load"))?;
    program.attach(tracepoint).with_context(|| format!("`{name}` cannot be attached"))?;
    Ok(())
}

/// Where cgroup v2 is mounted.
fn cgroup_root() -> Result<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let point = line.and_then(|line| line.split(' ').nth(4));
    point.map(str::to_owned).context("no cgroup v2 is mounted")
}
