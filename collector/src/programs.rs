//! The kernel programs by name: where each goes, and which of them a kernel may lack. Those of LSM hooks: [`HOOKS`].

use crate::Error;
use crate::hooks::HOOKS;
use aya::Ebpf;
use aya::programs::{Program, ProgramError};

/// Raw tracepoint programs, and where they go.
pub(crate) const TRACEPOINTS: &[(&str, &str)] = &[
    ("fork", "sched_process_fork"),
    ("exec", "sched_process_exec"),
    ("exit", "sched_process_exit"),
    ("sys_exit", "sys_exit"),
];
/// Programs at the beginning of a function of the kernel, which it may lack, and the function.
pub(crate) const FUNCTIONS: &[(&str, &str)] = &[("unix_listens", "unix_listen")];
/// Programs that answer questions; never attached.
pub(crate) const QUESTIONS: &[&str] = &["identify", "judge"];
/// Programs in which the end of a system call, or of a request through io_uring, goes on, by `abi::form`.
pub(crate) const FORMS: &[(&str, u8)] = &[
    ("ended_path", abi::form::PATH),
    ("ended_fd", abi::form::FD),
    ("ended_map", abi::form::MAP),
    ("ended_bind", abi::form::BIND),
    ("ended_socket", abi::form::SOCKET),
    ("ended_accept", abi::form::ACCEPT),
    ("ended_raw", abi::form::RAW),
    ("ended_send", abi::form::SEND),
    ("ended_root", abi::form::ROOT),
    ("ended_mount", abi::form::MOUNT),
    ("ended_made", abi::form::MADE),
    ("ended_socketcall", abi::form::SOCKETCALL),
    ("completed_open", abi::form::REQUEST_OPEN),
    ("completed_path", abi::form::REQUEST_PATH),
    ("completed_file", abi::form::REQUEST_FILE),
    ("completed_socket", abi::form::REQUEST_SOCKET),
    ("completed_accept", abi::form::REQUEST_ACCEPT),
];
/// Raw tracepoint programs that a kernel may have no place for, and the places, of which each that exists is taken.
pub(crate) const TRACEPOINTS_MORE: &[(&str, &[&str])] = &[
    ("signal", &["signal_generate"]),
    ("io_request", &["io_uring_submit_req", "io_uring_submit_sqe"]),
    (CHANGED, &["inode_set_ctime_to_ts", "ctime_ns_xchg", "ctime_xchg_skip"]),
    (DATA_READY, &["sk_data_ready"]),
    ("tcp_listens", &["inet_sock_set_state"]),
    (IO_COMPLETE, &["io_uring_complete"]),
    ("io_failed", &["io_uring_req_failed"]),
];
/// Says which inodes a call changes: only where no LSM hook does.
pub(crate) const CHANGED: &str = "changed";
/// Says whom a datagram has reached: only where no LSM hook decides that.
pub(crate) const DATA_READY: &str = "data_ready";
/// Says what came of requests through io_uring: only with arguments that are known.
pub(crate) const IO_COMPLETE: &str = "io_complete";
/// cgroup programs, and the hooks that they are for.
pub(crate) const CGROUPS: &[(&str, &str)] = &[
    ("connect4", "cgroup/connect4"),
    ("connect6", "cgroup/connect6"),
    ("sendmsg4", "cgroup/sendmsg4"),
    ("sendmsg6", "cgroup/sendmsg6"),
    ("sock_create", "cgroup/sock_create"),
    ("sock_release", "cgroup/sock_release"),
    (INGRESS, "cgroup_skb/ingress"),
    ("egress", "cgroup_skb/egress"),
];
/// Sees packets that are received; the other one, those that are sent.
pub(crate) const INGRESS: &str = "ingress";

/// A program of the object, as one of its kind.
pub(crate) fn program<'a, P>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let known = TRACEPOINTS
        .iter()
        .map(|(name, _)| name)
        .chain(FORMS.iter().map(|(name, _)| name))
        .chain(TRACEPOINTS_MORE.iter().map(|(name, _)| name))
        .chain(FUNCTIONS.iter().map(|(name, _)| name))
        .chain(QUESTIONS)
        .chain(HOOKS.iter().map(|hook| &hook.program));
    let missing = Error::Incomplete(known.copied().find(|known| *known == name).unwrap_or("program"));
    bpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(missing)
}
