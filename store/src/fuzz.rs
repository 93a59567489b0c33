//! The ways in for the fuzz targets of blobs.

use crate::operation::Block;
use crate::{chunk, operation};

/// Unpacks a chunk of system calls and packs it again; whether the bytes are one.
pub fn chunk(first_ns: u64, last_ns: u64, count: usize, body: &[u8]) -> bool {
    let Ok(mut calls) = chunk::unpack(1, first_ns, last_ns, count, body) else { return false };
    assert_eq!(calls.len(), count);
    let Some(again) = chunk::pack(&mut calls) else { return true };
    let twice = chunk::unpack(1, again.first_ns, again.last_ns, again.calls, &again.body);
    assert_eq!(twice.as_ref(), Ok(&calls));
    true
}

/// Unpacks a block of operations and packs it again; whether the bytes are one.
pub fn block(id: i64, count: i64, body: &[u8]) -> bool {
    let Ok(stored) = operation::unpack(id, count, body) else { return false };
    let mut block = Block::new(id);
    for operation in &stored {
        block.push(&operation.event, operation.object, operation.second);
    }
    assert_eq!(block.count, usize::try_from(count).unwrap_or(usize::MAX));
    let again = operation::unpack(id, count, &block.body).unwrap_or_default();
    assert_eq!(again.len(), stored.len());
    for (one, other) in stored.iter().zip(&again) {
        assert_eq!((one.number, one.object, one.second), (other.number, other.object, other.second));
        assert_eq!(one.event, other.event);
    }
    true
}
