//! Reads both rings, in one thread, and hands on what they hold in the order of time.

use crate::Error;
use crate::decode::{decode, header};
use crate::resolve::Resolver;
use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use event::{Captured, Loss};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Slot of what concerns every running session: a loss.
pub const ALL_SESSIONS: u32 = u32::MAX;

/// How often the loss counters are read.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Bytes that one call of [`Reader::drain`] takes from a ring at most, so that memory stays bounded under a flood.
const BATCH_BYTES: usize = 4 << 20;

/// The reading end of both rings.
pub struct Reader {
    control: RingBuf<MapData>,
    bulk: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    known: Vec<Vec<u64>>,
    counted_at: Instant,
    resolver: Resolver,
    bytes: Vec<u8>,
    order: Vec<(u64, usize, usize)>,
    malformed: u64,
}

impl Reader {
    pub(crate) fn take(bpf: &mut Ebpf) -> Result<Self, Error> {
        let mut ring = |name: &'static str| {
            let map = bpf.take_map(name).ok_or(Error::Incomplete(name))?;
            RingBuf::try_from(map).map_err(|source| Error::Map {
                name,
                what: "read",
                source: Box::new(source),
            })
        };
        let (control, bulk) = (ring("CONTROL")?, ring("BULK")?);
        let lost = bpf.take_map("LOST").ok_or(Error::Incomplete("LOST"))?;
        let lost = PerCpuArray::try_from(lost).map_err(|source| Error::Map {
            name: "LOST",
            what: "read",
            source: Box::new(source),
        })?;
        Ok(Self {
            control,
            bulk,
            lost,
            known: vec![Vec::new(); abi::LOSSES as usize],
            counted_at: Instant::now(),
            resolver: Resolver::new(),
            bytes: Vec::new(),
            order: Vec::new(),
            malformed: 0,
        })
    }

    /// Descriptors to poll: readable when the kernel side asked to be read at once. Drain every 10 ms besides.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.control.as_fd(), self.bulk.as_fd()]
    }

    /// Records that did not add up since the start: none, unless kernel side and user space differ.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Hands on what the rings hold, in the order of time, with the slot of its session ([`ALL_SESSIONS`] for a loss).
    /// Returns how many records there were.
    pub fn drain(&mut self, sink: &mut dyn FnMut(u32, Captured)) -> usize {
        self.bytes.clear();
        self.order.clear();
        for ring in [&mut self.control, &mut self.bulk] {
            let end = self.bytes.len() + BATCH_BYTES;
            while self.bytes.len() < end
                && let Some(item) = ring.next()
            {
                let Some(header) = header(&item) else {
                    self.malformed += 1;
                    continue;
                };
                self.order.push((header.time_ns, self.bytes.len(), item.len()));
                self.bytes.extend_from_slice(&item);
            }
        }
        self.order.sort_by_key(|&(time_ns, at, _)| (time_ns, at));
        for &(_, at, len) in &self.order {
            let bytes = &self.bytes[at..at + len];
            match (header(bytes), decode(bytes, &mut self.resolver)) {
                (Some(header), Some(captured)) => sink(header.session, captured),
                _ => self.malformed += 1,
            }
        }
        if self.counted_at.elapsed() >= COUNT_EVERY {
            self.count(sink);
        }
        self.order.len()
    }

    /// Hands on what the loss counters have grown by.
    pub fn count(&mut self, sink: &mut dyn FnMut(u32, Captured)) {
        self.counted_at = Instant::now();
        let time_ns = boot_ns();
        for (kind, known) in self.known.iter_mut().enumerate() {
            let Ok(counts) = self.lost.get(&(kind as u32), 0) else { continue };
            known.resize(counts.len(), 0);
            for (cpu, (&now, before)) in counts.iter().zip(known.iter_mut()).enumerate() {
                if now > *before {
                    let loss = Loss { time_ns, cpu: cpu as u32, kind: kind as u32, count: now - *before };
                    *before = now;
                    sink(ALL_SESSIONS, Captured::Loss(loss));
                }
            }
        }
    }
}

/// CLOCK_BOOTTIME, ns.
fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
