//! Terminals. What a program types into one, whoever reads there next takes for what a person has typed, as the shell does once a
//! session has ended or stands still; and what a person types into another one is not for the session.

use crate::call::{SIGKILL, argument};
use crate::read::Address;
use crate::task::{self, Inside};
use crate::{dentry, hold, lent, offsets};
use abi::{HELD_TYPED, SESSION_ENFORCE};
use aya_ebpf::helpers::generated::bpf_send_signal;

/// Processes above the current one whose terminals are looked at, itself included.
const ANCESTORS: u32 = 12;

/// Whether a file that is opened is a terminal of somebody else: what is typed there would be read, and what is written shown. A
/// terminal that the current process, or one above it, was handed is its own; so is one that nobody controls yet. Global
/// linkage: see [`crate::dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_others(file: u64, dentry: u64, slot: u64) -> u64 {
    u64::from(whose(file, Address(dentry), slot).unwrap_or(false))
}

#[inline(always)]
fn whose(file: u64, dentry: Address, slot: u64) -> Option<bool> {
    const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
    let magic: u64 = dentry.follow(offsets::dentry_sb())?.get(offsets::sb_magic())?;
    if magic != DEVPTS_SUPER_MAGIC {
        return None;
    }
    // Here the file system keeps the terminal behind a name; of the multiplexer, nothing.
    let terminal = dentry.follow(offsets::dentry_fsdata())?;
    // The terminal of the current process, or of one above it, is where the session runs.
    let mut task = task::task();
    let mut i = 0;
    while i < ANCESTORS {
        let own = task.follow(offsets::task_signal()).and_then(|signal| signal.follow(offsets::signal_tty()));
        if own == Some(terminal) {
            return None;
        }
        task = task.follow(offsets::task_parent())?;
        i += 1;
    }
    let leader = terminal.follow(offsets::tty_session())?.word(offsets::pid_number())?;
    if task::find(leader, 0).is_some_and(|leader| u64::from(leader.slot) == slot) {
        return None;
    }
    Some(lent::has(file, dentry::inode(dentry)?.0, 0, slot) == 0)
}

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
