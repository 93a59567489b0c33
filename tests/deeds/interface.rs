//! Interfaces of the kernel.

use super::file::owned;
use super::tools::{Deed, call};

pub(super) const DEEDS: &[Deed] = &[
    // BPF_PROG_GET_NEXT_ID, from the last one on.
    ("bpf", |_| {
        let attributes = [u32::MAX, 0, 0, 0];
        call!(libc::SYS_bpf, 11, attributes.as_ptr(), size_of_val(&attributes)).map(drop)
    }),
    // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, of this process.
    ("perf_event_open", |_| {
        let mut attributes = [0u32; 16];
        (attributes[0], attributes[1], attributes[2]) = (1, 64, 9);
        call!(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0).and_then(owned).map(drop)
    }),
    ("keyctl", |_| call!(libc::SYS_keyctl, 0, -3, 0).map(drop)),
    ("userfaultfd", |_| call!(libc::SYS_userfaultfd, libc::O_CLOEXEC).and_then(owned).map(drop)),
    ("finit_module", |_| call!(libc::SYS_finit_module, -1, c"".as_ptr(), 0).map(drop)),
    ("seccomp", |_| {
        // SECCOMP_GET_ACTION_AVAIL
        let action = libc::SECCOMP_RET_ALLOW;
        call!(libc::SYS_seccomp, 2, 0, &raw const action).map(drop)
    }),
    ("prctl, seccomp", |_| call!(libc::SYS_prctl, libc::PR_SET_SECCOMP, 2, 0, 0, 0).map(drop)),
];
