//! Files as the kernel knows them: identity, facts, and names up to the root of the superblock.

use crate::maps::{SCRATCH, SCRATCH_LEN};
use crate::offsets;
use crate::read::{Address, cast, clear, each, opaque, store};
use crate::task::task;
use abi::{
    FileFacts, FileKey, MAX_DEPTH, NAME_HASH, NAME_LEN, PLACE_FACTOR, PLACE_ROOT, add_to_name_hash,
    component_hash,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

/// Bytes that the names of one path may take.
pub const NAMES_LEN: usize = 4096;
/// Names of one path that are told.
const NAMES: u32 = 512;

/// Identity of an inode.
#[inline(always)]
pub fn key(inode: Address) -> Option<FileKey> {
    let sb = inode.follow(offsets::inode_sb())?;
    Some(FileKey {
        ino: inode.get(offsets::inode_number())?,
        dev: sb.word(offsets::sb_dev())?,
        generation: inode.word(offsets::inode_generation())?,
    })
}

/// The inode of a dentry; `None` for a name that does not exist.
#[inline(always)]
pub fn inode(dentry: Address) -> Option<Address> {
    dentry.follow(offsets::dentry_inode())
}

/// What stands for an object of an overlay in the layer that takes its changes; `None` where nothing does, or it is in no overlay.
#[inline(always)]
pub fn beneath(dentry: Address) -> Option<Address> {
    const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
    if dentry.follow(offsets::dentry_sb())?.get::<u64>(offsets::sb_magic())? != OVERLAYFS_SUPER_MAGIC {
        return None;
    }
    // `struct ovl_inode` keeps it right behind the inode: fs/overlayfs/ovl_entry.h.
    inode(dentry)?.follow(offsets::inode_size())
}

/// The directory of a dentry; the root of a superblock is its own.
#[inline(always)]
pub fn parent(dentry: Address) -> Option<Address> {
    dentry.follow(offsets::dentry_parent())
}

/// Where the name of a dentry is, and its length.
#[inline(always)]
pub fn whole_name(dentry: Address) -> Option<(Address, u32)> {
    Some((dentry.follow(offsets::dentry_name())?, dentry.word(offsets::dentry_name_len())?))
}

/// Reads a name of up to `NAME_LEN - 1` bytes, padded with zeros; false for a longer one. Into the caller's place of
/// `NAME_LEN` bytes, since the stack is small.
#[inline(always)]
pub fn short_name(dentry: Address, name: *mut u64) -> bool {
    // Not by `word` and `follow`, which may be calls: the deepest ones have no room on the stack for another.
    let Some(len) = dentry.get::<u32>(offsets::dentry_name_len()) else { return false };
    let Some(from) = dentry.get::<Address>(offsets::dentry_name()) else { return false };
    if offsets::can_cast() {
        return len != 0 && (len as usize) < NAME_LEN && padded(cast(from.0), len, name);
    }
    // SAFETY: the caller's place of `NAME_LEN` bytes.
    unsafe { clear::<{ NAME_LEN / 8 }>(name) };
    if len == 0 || len as usize >= NAME_LEN {
        return false;
    }
    // SAFETY: `len` is below the array's length; the source may be any address.
    unsafe { bpf_probe_read_kernel(name.cast(), opaque(len) & 31, from.0 as *const _) == 0 }
}

/// [`abi::name_hash`] of a name of up to `NAME_LEN - 1` bytes; `None` for a longer one.
#[inline(always)]
pub fn name_hash(dentry: Address) -> Option<u64> {
    let (hash, len) = first_hash(dentry)?;
    ((len as usize) < NAME_LEN).then_some(hash)
}

/// [`abi::name_hash`] of a name's first `NAME_LEN` bytes, and the length of all of it.
#[inline(always)]
pub fn first_hash(dentry: Address) -> Option<(u64, u32)> {
    let len = dentry.get::<u32>(offsets::dentry_name_len())? as usize;
    let from = dentry.get::<Address>(offsets::dentry_name())?;
    if len == 0 {
        return None;
    }
    let (mut hash, mut i) = (NAME_HASH, 0);
    while i < NAME_LEN / 8 {
        let left = len.saturating_sub(i * 8);
        let at = from.0.wrapping_add(i as u64 * 8);
        let mut word = 0u64;
        if offsets::can_cast() {
            if left != 0 {
                // SAFETY: words of a cast, see there.
                word = unsafe { cast(at).read_volatile() };
            }
            if left < 8 {
                word &= (1 << (left * 8)) - 1;
            }
        } else {
            let to = (&raw mut word).cast();
            // SAFETY: at most eight bytes, to a word of this stack; the source may be any address.
            let failed = unsafe {
                if left >= 8 {
                    bpf_probe_read_kernel(to, 8, at as *const _)
                } else {
                    bpf_probe_read_kernel(to, opaque(left as u32) & 7, at as *const _)
                }
            };
            if failed != 0 {
                return None;
            }
        }
        hash = add_to_name_hash(hash, word);
        i += 1;
    }
    Some((hash, len as u32))
}

/// [`abi::component_hash`] of a dentry's name. Global linkage: see [`append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn component(dentry: u64) -> u64 {
    first_hash(Address(dentry)).map_or(0, |(first, len)| component_hash(first, len))
}

/// A place that is put together from its last name on.
#[repr(C)]
struct Place {
    dentry: u64,
    /// What the names so far come to.
    sum: u64,
    /// What the next one is multiplied with.
    factor: u64,
    /// Non-zero once the root was reached.
    whole: u64,
}

/// Adds one name, a callback of `bpf_loop`. 1 ends it. It reads as `short_name` does: the deepest functions have no room for
/// another.
unsafe extern "C" fn add_component(_: u64, place: *mut Place) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `place` gave it.
    let place = unsafe { &mut *place };
    let dentry = Address(place.dentry);
    let Some(parent) = dentry.get::<u64>(offsets::dentry_parent()) else { return 1 };
    if parent == place.dentry {
        let sb = dentry.get::<Address>(offsets::dentry_sb());
        let root = sb.and_then(|sb| sb.get::<u64>(offsets::sb_root()));
        place.whole = u64::from(root == Some(parent));
        return 1;
    }
    let Some((first, len)) = first_hash(dentry) else { return 1 };
    place.sum = place.sum.wrapping_add(component_hash(first, len).wrapping_mul(place.factor));
    place.factor = place.factor.wrapping_mul(PLACE_FACTOR);
    place.dentry = parent;
    0
}

/// The place of a dentry, by its names from the root of the superblock on ([`abi::place_below`]); 0 where it lies too deep.
/// Global linkage: see [`append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn place(dentry: u64) -> u64 {
    let mut place = Place { dentry, sum: 0, factor: 1, whole: 0 };
    each(MAX_DEPTH, add_component, &mut place);
    if place.whole == 0 { 0 } else { place.sum.wrapping_add(PLACE_ROOT.wrapping_mul(place.factor)) }
}

/// Copies `len` bytes of a name word by word, and zeros up to `NAME_LEN`.
#[inline(always)]
fn padded(from: *const u64, len: u32, name: *mut u64) -> bool {
    let mut i = 0;
    while i < NAME_LEN / 8 {
        let left = (len as usize).saturating_sub(i * 8);
        let mut word = 0;
        if left != 0 {
            // SAFETY: words of a cast, see there.
            word = unsafe { from.add(i).read_volatile() };
        }
        if left < 8 {
            word &= (1 << (left * 8)) - 1;
        }
        // SAFETY: the caller's place of `NAME_LEN` bytes.
        unsafe { name.add(i).write_volatile(word) };
        i += 1;
    }
    true
}

/// Facts of a dentry. A name that does not exist yet has its directory's identity, and mode 0.
#[inline(always)]
pub fn facts(dentry: Address) -> Option<FileFacts> {
    let (inode, exists) = match inode(dentry) {
        Some(inode) => (inode, true),
        None => (self::inode(parent(dentry)?)?, false),
    };
    Some(FileFacts {
        file: key(inode)?,
        mode: if exists { u32::from(inode.get::<u16>(offsets::inode_mode())?) } else { 0 },
        nlink: if exists { inode.word(offsets::inode_nlink())? } else { 0 },
        uid: inode.word(offsets::inode_uid())?,
        names_len: 0,
        cut: 0,
    })
}

/// Names that are being appended.
#[repr(C)]
struct Names {
    buffer: *mut u8,
    dentry: u64,
    at: u64,
    limit: u64,
    /// Non-zero until the root was reached.
    cut: u64,
}

/// Appends one name, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn append(_: u64, names: *mut Names) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `append_file` gave it.
    let names = unsafe { &mut *names };
    let dentry = Address(names.dentry);
    let Some(parent) = parent(dentry) else { return 1 };
    // A file in memory only is its own parent, too, and so is one that a handle has led to past its directories.
    let ends = parent == dentry;
    if ends && is_root(dentry) {
        names.cut = 0;
        return 1;
    }
    let Some(len) = dentry.word(offsets::dentry_name_len()) else { return 1 };
    let Some(from) = dentry.follow(offsets::dentry_name()) else { return 1 };
    let len = len & 0xff;
    let place = names.at as usize & (SCRATCH_LEN - 1);
    if names.at > names.limit || place > SCRATCH_LEN - 512 {
        return 1;
    }
    // SAFETY: `place` is at least 512 bytes before the end of the buffer, and a name has at most 255.
    unsafe {
        let to = names.buffer.add(place);
        *to = len as u8;
        if offsets::can_cast() && len <= WORDWISE {
            copy(to.add(1), cast(from.0), len);
        } else if bpf_probe_read_kernel(to.add(1).cast(), len, from.0 as *const _) != 0 {
            return 1;
        }
    }
    names.at = (place + 1 + len as usize) as u64;
    names.dentry = parent.0;
    i64::from(ends)
}

/// Bytes of the longest name that is copied word by word.
const WORDWISE: u32 = 40;

/// Copies a name of up to [`WORDWISE`] bytes; what lies behind it there is written over by the next one, or not sent.
///
/// # Safety
/// `to` has room for [`WORDWISE`] bytes.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: *const u64, len: u32) {
    // SAFETY: the caller's promise; words of a cast, see there.
    unsafe {
        store(to, from.read_volatile());
        store(to.add(8), from.add(1).read_volatile());
        if len > 16 {
            store(to.add(16), from.add(2).read_volatile());
            store(to.add(24), from.add(3).read_volatile());
            store(to.add(32), from.add(4).read_volatile());
        }
    }
}

/// Whether a dentry is the root of its superblock.
#[inline(always)]
fn is_root(dentry: Address) -> bool {
    dentry.follow(offsets::dentry_sb()).and_then(|sb| sb.follow(offsets::sb_root())) == Some(dentry)
}

/// Writes the facts of a dentry to byte `at` of the record in buffer `slot` of this CPU, and appends its names, leaf first, to
/// the record's `len` bytes. Returns the new length, [`CUT`] set where the walk ended before the root; 0: the dentry could not
/// be read.
///
/// A function with global linkage and plain integers is verified once, by itself: its branches do not multiply with
/// those of every program that calls it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_file(slot: u64, at: u64, len: u64, dentry: u64) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let buffer: *mut u8 = scratch.cast();
    let Some(facts) = facts(Address(dentry)) else { return 0 };
    let at = at as usize & 0xf8;
    let len = len & (SCRATCH_LEN as u64 - 1);
    let limit = len + (NAMES_LEN - 256) as u64;
    let mut names = Names { buffer, dentry, at: len, limit, cut: CUT };
    each(NAMES, append, &mut names);
    let end = names.at & (SCRATCH_LEN as u64 - 1);
    let (names_len, cut) = (end.wrapping_sub(len) as u16, (names.cut >> 32) as u16);
    // SAFETY: `at` is a multiple of eight below 256, and the buffer is far larger.
    unsafe { buffer.add(at).cast::<FileFacts>().write(FileFacts { names_len, cut, ..facts }) };
    end | names.cut
}

/// [`append_file`] of where a relative path starts. A descriptor that names nothing counts as the working directory: it is
/// said to be that, or the call has failed.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_start(slot: u64, at: u64, len: u64, descriptor: u64) -> u64 {
    let start = of_fd(descriptor as i32).map_or_else(working_directory, |(_, dentry)| Some(dentry));
    start.map_or(0, |start| append_file(slot, at, len, start.0))
}

/// No descriptor: the working directory.
pub const NO_DESCRIPTOR: u64 = u64::MAX;

/// Set in the answer of [`append_file`] when names are missing at the upper end.
pub const CUT: u64 = 1 << 32;

/// The dentry behind a descriptor of the current process.
#[inline(always)]
pub fn of_fd(fd: i32) -> Option<(Address, Address)> {
    of_fd_of(task(), fd)
}

/// The dentry behind a descriptor of a task.
#[inline(always)]
pub fn of_fd_of(task: Address, fd: i32) -> Option<(Address, Address)> {
    let file = file_of_fd_of(task, fd)?;
    Some((file, file.follow(offsets::file_dentry())?))
}

/// The `struct file` behind a descriptor of the current process.
#[inline(always)]
pub fn file_of_fd(fd: i32) -> Option<Address> {
    file_of_fd_of(task(), fd)
}

#[inline(always)]
fn file_of_fd_of(task: Address, fd: i32) -> Option<Address> {
    if fd < 0 {
        return None;
    }
    let fdt = task.follow(offsets::task_files())?.follow(offsets::files_fdt())?;
    if fd as u32 >= fdt.word(offsets::fdt_max())? {
        return None;
    }
    // The lowest bits are never set in the table; masking them costs nothing.
    let file = fdt.follow(offsets::fdt_fd())?.follow(fd as usize * 8)?;
    Some(Address(file.0 & !3))
}

/// The current working directory.
#[inline(always)]
pub fn working_directory() -> Option<Address> {
    task().follow(offsets::task_fs())?.follow(offsets::fs_pwd_dentry())
}
