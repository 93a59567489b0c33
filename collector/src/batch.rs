//! The records of one reading of both rings, in order of time.
//!
//! The rings are read one after the other, and are written meanwhile: of what came after the reading began, one ring may
//! show a record and the other not yet what the same thread did before. Such records wait for the next reading, so that
//! the events of a thread are handed on in their order.

/// Which ring a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ring {
    /// Lineage and everything decided.
    Control,
    /// Operations and system calls.
    Bulk,
}

/// Records of one reading.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    order: Vec<Place>,
    /// Up to which time it has all that there was.
    until_ns: u64,
    /// What waits for the next one.
    early: Vec<Early>,
}

/// Where a record lies in the bytes.
#[derive(Debug)]
struct Place {
    time_ns: u64,
    at: usize,
    len: usize,
    ring: Ring,
}

impl Place {
    /// The record.
    fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.at..self.at + self.len).unwrap_or_default()
    }
}

/// A record that came too early.
#[derive(Debug)]
struct Early {
    time_ns: u64,
    bytes: Vec<u8>,
    ring: Ring,
}

impl Batch {
    /// Begins the next one at `now_ns`, with what waits for it. What is written later than that will wait.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        self.until_ns = now_ns;
        self.bytes.clear();
        self.order.clear();
        for early in std::mem::take(&mut self.early) {
            self.push(early.ring, early.time_ns, &early.bytes);
        }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, ring: Ring, time_ns: u64, record: &[u8]) {
        self.order.push(Place { time_ns, at: self.bytes.len(), len: record.len(), ring });
        self.bytes.extend_from_slice(record);
    }

    /// Bytes of records.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// A ring was not read to its end: what is later than its last record will wait.
    pub(crate) fn cut(&mut self, ring: Ring) {
        let last = self.order.iter().filter(|place| place.ring == ring).map(|place| place.time_ns).max();
        self.until_ns = self.until_ns.min(last.unwrap_or(0));
    }

    /// Orders it, without what has to wait. Returns up to which time it has all that there was.
    pub(crate) fn settle(&mut self) -> u64 {
        // Records of one time stay in the order of their ring.
        self.order.sort_by_key(|place| place.time_ns);
        let on_time = self.order.partition_point(|place| place.time_ns <= self.until_ns);
        let bytes = &self.bytes;
        self.early.extend(self.order.drain(on_time..).map(|place| Early {
            time_ns: place.time_ns,
            bytes: place.of(bytes).to_vec(),
            ring: place.ring,
        }));
        self.until_ns
    }

    /// Whether something waits for the next one.
    pub(crate) fn is_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Its records, in the order of time.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.order.iter().map(|place| place.of(&self.bytes))
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.records().map(|record| std::str::from_utf8(record).unwrap()).collect()
    }

    #[test]
    fn what_was_written_during_the_reading_waits() {
        let mut batch = Batch::default();
        batch.begin(100);
        // The exec of 105 came to the control ring when that had been read.
        for (time_ns, text) in [(90, "open"), (104, "close"), (106, "read after the exec")] {
            batch.push(Ring::Bulk, time_ns, text.as_bytes());
        }
        assert_eq!(batch.settle(), 100);
        assert_eq!((texts(&batch), batch.is_early()), (vec!["open"], true));
        batch.begin(200);
        batch.push(Ring::Control, 105, b"exec");
        assert_eq!(batch.settle(), 200);
        assert_eq!((texts(&batch), batch.is_early()), (vec!["close", "exec", "read after the exec"], false));
    }

    #[test]
    fn the_end_of_a_thread_waits_for_what_still_lies_in_the_bulk_ring() {
        let mut batch = Batch::default();
        batch.begin(100);
        batch.push(Ring::Control, 80, b"exit");
        batch.push(Ring::Bulk, 50, b"write");
        batch.cut(Ring::Bulk);
        assert_eq!(batch.settle(), 50);
        assert_eq!(texts(&batch), ["write"]);
        batch.begin(200);
        batch.push(Ring::Bulk, 70, b"close");
        assert_eq!(batch.settle(), 200);
        assert_eq!(texts(&batch), ["close", "exit"]);
    }

    proptest! {
        /// Threads write to either ring in their own order; readings see any prefix of each ring as it is at their time.
        #[test]
        fn each_thread_is_handed_on_in_its_order(
            writes in proptest::collection::vec((0u8..3, any::<bool>()), 0..60),
            readings in proptest::collection::vec((0usize..20, 0usize..20, 0usize..20), 0..10),
        ) {
            let records: Vec<(u64, Ring, [u8; 2])> = (1u64..)
                .zip(&writes)
                .map(|(time, (thread, bulk))| {
                    let ring = if *bulk { Ring::Bulk } else { Ring::Control };
                    (time, ring, [*thread, time as u8])
                })
                .collect();
            let (mut batch, mut now, mut read) = (Batch::default(), 0, [0u64; 2]);
            let mut handed: Vec<[u8; 2]> = Vec::new();
            let end = writes.len();
            for (idle, first, second) in readings.into_iter().chain([(end, 0, 0), (1, 0, 0)]) {
                now += idle;
                batch.begin(now as u64);
                for (at, (ring, later)) in [(Ring::Control, first), (Ring::Bulk, second)].into_iter().enumerate() {
                    now += later;
                    for (time, _, record) in
                        records.iter().filter(|(time, of, _)| *of == ring && *time > read[at] && *time <= now as u64)
                    {
                        batch.push(ring, *time, record);
                    }
                    read[at] = now as u64;
                }
                batch.settle();
                handed.extend(batch.records().map(|record| <[u8; 2]>::try_from(record).unwrap()));
            }
            prop_assert_eq!(handed, records.iter().map(|(_, _, record)| *record).collect::<Vec<_>>());
        }
    }
}
