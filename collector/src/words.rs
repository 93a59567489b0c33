//! Arrays of words whose memory the kernel programs share: they write them too, so that a word that is written back through
//! a system call would undo theirs.

use crate::Error;
use abi::Bit;
use aya::Ebpf;
use aya::maps::{Map, MapData};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

/// An array of words in the kernel side, mapped.
pub(crate) struct Words {
    words: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the words are only reached through atomic operations, and the mapping belongs to this value alone.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps the array `name`, of `len` words. The mapping keeps the map alive.
    pub(crate) fn take(bpf: &mut Ebpf, name: &'static str, len: u32) -> Result<Self, Error> {
        let Some(Map::Array(map)) = bpf.take_map(name) else { return Err(Error::Incomplete(name)) };
        Self::of(&map, name, len)
    }

    /// Maps an array that may be another process'.
    pub(crate) fn of(map: &MapData, name: &'static str, len: u32) -> Result<Self, Error> {
        let len = len as usize;
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
        if let Some(word) = self.word(bit.word) {
            word.fetch_or(bit.mask, Ordering::SeqCst);
        }
    }

    /// A word; `None` beyond the array.
    pub(crate) fn word(&self, index: u32) -> Option<&AtomicU64> {
        self.all().get(index as usize)
    }

    /// The bits that are set.
    pub(crate) fn bits(&self) -> Vec<u32> {
        let words = self.all().iter().zip(0u32..);
        let words =
            words.map(|(word, index)| (word.load(Ordering::SeqCst), index)).filter(|(word, _)| *word != 0);
        words
            .flat_map(|(word, index)| {
                (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| index * 64 + bit)
            })
            .collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is of `len` aligned words, and lives as long as this value.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "an error leaves a mapping behind, which is no harm"
        )]
        // SAFETY: mapped in `take`, of this length.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.len * 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_process_and_every_inode_has_a_bit_in_the_array() {
        let last = Bit::of_process(abi::MAX_PIDS - 1);
        assert_eq!(last, Bit { word: abi::MAX_PIDS / 64 - 1, mask: 1 << 63 });
        let inodes = [0, 1, 2, u64::from(u32::MAX), u64::MAX].into_iter().chain((0..64).map(|bit| 1 << bit));
        assert!(inodes.into_iter().all(|inode| Bit::of_inode(inode).word < abi::LABEL_BITS / 64));
    }

    #[test]
    fn inodes_in_a_row_share_no_bit() {
        let bits: HashSet<(u32, u64)> =
            (1_000_000..1_010_000).map(Bit::of_inode).map(|bit| (bit.word, bit.mask)).collect();
        assert_eq!(bits.len(), 10_000);
    }
}
