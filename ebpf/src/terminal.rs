//! What a program types into a terminal: whoever reads there next takes it for what a person has typed, as the shell does once a
//! session has ended or stands still.

use crate::read::Address;
use crate::syscall::{SIGKILL, argument};
use crate::task::Inside;
use crate::{hold, offsets};
use abi::{REASON_TYPED, SESSION_ENFORCE};
use aya_ebpf::helpers::generated::bpf_send_signal;

/// Ends a process that has typed, and holds its session: the next byte may come from another one.
#[inline(always)]
pub fn typed(inside: &Inside, regs: Address, number: u32, ret: i64, compat: bool) {
    /// In the table of 64-bit calls, and in that of 32-bit ones.
    const IOCTL: (u32, u32) = (16, 54);
    /// include/uapi/asm-generic/ioctls.h: `TIOCSTI` pushes a byte into the input, `TIOCLINUX` pastes what was selected.
    const TYPES: (u64, u64) = (0x5412, 0x541c);
    if ret != 0 || number != if compat { IOCTL.1 } else { IOCTL.0 } {
        return;
    }
    let place = if compat { offsets::regs_second_32() } else { offsets::regs_second() };
    let request = argument(regs, place as u8, compat);
    if request != Some(TYPES.0) && request != Some(TYPES.1) {
        return;
    }
    if inside.session().flags & SESSION_ENFORCE != 0 {
        hold::hold(inside.slot, REASON_TYPED);
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}
