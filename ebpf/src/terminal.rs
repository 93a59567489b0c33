//! What a program types into a terminal: whoever reads there next takes it for what a person has typed, as the shell does once a
//! session has ended or stands still.

use crate::call::{SIGKILL, argument};
use crate::read::Address;
use crate::task::Inside;
use crate::{hold, offsets};
use abi::{HELD_TYPED, SESSION_ENFORCE};
use aya_ebpf::helpers::generated::bpf_send_signal;

/// Ends a process that has typed, and holds its session: the next byte may come from another one.
#[inline(always)]
pub fn typed(inside: &Inside, regs: Address, number: u32, ret: i64, compat: bool) {
    /// In the table of 64-bit calls, and in those of 32-bit and of x32 ones.
    const IOCTL: (u32, u32, u32) = (16, 54, 0x4000_0000 | 514);
    /// include/uapi/asm-generic/ioctls.h: `TIOCSTI` pushes a byte into the input, `TIOCLINUX` pastes what was selected.
    const TYPES: (u32, u32) = (0x5412, 0x541c);
    let is_ioctl = if compat { number == IOCTL.1 } else { number == IOCTL.0 || number == IOCTL.2 };
    if ret != 0 || !is_ioctl {
        return;
    }
    let place = if compat { offsets::regs_second_32() } else { offsets::regs_second() };
    // The kernel takes an `unsigned int`, whatever stands above it in the register.
    let request = argument(regs, place as u8, true).map(|request| request as u32);
    if request != Some(TYPES.0) && request != Some(TYPES.1) {
        return;
    }
    if inside.session().flags & SESSION_ENFORCE != 0 {
        hold::hold(inside.slot, HELD_TYPED);
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}
