//! Reads both rings, in one thread, and hands on what they hold in the order of time.

use crate::Error;
use crate::batch::{Batch, Ring};
use crate::decode::{decode, header};
use crate::decoded::Decoded;
use crate::heard::Heard;
use crate::join::Join;
use crate::resolve::Resolver;
use crate::sequence::Sequences;
use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use event::{Captured, Loss};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use sys::clock::boot_ns;

/// Slot of what concerns every running session: a loss.
pub const ALL_SESSIONS: u32 = u32::MAX;

/// How often the loss counters are read.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Bytes that one call of [`Reader::drain`] takes from a ring at most, so that memory stays bounded under a flood.
const BATCH_BYTES: usize = 4 << 20;

/// Losses of what never had a number in its sequence.
const UNNUMBERED: [u32; 3] = [abi::LOSS_SCRATCH, abi::LOSS_MEMBER, abi::LOSS_UNREADABLE];

/// The reading end of both rings.
pub struct Reader {
    control: RingBuf<MapData>,
    bulk: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    known: Vec<Vec<u64>>,
    counted_at: Instant,
    resolver: Resolver,
    batch: Batch,
    sequences: Sequences,
    join: Join,
    /// Of each CPU: records missing from the sequence and in no counter, at the last count; and how many were told.
    uncounted: Vec<(u64, u64)>,
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
            batch: Batch::default(),
            sequences: Sequences::default(),
            join: Join::default(),
            uncounted: Vec::new(),
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

    /// Whether what came while it read waits to be handed on: it does not make the descriptors readable once more.
    pub fn is_early(&self) -> bool {
        self.batch.is_early()
    }

    /// Hands on what the rings hold, in the order of time, with the slot of its session ([`ALL_SESSIONS`] for a loss).
    /// Returns how many records there were.
    pub fn drain(&mut self, sink: &mut dyn FnMut(u32, Heard)) -> usize {
        let read_to_ns = self.read();
        self.resolver.refresh();
        let gaps = self.sequences.gaps();
        // What a verdict is worth without it is known before it is given.
        if !gaps.is_empty() || self.counted_at.elapsed() >= COUNT_EVERY {
            self.count(sink);
        }
        self.join.missing(gaps);
        for bytes in self.batch.records() {
            let (Some(header), Some(mut decoded)) = (header(bytes), decode(bytes, &mut self.resolver)) else {
                self.malformed += 1;
                continue;
            };
            if let Decoded::Dns(dns, asked) = decoded {
                sink(header.session, Heard::Dns(dns));
                let Some(asked) = asked else { continue };
                decoded = Decoded::Captured(Captured::Event(asked));
            }
            let sink = &mut |slot, captured| sink(slot, Heard::Captured(captured));
            self.join.take(header.session, header.tid, decoded, sink);
        }
        self.join.expire(read_to_ns, &mut |slot, captured| sink(slot, Heard::Captured(captured)));
        self.batch.len()
    }

    /// Takes the next batch out of the rings. Returns up to which time that is all there was.
    fn read(&mut self) -> u64 {
        self.batch.begin(boot_ns());
        for (ring, from) in [(Ring::Control, &mut self.control), (Ring::Bulk, &mut self.bulk)] {
            let end = self.batch.size() + BATCH_BYTES;
            loop {
                if self.batch.size() >= end {
                    self.batch.cut(ring);
                    break;
                }
                let Some(item) = from.next() else { break };
                let Some(header) = header(&item) else {
                    self.malformed += 1;
                    continue;
                };
                self.sequences.saw(ring, &header);
                self.batch.push(ring, header.time_ns, &item);
            }
        }
        self.batch.settle()
    }

    /// Hands on what the loss counters have grown by.
    pub fn count(&mut self, sink: &mut dyn FnMut(u32, Heard)) {
        self.counted_at = Instant::now();
        let time_ns = boot_ns();
        for (kind, known) in (0..).zip(&mut self.known) {
            let Ok(counts) = self.lost.get(&kind, 0) else { continue };
            known.resize(counts.len(), 0);
            for (cpu, (&now, before)) in (0..).zip(counts.iter().zip(known.iter_mut())) {
                if now > *before {
                    let loss = Loss { time_ns, cpu, kind, count: now - *before };
                    *before = now;
                    sink(ALL_SESSIONS, Heard::Captured(Captured::Loss(loss)));
                }
            }
        }
        self.check(time_ns, sink);
    }

    /// Hands on what is missing from the sequences beyond what was counted, when it was so at the last count, too: a
    /// record takes its number a moment before it is counted as lost.
    fn check(&mut self, time_ns: u64, sink: &mut dyn FnMut(u32, Heard)) {
        let cpus = self.known.iter().map(Vec::len).max().unwrap_or(0);
        self.uncounted.resize(cpus, (0, 0));
        for ((cpu, number), (before, told)) in (0..).zip(0..).zip(&mut self.uncounted) {
            let numbered = |kind: u32| !UNNUMBERED.contains(&kind);
            let counts = (0..).zip(&self.known).filter(|(kind, _)| numbered(*kind));
            let counted: u64 = counts.filter_map(|(_, counts)| counts.get(cpu)).sum();
            let now = self.sequences.missing(number).saturating_sub(counted);
            let sure = now.min(*before);
            *before = now;
            if sure > *told {
                let count = sure - *told;
                *told = sure;
                let loss = Loss { time_ns, cpu: number, kind: abi::LOSS_UNCOUNTED, count };
                sink(ALL_SESSIONS, Heard::Captured(Captured::Loss(loss)));
            }
        }
    }
}
