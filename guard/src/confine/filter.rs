//! The filter of system calls: io_uring_setup(2) and bpf(2) fail with `EPERM`, whatever table their numbers are looked up in, and
//! every other call is let through. What requests do can be told, and not refused; and by bpf(2) root could take the guard's
//! programs off their hooks.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, sock_filter, sock_fprog,
};
use std::io;
use std::mem::offset_of;
use wire::Confinement;

/// The call, in the tables of 64 bits and of 32 alike.
const IO_URING_SETUP: u32 = 425;
/// bpf(2), in each of them.
const PROGRAMS: (u32, u32) = (321, 357);
/// No call's number.
const NONE: u32 = u32::MAX;
/// `AUDIT_ARCH_I386`: the table of 32 bits, include/uapi/linux/audit.h
const NARROW: u32 = 0x4000_0003;
/// What marks a number of the x32 table, arch/x86/include/uapi/asm/unistd.h
const X32: u32 = 0x4000_0000;
const REFUSED: u32 = SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();

/// The filter: `rings` and the others are numbers of calls that are refused. Numbers of 32 bits are other calls'.
const fn program(rings: u32, wide: u32, narrow: u32) -> [sock_filter; 10] {
    #[expect(clippy::cast_possible_truncation, reason = "offsets in a structure of 64 bytes")]
    const PLACES: [u32; 2] =
        [offset_of!(libc::seccomp_data, nr) as u32, offset_of!(libc::seccomp_data, arch) as u32];
    let [number, table] = PLACES;
    [
        instruction(BPF_LD | BPF_W | BPF_ABS, table, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, NARROW, 0, 2),
        instruction(BPF_LD | BPF_W | BPF_ABS, number, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, narrow, 4, 3),
        instruction(BPF_LD | BPF_W | BPF_ABS, number, 0, 0),
        instruction(BPF_ALU | BPF_AND | BPF_K, !X32, 0, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, wide, 1, 0),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, rings, 0, 1),
        instruction(BPF_RET | BPF_K, REFUSED, 0, 0),
        instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0),
    ]
}

/// Installs it in the calling thread.
pub(super) fn apply(confinement: Confinement) -> io::Result<()> {
    let [rings, wide, narrow] = [
        (confinement.rings, IO_URING_SETUP),
        (confinement.programs, PROGRAMS.0),
        (confinement.programs, PROGRAMS.1),
    ]
    .map(|(refuses, number)| if refuses { number } else { NONE });
    let mut program = program(rings, wide, narrow);
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let described = sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the description and the program outlive the call, which copies both.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&described))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `jt` and `jf`: how many instructions are passed over where what is loaded is `k`, and where it is not.
#[expect(
    clippy::cast_possible_truncation,
    reason = "codes have two bytes; the header has them as numbers of four"
)]
const fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
