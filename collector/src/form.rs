//! How to read the arguments of one system call: a plan for each form in which calls name what they act on.

use abi::{NO_ARG, Plan, access as a, form, op};

pub(crate) const NONE: u8 = NO_ARG;

/// Acts on a path, relative to a directory descriptor or the working directory.
pub(crate) const fn path(op: u16, dir: u8, path: u8, access: u32) -> Plan {
    Plan { op, form: form::PATH, dir, path, second_dir: NONE, second: NONE, detail: NONE, access }
}

/// Acts on two paths.
pub(crate) const fn paths(op: u16, dir: u8, first: u8, second_dir: u8, second: u8, access: u32) -> Plan {
    Plan { op, form: form::PATH, dir, path: first, second_dir, second, detail: NONE, access }
}

/// Acts on a descriptor.
pub(crate) const fn fd(op: u16, access: u32) -> Plan {
    Plan { op, form: form::FD, dir: 0, path: NONE, second_dir: NONE, second: NONE, detail: NONE, access }
}

/// Told by its first two arguments.
pub(crate) const fn raw(op: u16) -> Plan {
    Plan { op, form: form::RAW, dir: 0, path: NONE, second_dir: NONE, second: 1, detail: NONE, access: 0 }
}

pub(crate) const fn open(dir: u8, path: u8, detail: u8) -> Plan {
    Plan { op: op::OPEN, form: form::OPEN, dir, path, second_dir: NONE, second: NONE, detail, access: 0 }
}

pub(crate) const fn socket(op: u16, form: u8) -> Plan {
    Plan { op, form, dir: 0, path: NONE, second_dir: NONE, second: NONE, detail: NONE, access: 0 }
}

pub(crate) const fn with_detail(mut plan: Plan, detail: u8) -> Plan {
    plan.detail = detail;
    plan
}

/// Mounts at a path. The second argument is a descriptor of what is mounted, where there is one.
pub(crate) const fn mount(dir: u8, at: u8, second: u8, detail: u8) -> Plan {
    Plan {
        op: op::MOUNT,
        form: form::MOUNT,
        dir,
        path: at,
        second_dir: NONE,
        second,
        detail,
        access: a::MOUNT,
    }
}

/// Acts on a socket descriptor and an address.
pub(crate) const fn address(op: u16) -> Plan {
    Plan { path: 1, second: 2, ..socket(op, form::SOCKET) }
}

/// mmap, with the places of the descriptor and of the protection.
pub(crate) const fn map(fd: u8, protection: u8) -> Plan {
    Plan {
        op: op::MAP_EXEC,
        form: form::MAP,
        dir: fd,
        path: NONE,
        second_dir: NONE,
        second: NONE,
        detail: protection,
        access: a::EXEC,
    }
}

/// An open with flags of its own.
pub(crate) const CREAT: Plan = Plan { access: a::WRITE | a::TRUNC, ..open(NONE, 0, NONE) };
/// Sends several messages, which its having a `detail` says: how many were asked for.
pub(crate) const SENDMMSG: Plan = Plan { path: 1, detail: 2, ..socket(op::SEND, form::SEND) };
/// Changes the root directory.
pub(crate) const ROOT: Plan = Plan { form: form::ROOT, ..path(op::CHROOT, NONE, 0, a::MOUNT) };
/// Makes a file that has no name.
pub(crate) const MEMFD: Plan =
    Plan { form: form::MADE, ..fd(op::CREATE, a::CREATE | a::NEW | a::READ | a::WRITE) };
/// Sets a system call filter, by the number for that.
pub(crate) const PRCTL: Plan = Plan { form: form::PRCTL, ..raw(op::SECCOMP) };
/// Never returns.
pub(crate) const LAST: Plan = Plan { form: form::LAST, ..raw(op::EXIT) };
