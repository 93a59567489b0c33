//! The way in for the fuzz target of ring records.

use crate::decode::decode;
use crate::decoded::Decoded;
use crate::join::Join;
use crate::resolve::Resolver;
use abi::Header;
use event::Captured;
use std::cell::RefCell;

thread_local! {
    static RESOLVER: RefCell<Resolver> = RefCell::new(Resolver::new());
}

/// Decodes the records that lie one behind another, each as long as its head says, and joins them; returns how many added
/// up. A length that cannot be is mended, so that what lies behind it is reached.
pub fn records(mut bytes: &[u8]) -> usize {
    let mut join = Join::default();
    let (mut decoded, mut told) = (0, 0);
    RESOLVER.with_borrow_mut(|resolver| {
        // As it came: the length may lie.
        let _ = decode(bytes, resolver);
        while bytes.len() >= size_of::<Header>() {
            let said = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
            let (record, rest) = bytes.split_at(said.clamp(size_of::<Header>(), bytes.len()));
            bytes = rest;
            let mut record = record.to_vec();
            let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
            record[4..8].copy_from_slice(&length.to_le_bytes());
            let Some(mut what) = decode(&record, resolver) else { continue };
            decoded += 1;
            if let Decoded::Dns(_, asked) = what {
                let Some(asked) = asked else { continue };
                what = Decoded::Captured(Captured::Event(asked));
            }
            // Two threads are enough to be joined, or kept apart.
            join.take(0, u32::from(record[8] & 1), what, &mut |_, _| told += 1);
        }
    });
    join.expire(u64::MAX, &mut |_, _| told += 1);
    assert!(told <= 2 * decoded, "{told} are told of {decoded} records");
    decoded
}
