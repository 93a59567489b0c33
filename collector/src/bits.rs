//! Sets of bits that the kernel programs look at before anything dearer. The map's memory is shared with them, since they
//! set bits too: a word that is written back would undo theirs.

use crate::Error;
use abi::Bit;
use aya::Ebpf;
use aya::maps::Map;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

/// An array of words in the kernel side, mapped.
pub(crate) struct Bits {
    words: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the words are only reached through atomic operations, and the mapping belongs to this value alone.
unsafe impl Send for Bits {}
// SAFETY: as above.
unsafe impl Sync for Bits {}

impl Bits {
    /// Maps the array `name`, of `bits` bits. The mapping keeps the map alive.
    pub(crate) fn take(bpf: &mut Ebpf, name: &'static str, bits: u32) -> Result<Self, Error> {
        let Some(Map::Array(map)) = bpf.take_map(name) else { return Err(Error::Incomplete(name)) };
        let len = bits as usize / 64;
        let mapped = |source: rustix::io::Errno| Error::Io {
            what: format!("mapping the map {name}"),
            source: source.into(),
        };
        let (read_write, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a mapping at a place of the kernel's choice; nothing else knows it.
        let words = unsafe { mmap(null_mut(), len * 8, read_write, shared, map.fd().as_fd(), 0) };
        let words = words.map_err(mapped)?.cast();
        Ok(Self { words: NonNull::new(words).ok_or(Error::Incomplete(name))?, len })
    }

    /// Sets a bit. One beyond the array has no effect: the programs take it for set.
    pub(crate) fn set(&self, bit: Bit) {
        // SAFETY: the mapping is of `len` aligned words, and lives as long as this value.
        let words = unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) };
        if let Some(word) = words.get(bit.word as usize) {
            word.fetch_or(bit.mask, Ordering::SeqCst);
        }
    }
}

impl Drop for Bits {
    fn drop(&mut self) {
        // SAFETY: mapped in `take`, of this length. An error leaves a mapping behind.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.len * 8) };
    }
}
