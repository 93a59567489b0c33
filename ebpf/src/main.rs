//! Wardline's kernel programs: mechanism and no policy.
//!
//! Observe (raw tracepoints and one function), refuse (LSM and cgroup hooks), and answer questions of user space about its own
//! descriptors. What is refused lies in maps that user space writes; field offsets of the running kernel lie in
//! `.rodata` (rustc emits no CO-RE relocations). Must never believe user memory: paths and arguments of the guarded
//! side are carried as claims, and decide nothing.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "`core::sync::atomic` has no operations for this target")]

mod answer;
mod atomic;
mod beginner;
mod call;
mod change;
mod deadline;
mod decide;
mod dentry;
mod descriptor;
mod door;
mod endpoint;
mod head;
mod hold;
mod itself;
mod lent;
mod lineage;
mod listener;
mod loan;
mod lsm;
mod maps;
mod mount;
mod named;
mod network;
mod number;
mod offsets;
mod packet;
mod peer;
mod process;
mod read;
mod refusal;
mod ring;
mod shared;
mod socket;
mod stray;
mod syscall;
mod task;
mod terminal;
mod touched;
mod uring;
mod worker;

/// Needed by `no_std`; the verifier refuses programs in which it could be reached.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Most of the helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
