//! What the benchmark compares with from below: the least that a collector in the kernel can cost.
//!
//! `floor` writes one record of 256 bytes for each system call of one user, and knows no path, no session and no
//! lineage. The `empty_*` programs are for the hooks that Wardline's programs sit on, and do nothing.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "`core::sync::atomic` has no operations for this target")]

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::bpf_get_current_uid_gid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr, map, raw_tracepoint};
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use aya_ebpf::programs::{RawTracePointContext, SkBuffContext, SockAddrContext, SockContext};
use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr::{addr_of, read_volatile};

/// Words of a record: 256 bytes.
const WORDS: usize = 32;
/// `BPF_RB_NO_WAKEUP`: the reader looks every 10 ms.
const NO_WAKEUP: u64 = 1;

/// Whose system calls are recorded; set before loading.
#[unsafe(no_mangle)]
static USER: u32 = u32::MAX;

/// The ring; user space sets the real size.
#[map]
static RECORDS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);
/// Records that found no room.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// `TP_PROTO(struct pt_regs *regs, long ret)`
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn floor(ctx: RawTracePointContext) -> i32 {
    // SAFETY: a global that user space set before the program was loaded.
    if bpf_get_current_uid_gid() as u32 != unsafe { read_volatile(addr_of!(USER)) } {
        return 0;
    }
    let Some(mut record) = RECORDS.reserve::<[u64; WORDS]>(0) else {
        if let Some(lost) = LOST.get_ptr_mut(0) {
            // SAFETY: points into a map, aligned, and valid while the program runs.
            unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(lost, 1) };
        }
        return 0;
    };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    record.write([ctx.arg::<u64>(1); WORDS]);
    // SAFETY: written just before.
    let words = unsafe { record.assume_init_mut() };
    words[0] = bpf_get_current_pid_tgid();
    words[1] = now;
    record.submit(NO_WAKEUP);
    0
}

/// Nothing, for whichever tracepoint.
#[raw_tracepoint]
pub fn empty_tracepoint(_: RawTracePointContext) -> i32 {
    0
}

/// Passes every packet.
#[cgroup_skb]
pub fn empty_packet(_: SkBuffContext) -> i32 {
    1
}

/// Allows every `connect(2)` of IPv4.
#[cgroup_sock_addr(connect4)]
pub fn empty_connect4(_: SockAddrContext) -> i32 {
    1
}

/// Allows every `connect(2)` of IPv6.
#[cgroup_sock_addr(connect6)]
pub fn empty_connect6(_: SockAddrContext) -> i32 {
    1
}

/// Allows every datagram of IPv4.
#[cgroup_sock_addr(sendmsg4)]
pub fn empty_sendmsg4(_: SockAddrContext) -> i32 {
    1
}

/// Allows every datagram of IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn empty_sendmsg6(_: SockAddrContext) -> i32 {
    1
}

/// Allows every socket.
#[cgroup_sock(sock_create)]
pub fn empty_sock_create(_: SockContext) -> i32 {
    1
}

/// Needed by `no_std`; the verifier refuses programs in which it could be reached.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Most of the helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
