//! The sequence of each CPU's records in each ring: what is missing from it, whoever counted it.

use abi::Header;
use std::collections::HashMap;

/// How far a sequence was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    received: u64,
    /// One more than the highest number.
    next: u64,
}

/// All sequences, by CPU and ring.
#[derive(Debug, Default)]
pub(crate) struct Sequences(HashMap<(u32, u8), Seen>);

impl Sequences {
    /// A record came in. Programs that interrupt one another may write theirs out of order.
    pub(crate) fn saw(&mut self, ring: u8, header: &Header) {
        let seen = self.0.entry((u32::from(header.cpu), ring)).or_default();
        seen.received += 1;
        seen.next = seen.next.max(header.seq + 1);
    }

    /// Records that are missing of a CPU.
    pub(crate) fn missing(&self, cpu: u32) -> u64 {
        let of_cpu = self.0.iter().filter(|((seen, _), _)| *seen == cpu);
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
            sequences.saw(1, &header(0, seq));
        }
        sequences.saw(0, &header(0, 0));
        sequences.saw(1, &header(1, 3));
        assert_eq!((sequences.missing(0), sequences.missing(1), sequences.missing(2)), (2, 3, 0));
    }
}
