//! The filter of system calls: these fail with `EPERM` by their number, in the tables of 64 bits and of 32, and every other
//! one is let through.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, sock_filter, sock_fprog,
};
use std::io;
use std::mem::offset_of;
use wire::Confinement;

/// `AUDIT_ARCH_*`, include/uapi/linux/audit.h
const ARCH_64: u32 = 0xc000_003e;
const ARCH_32: u32 = 0x4000_0003;
/// What marks a number of the x32 table, arch/x86/include/uapi/asm/unistd.h
const X32: u32 = 0x4000_0000;

/// A call, by its numbers in the two tables.
#[derive(Clone, Copy)]
struct Call(u32, u32);

/// io_uring_setup(2): what its requests do can be told, and not refused.
const RINGS: &[Call] = &[Call(425, 425)];
/// process_vm_readv(2), process_vm_writev(2) and pidfd_getfd(2), where no domain tells a session's own processes from others.
/// Debuggers do without.
const MEMORY: &[Call] = &[Call(310, 347), Call(311, 348), Call(438, 438)];

/// Installs it in the calling thread.
pub(super) fn apply(confinement: Confinement) -> io::Result<()> {
    let mut refused = Vec::new();
    if confinement.rings {
        refused.extend(RINGS);
    }
    if confinement.others && !confinement.domain {
        refused.extend(MEMORY);
    }
    if refused.is_empty() {
        return Ok(());
    }
    let mut program = program(&refused);
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let described = sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the description and the program outlive the call, which copies both.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&described))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// By the architecture, then by the number.
fn program(refused: &[Call]) -> Vec<sock_filter> {
    let mut program = vec![load(offset_of!(libc::seccomp_data, arch))];
    let tables = [(ARCH_64, (|call| call.0) as fn(&Call) -> u32), (ARCH_32, |call| call.1)];
    for (architecture, number) in tables {
        let calls = refused.iter().flat_map(|call| {
            [skip_one_unless(number(call)), answer(SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs())]
        });
        let mut table = vec![load(offset_of!(libc::seccomp_data, nr)), without(X32)];
        table.extend(calls);
        table.push(answer(SECCOMP_RET_ALLOW));
        // The table is passed over by a jump of its own, since a conditional one reaches less far.
        program.push(instruction(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
        program.push(instruction(BPF_JMP | BPF_K, table.len() as u32, 0, 0));
        program.extend(table);
    }
    program.push(answer(SECCOMP_RET_ALLOW));
    program
}

fn load(offset: usize) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0)
}

fn without(bits: u32) -> sock_filter {
    instruction(BPF_ALU | BPF_AND | BPF_K, !bits, 0, 0)
}

fn skip_one_unless(value: u32) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)
}

fn answer(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: u32 = SECCOMP_RET_ERRNO | libc::EPERM as u32;

    /// What the program answers to a call, by the instructions that it uses.
    fn asked(program: &[sock_filter], arch: u32, nr: u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => loaded = [nr, arch][step.k as usize / 4],
                code if code == BPF_ALU | BPF_AND | BPF_K => loaded &= step.k,
                code if code == BPF_JMP | BPF_JEQ | BPF_K => {
                    at += usize::from(if loaded == step.k { step.jt } else { step.jf });
                }
                code if code == BPF_JMP | BPF_K => at += step.k as usize,
                code if code == BPF_RET | BPF_K => return step.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn a_call_is_refused_by_its_number_in_each_table() {
        let all: Vec<Call> = RINGS.iter().chain(MEMORY).copied().collect();
        let program = program(&all);
        for (arch, nr, answer) in [
            (ARCH_64, 425, DENIED),
            (ARCH_32, 425, DENIED),
            (ARCH_64, 425 | X32, DENIED),
            (ARCH_64, 426, SECCOMP_RET_ALLOW),
            (ARCH_64, 310, DENIED),
            (ARCH_32, 310, SECCOMP_RET_ALLOW),
            (ARCH_32, 348, DENIED),
            (ARCH_64, 348, SECCOMP_RET_ALLOW),
            (ARCH_64, 438, DENIED),
            (ARCH_64, 1, SECCOMP_RET_ALLOW),
            (0x1234, 425, SECCOMP_RET_ALLOW),
        ] {
            assert_eq!(asked(&program, arch, nr), answer, "{arch:#x} {nr}");
        }
    }
}
