//! Records: put together in a buffer of this CPU, numbered, written to a ring, and counted when they are lost.

use crate::atomic;
use crate::dentry;
use crate::hold;
use crate::maps::{BULK, BUSY, CONTROL, LOST, SCRATCH, SCRATCH_LEN, SCRATCHES, SEQUENCE, SESSIONS};
use crate::offsets;
use crate::read::{Address, clear, opaque};
use crate::task::Inside;
use abi::{
    CALL_APART, Claimed, File, FileFacts, HELD_LOST, Header, LOSS_SCRATCH, LOSS_UNREADABLE, NO_ARG,
    SESSION_ENFORCE, SESSION_SCORED, SESSION_WATCHED, STAGE_NONE, STAGE_T0, Syscall, VERDICT_REFUSED,
    Verdict, kind,
};
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::{
    bpf_ktime_get_boot_ns, bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user,
    bpf_probe_read_user_str,
};
use core::mem::{offset_of, size_of};

const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;

/// Which ring, and whether its reader is woken.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Urgency {
    /// Control ring, reader woken: everything decided.
    Control,
    /// Control ring; the reader is woken when a score is being kept: fork, exec, exit.
    Lineage,
    /// Bulk ring; the reader is woken when a score is being kept.
    Operation,
    /// Bulk ring; read within the drain interval.
    Sequence,
}

/// One of this CPU's buffers, until [`Buffer::submit`] or [`Buffer::discard`].
#[derive(Clone, Copy)]
pub struct Buffer {
    base: *mut u8,
    slot: u32,
}

/// Counts a record that was not written.
#[inline(always)]
pub fn lose(kind: u32) {
    if let Some(counter) = LOST.get_ptr_mut(kind) {
        atomic::fetch_add(counter, 1);
    }
}

/// Takes a free buffer of this CPU and returns its slot; [`SCRATCHES`], counted, when all are in use. Global linkage: see
/// [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn claim() -> u64 {
    if let Some(busy) = BUSY.get_ptr_mut(0) {
        for slot in 0..SCRATCHES {
            let bit = 1u64 << slot;
            if atomic::fetch_or(busy, bit) & bit == 0 {
                return u64::from(slot);
            }
        }
    }
    lose(LOSS_SCRATCH);
    u64::from(SCRATCHES)
}

/// Gives a buffer back.
#[inline(always)]
fn release(slot: u64) {
    if let Some(busy) = BUSY.get_ptr_mut(0) {
        atomic::fetch_and(busy, !(1u64 << (slot & 31)));
    }
}

/// Writes a head, with the time and the processor.
///
/// # Safety
/// `place` has room for a head.
#[inline(always)]
unsafe fn write_head(place: *mut Header, head: Header) {
    // SAFETY: the caller's promise; helpers without preconditions.
    unsafe {
        let (cpu, time_ns) = (bpf_get_smp_processor_id() as u16, bpf_ktime_get_boot_ns());
        place.write(Header { cpu, time_ns, ..head });
    }
}

/// Tells the end of a system call, or that of a thread in one that has none. The most frequent record by far, and always of
/// one length: written in place.
#[inline(always)]
pub fn tell_syscall(inside: &Inside, number: u32, ret: i64, compat: bool) {
    let Some(sequence) = SEQUENCE.get_ptr_mut(1) else { return };
    let seq = atomic::fetch_add(sequence, 1);
    let Some(mut entry) = BULK.reserve::<Syscall>(0) else { return lose(u32::from(kind::SYSCALL)) };
    let head = Header {
        kind: kind::SYSCALL,
        cpu: 0,
        len: size_of::<Syscall>() as u32,
        seq,
        time_ns: 0,
        session: inside.slot,
        segment: inside.session().segment,
        tgid: inside.tgid,
        tid: inside.tid,
        syscall: number,
        pad: 0,
    };
    let record: *mut Syscall = entry.as_mut_ptr();
    // SAFETY: the entry is a record, and this program's own until it is submitted.
    unsafe {
        write_head(&raw mut (*record).header, head);
        (*record).ret = ret;
        (*record).compat = u32::from(compat);
        (*record).pad = 0;
    }
    entry.submit(NO_WAKEUP);
}

/// Completes the head of the record in buffer `slot`, writes `len` bytes to the ring, and gives the buffer back. `what` is
/// the kind, and above it the [`Urgency`]; `thread` is tgid and tid, `place` the session's slot and the system call,
/// each the upper and the lower half. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn submit(slot: u64, len: u64, what: u64, thread: u64, place: u64) -> u64 {
    let (kind, urgency) = (what as u16, what >> 16);
    let session = (place >> 32) as u32;
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let is_control = urgency == Urgency::Control as u64 || urgency == Urgency::Lineage as u64;
    let ring = if is_control { 0 } else { 1 };
    let sequence = SEQUENCE.get_ptr_mut(ring);
    let state = SESSIONS.get_ptr(session);
    let (Some(sequence), Some(state)) = (sequence, state) else {
        release(slot);
        return 0;
    };
    // SAFETY: arrays are never freed while the program runs.
    let (segment, scored) = unsafe { ((*state).segment, (*state).flags & SESSION_SCORED != 0) };
    let len = len as usize & (SCRATCH_LEN - 1);
    let head = Header {
        kind,
        cpu: 0,
        len: len as u32,
        seq: atomic::fetch_add(sequence, 1),
        time_ns: 0,
        session,
        segment,
        tgid: (thread >> 32) as u32,
        tid: thread as u32,
        syscall: place as u32,
        pad: 0,
    };
    // SAFETY: the buffer is larger than a head, and this program's own until it is given back.
    unsafe { write_head(scratch.cast(), head) };
    // SAFETY: `len` is masked to the buffer's length.
    let bytes = unsafe { core::slice::from_raw_parts(scratch.cast::<u8>(), len) };
    let wakes = urgency == Urgency::Control as u64 || urgency != Urgency::Sequence as u64 && scored;
    let wake = if wakes { FORCE_WAKEUP } else { NO_WAKEUP };
    let written =
        if is_control { CONTROL.output::<[u8]>(bytes, wake) } else { BULK.output::<[u8]>(bytes, wake) };
    if written.is_err() {
        lose(u32::from(kind));
        if urgency == Urgency::Control as u64 {
            hold::hold(session, HELD_LOST);
        }
        // The end of the call that it stood for is lost with it, and has a number of its own as any record.
        // SAFETY: the buffer is larger than a record.
        if kind == kind::FILE && unsafe { (*scratch.cast::<File>()).call } != CALL_APART {
            atomic::fetch_add(sequence, 1);
            lose(u32::from(kind::SYSCALL));
        }
    }
    release(slot);
    0
}

impl Buffer {
    /// Takes a free buffer; `None`, counted, when all are in use.
    #[inline(always)]
    pub fn claim() -> Option<Buffer> {
        let slot = claim() as u32;
        let base = SCRATCH.get_ptr_mut(slot)?;
        Some(Buffer { base: base.cast(), slot })
    }

    /// The fixed part of the record.
    #[inline(always)]
    pub fn record<T>(&self) -> *mut T {
        self.base.cast()
    }

    /// Its number.
    #[inline(always)]
    pub fn slot(&self) -> u64 {
        u64::from(self.slot)
    }

    /// The bytes behind `len`.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Writes the facts of a dentry to byte `at` of the record, and appends its names. Returns the new length; `None` where
    /// the dentry could not be read.
    #[inline(always)]
    pub fn append_file(&self, at: usize, len: usize, dentry: Address) -> Option<usize> {
        let answer = dentry::append_file(u64::from(self.slot), at as u64, len as u64, dentry.0);
        if answer == 0 { None } else { Some(answer as usize & (SCRATCH_LEN - 1)) }
    }

    /// The same of where a relative path starts: at a descriptor, or in the working directory.
    #[inline(always)]
    pub fn append_start(&self, at: usize, len: usize, descriptor: u64) -> Option<usize> {
        let answer = dentry::append_start(u64::from(self.slot), at as u64, len as u64, descriptor);
        if answer == 0 { None } else { Some(answer as usize & (SCRATCH_LEN - 1)) }
    }

    /// The same of where a second path starts, which a call has no argument `place` for where it starts as the first one does.
    #[inline(always)]
    pub fn append_second_start(&self, len: usize, place: u8, descriptor: u64) -> Option<usize> {
        if place == NO_ARG {
            return Some(len);
        }
        self.append_start(offset_of!(Claimed, second_base), len, descriptor)
    }

    /// Appends a path of kernel memory behind `len` bytes. Returns its length without the NUL; 0 where there is none.
    #[inline(always)]
    pub fn append_kernel_path(&self, len: usize, path: Address) -> u32 {
        append_kernel_path(u64::from(self.slot), len as u64, path.0) as u32 & (PATH_LEN - 1)
    }

    /// Appends the abstract name of a unix socket behind `len` bytes. Returns its length; 0 where it has none.
    #[inline(always)]
    pub fn append_name(&self, len: usize, sk: Address) -> u32 {
        if sk.is_null() {
            return 0;
        }
        append_name(u64::from(self.slot), len as u64, sk.0) as u32 & (ADDRESS_LEN - 1)
    }

    /// Appends a `sockaddr` behind `len` bytes. Returns its length; 0 where there is none to read.
    #[inline(always)]
    pub fn append_address(&self, len: usize, said: Said) -> u32 {
        if said.address == 0 {
            return 0;
        }
        let of_kernel = if said.of_kernel { OF_KERNEL } else { 0 };
        let size = u64::from(said.len) | of_kernel;
        append_address(u64::from(self.slot), len as u64, said.address, size) as u32 & (ADDRESS_LEN - 1)
    }

    /// Gives the buffer back, of a record whose object could not be read, and counts that.
    #[inline(always)]
    pub fn discard(self) {
        lose(LOSS_UNREADABLE);
        release(u64::from(self.slot));
    }

    /// Completes the head, writes `len` bytes to the ring, and gives the buffer back.
    #[inline(always)]
    pub fn submit(self, kind: u16, inside: &Inside, syscall: u32, len: usize, urgency: Urgency) {
        let what = u64::from(kind) | (urgency as u64) << 16;
        let thread = u64::from(inside.tgid) << 32 | u64::from(inside.tid);
        let place = u64::from(inside.slot) << 32 | u64::from(syscall);
        submit(u64::from(self.slot), len as u64, what, thread, place);
    }
}

/// Bytes of a path that a record carries at most, its NUL included.
pub const PATH_LEN: u32 = 4096;

/// Appends a path of user memory to the record in a slot, behind `len` bytes. Returns its length without the NUL; 0 where it
/// cannot be read. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_path(slot: u64, len: u64, path: u64) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let place = len as usize & (SCRATCH_LEN - 1);
    if place > SCRATCH_LEN - PATH_LEN as usize - 512 {
        return 0;
    }
    // SAFETY: a whole path fits behind `place`.
    let read = unsafe {
        bpf_probe_read_user_str(scratch.cast::<u8>().add(place).cast(), PATH_LEN, path as *const _)
    };
    if read > 0 { read as u64 - 1 } else { 0 }
}

/// See [`Buffer::append_kernel_path`]. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_kernel_path(slot: u64, len: u64, path: u64) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let place = len as usize & (SCRATCH_LEN - 1);
    if place > SCRATCH_LEN - PATH_LEN as usize - 512 {
        return 0;
    }
    // SAFETY: a whole path fits behind `place`.
    let read = unsafe {
        bpf_probe_read_kernel_str(scratch.cast::<u8>().add(place).cast(), PATH_LEN, path as *const _)
    };
    if read > 0 { read as u64 - 1 } else { 0 }
}

/// Bytes of an address that a record carries at most, and one: the largest that anybody means is a `sockaddr_un` of 110.
const ADDRESS_LEN: u32 = 128;

/// See [`Buffer::append_name`]. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_name(slot: u64, len: u64, sk: u64) -> u64 {
    /// `sun_family`
    const FAMILY: u32 = 2;
    let Some(address) = Address(sk).follow(offsets::unix_addr()) else { return 0 };
    let Some(size) = address.word(offsets::unix_addr_len()) else { return 0 };
    let name = Address(address.0.wrapping_add(offsets::unix_addr_name() as u64 + u64::from(FAMILY)));
    // A name with a file behind it says no more than the file.
    if size <= FAMILY || size - FAMILY >= ADDRESS_LEN || name.get::<u8>(0) != Some(0) {
        return 0;
    }
    let size = opaque(size - FAMILY) & (ADDRESS_LEN - 1);
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let place = len as usize & (SCRATCH_LEN - 1);
    if place > SCRATCH_LEN - 512 {
        return 0;
    }
    // SAFETY: `place` is at least 512 bytes before the end of the buffer, and the name has fewer than 128.
    let failed =
        unsafe { bpf_probe_read_kernel(scratch.cast::<u8>().add(place).cast(), size, name.0 as *const _) };
    if failed == 0 { u64::from(size) } else { 0 }
}

/// A `sockaddr` that a caller gave.
#[derive(Clone, Copy)]
pub struct Said {
    /// Where it lies; 0: there is none.
    pub address: u64,
    /// Bytes of it.
    pub len: u32,
    /// It is the kernel's copy.
    pub of_kernel: bool,
}

impl Said {
    /// There is none.
    pub const NOTHING: Said = Said { address: 0, len: 0, of_kernel: false };

    /// In the caller's memory.
    #[inline(always)]
    pub fn of_caller(address: u64, len: u32) -> Said {
        Said { address, len, of_kernel: false }
    }
}

/// Set in a size: the address is of kernel memory.
const OF_KERNEL: u64 = 1 << 32;

/// See [`Buffer::append_address`]. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_address(slot: u64, len: u64, address: u64, size: u64) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    let place = len as usize & (SCRATCH_LEN - 1);
    let address_len = size & !OF_KERNEL;
    if address_len >= u64::from(ADDRESS_LEN) || place > SCRATCH_LEN - 512 {
        return 0;
    }
    let bytes = opaque(address_len as u32) & (ADDRESS_LEN - 1);
    // SAFETY: as above; the helpers check the source.
    let failed = unsafe {
        let to = scratch.cast::<u8>().add(place).cast();
        if size & OF_KERNEL != 0 {
            bpf_probe_read_kernel(to, bytes, address as *const _)
        } else {
            bpf_probe_read_user(to, bytes, address as *const _)
        }
    };
    if failed == 0 { u64::from(bytes) } else { 0 }
}

/// What is told of an operation on a file.
#[derive(Clone, Copy)]
pub struct FileOperation {
    /// `op::*`
    pub op: u16,
    /// Access bits.
    pub access: u32,
    /// What it returned.
    pub ret: i32,
    /// See [`File::detail`].
    pub detail: u32,
    /// Told before the operation.
    pub before: bool,
    /// System call, or `u32::MAX`.
    pub syscall: u32,
    /// See [`File::call`].
    pub call: u32,
}

/// Writes a [`kind::FILE`] record. A refusal goes to the control ring. `None`: there was nothing to write, which is counted.
#[inline(always)]
pub fn tell_file(
    inside: &Inside,
    operation: &FileOperation,
    dentry: Address,
    second: Option<Address>,
    verdict: &Verdict,
) -> Option<()> {
    let written = write_file(inside, operation, dentry, second, verdict);
    if written.is_none() {
        hold::lost(inside, verdict);
    }
    written
}

#[inline(always)]
fn write_file(
    inside: &Inside,
    operation: &FileOperation,
    dentry: Address,
    second: Option<Address>,
    verdict: &Verdict,
) -> Option<()> {
    let buffer = Buffer::claim()?;
    let record: *mut File = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = operation.op;
        (*record).before = u16::from(operation.before);
        (*record).access = operation.access;
        (*record).ret = operation.ret;
        (*record).detail = operation.detail;
        clear::<FACTS_WORDS>((&raw mut (*record).second).cast());
        (*record).verdict = *verdict;
        (*record).call = operation.call;
        (*record).pad = 0;
    }
    let Some(mut len) = buffer.append_file(offset_of!(File, file), size_of::<File>(), dentry) else {
        buffer.discard();
        return None;
    };
    if let Some(second) = second {
        let Some(end) = buffer.append_file(offset_of!(File, second), len, second) else {
            buffer.discard();
            return None;
        };
        len = end;
    }
    let urgency = if verdict.stage == 0 { Urgency::Operation } else { Urgency::Control };
    buffer.submit(kind::FILE, inside, operation.syscall, len, urgency);
    Some(())
}

/// Words of facts; all zero: no file.
pub const FACTS_WORDS: usize = size_of::<FileFacts>() / 8;

/// A decision as the record and the caller need it: what was decided, by what means, and whether it counts.
#[inline(always)]
pub fn verdict(inside: &Inside, stage: u8, reason: u32, means: u8) -> Verdict {
    let flags = inside.session().flags;
    let only_watches = stage != STAGE_T0 && flags & SESSION_WATCHED != 0;
    let refused = stage != STAGE_NONE && flags & SESSION_ENFORCE != 0 && !only_watches;
    Verdict {
        stage,
        means: if stage == 0 { 0 } else { means },
        flags: if refused { VERDICT_REFUSED } else { 0 },
        reason,
    }
}
