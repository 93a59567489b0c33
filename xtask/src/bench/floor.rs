//! The floor, and empty programs, from `bench/floor`.

use super::supervisor::{Runs, runs_of};
use anyhow::{Context as _, Result, bail};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, Program, RawTracePoint};
use aya::{Ebpf, EbpfLoader};
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The built programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../bench/floor/prebuilt/floor.bpf.o");

/// How long records lie in the ring: as long as Wardline's.
const DRAIN_INTERVAL: Duration = Duration::from_millis(10);

/// Empty programs on the hooks of Wardline's, attached while this lives.
pub struct Empty {
    _bpf: Ebpf,
}

impl Empty {
    /// Loads and attaches them, one to each hook, which are named as `wardline doctor` does.
    pub fn attach(hooks: &BTreeSet<String>) -> Result<Empty> {
        use CgroupSkbAttachType::{Egress, Ingress};
        let mut bpf = EbpfLoader::new().load(OBJECT)?;
        let (root, mode) = (File::open(sys::mountinfo::cgroup_root()?)?, CgroupAttachMode::Single);
        tracepoint(&mut bpf, "empty_tracepoint")?.load()?;
        packet(&mut bpf)?.load()?;
        for hook in hooks {
            let attached = match hook.split_once('/') {
                None => tracepoint(&mut bpf, "empty_tracepoint")?.attach(hook).map(drop),
                Some(("cgroup_skb", "ingress")) => packet(&mut bpf)?.attach(&root, Ingress, mode).map(drop),
                Some(("cgroup_skb", "egress")) => packet(&mut bpf)?.attach(&root, Egress, mode).map(drop),
                Some(("cgroup", kind)) => match bpf.program_mut(&format!("empty_{kind}")) {
                    Some(Program::CgroupSockAddr(program)) => {
                        program.load()?;
                        program.attach(&root, mode).map(drop)
                    }
                    Some(Program::CgroupSock(program)) => {
                        program.load()?;
                        program.attach(&root, mode).map(drop)
                    }
                    _ => bail!("floor.bpf.o has no program for `{hook}`"),
                },
                Some(_) => bail!("floor.bpf.o has no program for `{hook}`"),
            };
            attached.with_context(|| format!("no empty program can be attached to `{hook}`"))?;
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
        let program = tracepoint(&mut bpf, "floor")?;
        program.load()?;
        program.attach("sys_exit")?;
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

fn tracepoint<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut RawTracePoint> {
    let program = bpf.program_mut(name).with_context(|| format!("floor.bpf.o has no program `{name}`"))?;
    Ok(program.try_into()?)
}

fn packet(bpf: &mut Ebpf) -> Result<&mut CgroupSkb> {
    Ok(bpf.program_mut("empty_packet").context("floor.bpf.o has no program `empty_packet`")?.try_into()?)
}
