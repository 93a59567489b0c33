//! The sequence of each CPU's records in each ring: records that are missing from it, whether or not the kernel side counted
//! them.

use crate::batch::Ring;
use abi::Header;
use std::collections::HashMap;

/// How far a sequence was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    received: u64,
    /// One more than the highest number.
    next: u64,
    /// When the highest was written, CLOCK_BOOTTIME, ns.
    last_ns: u64,
}

/// Bulk records of one CPU that are missing, and between which times they were written, CLOCK_BOOTTIME, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// A gap while it may still be filled: its CPU, its numbers, and how many of them are missing.
#[derive(Clone, Copy, Debug)]
struct Open {
    gap: Gap,
    cpu: u32,
    first: u64,
    end: u64,
    missing: u64,
}

/// All sequences, by CPU and ring.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    seen: HashMap<(u32, Ring), Seen>,
    /// Of the bulk ring, where calls are told, since [`Sequences::gaps`] was asked last.
    open: Vec<Open>,
}

impl Sequences {
    /// A record came in. Programs that interrupt one another may write theirs out of order.
    pub(crate) fn saw(&mut self, ring: Ring, header: &Header) {
        let cpu = u32::from(header.cpu);
        let seen = self.seen.entry((cpu, ring)).or_default();
        seen.received += 1;
        if ring == Ring::Bulk && header.seq > seen.next {
            let gap = Gap { from_ns: seen.last_ns, to_ns: header.time_ns };
            let (first, end) = (seen.next, header.seq);
            self.open.push(Open { gap, cpu, first, end, missing: end - first });
        } else if ring == Ring::Bulk && header.seq < seen.next {
            let late = |open: &&mut Open| open.cpu == cpu && (open.first..open.end).contains(&header.seq);
            if let Some(open) = self.open.iter_mut().find(late) {
                open.missing = open.missing.saturating_sub(1);
            }
        }
        if header.seq >= seen.next {
            (seen.next, seen.last_ns) = (header.seq + 1, header.time_ns);
        }
    }

    /// The gaps that have shown since this was asked last. What comes in late after that was no gap, and counted as one.
    pub(crate) fn gaps(&mut self) -> Vec<Gap> {
        self.open.drain(..).filter(|open| open.missing > 0).map(|open| open.gap).collect()
    }

    /// Records that are missing of a CPU.
    pub(crate) fn missing(&self, cpu: u32) -> u64 {
        let of_cpu = self.seen.iter().filter(|((seen, _), _)| *seen == cpu);
        of_cpu.map(|(_, seen)| seen.next.saturating_sub(seen.received)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cpu: u16, seq: u64) -> Header {
        Header {
            kind: 4,
            cpu,
            len: 64,
            seq,
            time_ns: 0,
            session: 0,
            segment: 0,
            tgid: 1,
            tid: 1,
            syscall: 0,
            pad: 0,
        }
    }

    #[test]
    fn gaps_are_missing_and_disorder_is_not() {
        let mut sequences = Sequences::default();
        for seq in [0, 2, 1, 5] {
            sequences.saw(Ring::Bulk, &header(0, seq));
        }
        sequences.saw(Ring::Control, &header(0, 0));
        sequences.saw(Ring::Bulk, &header(1, 3));
        assert_eq!((sequences.missing(0), sequences.missing(1), sequences.missing(2)), (2, 3, 0));
    }

    #[test]
    fn a_gap_lies_between_the_records_around_it_and_is_told_once() {
        let mut sequences = Sequences::default();
        let mut saw = |seqs: &[u64]| {
            for &seq in seqs {
                sequences.saw(Ring::Bulk, &Header { time_ns: 100 + seq, ..header(0, seq) });
                sequences.saw(Ring::Control, &Header { time_ns: 100 + seq, ..header(0, 3 * seq) });
            }
            sequences.gaps()
        };
        assert_eq!(saw(&[0, 1, 3, 2]), []);
        assert_eq!(saw(&[4, 7, 6, 8]), [Gap { from_ns: 104, to_ns: 107 }]);
        assert_eq!(saw(&[9]), []);
        assert_eq!(saw(&[12]), [Gap { from_ns: 109, to_ns: 112 }]);
    }
}
