//! The filter of system calls: io_uring_setup(2) fails with `EPERM`, whatever table its number is looked up in, and every other
//! call is let through. What requests do can be told, and not refused.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, sock_filter, sock_fprog,
};
use std::io;
use std::mem::offset_of;

/// The call, in the tables of 64 bits and of 32 alike.
const IO_URING_SETUP: u32 = 425;
/// What marks a number of the x32 table, arch/x86/include/uapi/asm/unistd.h
const X32: u32 = 0x4000_0000;
const REFUSED: u32 = SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();

const PROGRAM: [sock_filter; 5] = [
    instruction(BPF_LD | BPF_W | BPF_ABS, offset_of!(libc::seccomp_data, nr) as u32, 0, 0),
    instruction(BPF_ALU | BPF_AND | BPF_K, !X32, 0, 0),
    instruction(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_SETUP, 0, 1),
    instruction(BPF_RET | BPF_K, REFUSED, 0, 0),
    instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0),
];

/// Installs it in the calling thread.
pub(super) fn apply() -> io::Result<()> {
    let mut program = PROGRAM;
    let described = sock_fprog { len: PROGRAM.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the description and the program outlive the call, which copies both.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&described))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `jt` and `jf`: how many instructions are passed over where what is loaded is `k`, and where it is not.
const fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
