//! Ring records. Each starts with a [`Header`]; its `len` covers the fixed body and the variable tail.
//!
//! Paths travel as names, leaf first, each behind a one-byte length (0 stands for 256 and never occurs: names have
//! 1 to 255 bytes), up to the root of the superblock; [`FileFacts::names_len`] says how many bytes they take.

use crate::FileKey;

/// Kinds of records, `Header::kind`.
pub mod kind {
    /// A process was made. [`super::Fork`]
    pub const FORK: u16 = 1;
    /// A program was started. [`super::Exec`], names of the executable, argument bytes
    pub const EXEC: u16 = 2;
    /// A thread ended. [`super::Exit`]
    pub const EXIT: u16 = 3;
    /// A system call returned, and no [`super::File`] says so. [`super::Syscall`]
    pub const SYSCALL: u16 = 4;
    /// An operation on a file that the kernel resolved. [`super::File`], names, names of the second file
    pub const FILE: u16 = 5;
    /// An operation on a path that only the caller named. [`super::Claimed`], names of the base, path bytes
    pub const CLAIMED: u16 = 6;
    /// An operation on a socket. [`super::Net`], names of a unix socket
    pub const NET: u16 = 7;
    /// An operation on another process or on a kernel interface. [`super::Kernel`]
    pub const KERNEL: u16 = 8;
    /// An inode that a system call on paths has changed, as the kernel itself says. [`super::Touched`], names
    pub const TOUCHED: u16 = 11;
    /// A packet that names a host: a DNS message, or the beginning of a TLS connection. [`super::Packet`], payload
    pub const PACKET: u16 = 12;
}

/// `Verdict::stage`: nothing was decided.
pub const STAGE_NONE: u8 = 0;
/// `Verdict::stage`: the static deny-list.
pub const STAGE_T0: u8 = 1;
/// `Verdict::stage`: the compiled baseline.
pub const STAGE_T1: u8 = 2;
/// `Verdict::stage`: the score.
pub const STAGE_T2: u8 = 3;

/// `Verdict::means`: a BPF LSM hook returned -EPERM.
pub const MEANS_LSM: u8 = 1;
/// `Verdict::means`: a fanotify permission event was answered with a denial.
pub const MEANS_FANOTIFY: u8 = 2;
/// `Verdict::means`: a cgroup socket hook returned -EPERM.
pub const MEANS_CGROUP: u8 = 3;
/// `Verdict::means`: the process was killed before it came back from the call.
pub const MEANS_KILL: u8 = 4;
/// `Verdict::means`: the session was frozen.
pub const MEANS_FREEZE: u8 = 5;
/// `Verdict::means`: what the command was given before its first instruction refused it: a filter of system calls, or a
/// Landlock domain.
pub const MEANS_CONFINEMENT: u8 = 6;

/// `Verdict::flags`: the operation was really refused (without it: it would have been, in a shadow session).
pub const VERDICT_REFUSED: u16 = 1 << 0;

wire! {
    /// The head of every record.
    pub struct Header: 48 {
        /// Kind of the record.
        pub kind: u16,
        /// CPU that wrote it.
        pub cpu: u16,
        /// Bytes of the whole record.
        pub len: u32,
        /// Place in this CPU's sequence of this ring; a gap is a loss.
        pub seq: u64,
        /// CLOCK_BOOTTIME, ns.
        pub time_ns: u64,
        /// Index into `SESSIONS`.
        pub session: u32,
        /// Segment of the session.
        pub segment: u32,
        /// Process.
        pub tgid: u32,
        /// Thread.
        pub tid: u32,
        /// System call that is running, or `u32::MAX`.
        pub syscall: u32,
        /// Zero.
        pub pad: u32,
    }

    /// What a stage decided of an operation.
    pub struct Verdict: 8 {
        /// `STAGE_*`
        pub stage: u8,
        /// `MEANS_*`
        pub means: u8,
        /// `VERDICT_*`
        pub flags: u16,
        /// Reason of the label.
        pub reason: u32,
    }

    /// What the kernel knows of a file.
    pub struct FileFacts: 32 {
        /// The file; of a name that does not exist yet, its directory.
        pub file: FileKey,
        /// `inode.i_mode`, 0 where there is no inode yet.
        pub mode: u32,
        /// `inode.i_nlink`
        pub nlink: u32,
        /// `inode.i_uid`
        pub uid: u32,
        /// Bytes of names in the tail.
        pub names_len: u16,
        /// Non-zero when the walk or the space ended before the root: the path is cut at its upper end.
        pub cut: u16,
    }

    /// [`kind::FORK`]
    pub struct Fork: 72 {
        /// Head; `tgid` and `tid` are the parent's.
        pub header: Header,
        /// The child.
        pub child_tgid: u32,
        /// The child.
        pub child_tid: u32,
        /// Start of the child's thread group, CLOCK_BOOTTIME, ns.
        pub start_ns: u64,
        /// 1 when the child is inside the session; 0: the member map was full.
        pub member: u32,
        /// `FORK_*`
        pub flags: u32,
    }

    /// [`kind::EXEC`]; the tail is the names of the executable, then `args_len` bytes of arguments, then the names of
    /// `base` and `script_len` bytes.
    pub struct Exec: 136 {
        /// Head.
        pub header: Header,
        /// The executable as mapped: for a script, its interpreter.
        pub exe: FileFacts,
        /// What was decided.
        pub verdict: Verdict,
        /// Bytes of arguments in the tail: NUL-separated, from the new program's stack (claimed).
        pub args_len: u32,
        /// Non-zero when there were more argument bytes.
        pub args_cut: u32,
        /// Zero.
        pub pad: u32,
        /// Bytes of the script's path, as the caller named it (claimed); 0 where no interpreter was needed.
        pub script_len: u32,
        /// Where a relative path of a script starts; all zero where no interpreter was needed.
        pub base: FileFacts,
    }

    /// [`kind::EXIT`]
    pub struct Exit: 56 {
        /// Head.
        pub header: Header,
        /// `task.exit_code`
        pub code: u32,
        /// 1 when it was the last thread of its process.
        pub group_dead: u32,
    }

    /// [`kind::SYSCALL`]
    pub struct Syscall: 64 {
        /// Head; `syscall` is its number.
        pub header: Header,
        /// What it returned.
        pub ret: i64,
        /// 1 for a 32-bit call.
        pub compat: u32,
        /// Zero.
        pub pad: u32,
    }

    /// [`kind::FILE`]
    pub struct File: 144 {
        /// Head.
        pub header: Header,
        /// `op::*`
        pub op: u16,
        /// Non-zero when the record came from a hook before the operation: `ret` is then the verdict, 0 or -EPERM.
        pub before: u16,
        /// Access bits.
        pub access: u32,
        /// What it returned.
        pub ret: i32,
        /// `O_*` flags of an open, mode of a chmod.
        pub detail: u32,
        /// The file.
        pub file: FileFacts,
        /// The second file of a rename or link; all zero without one.
        pub second: FileFacts,
        /// What was decided.
        pub verdict: Verdict,
        /// `CALL_*`: whether the record stands for the end of its system call, too, which then has none of its own.
        pub call: u32,
        /// Zero.
        pub pad: u32,
    }

    /// [`kind::CLAIMED`]; the tail is the names of `base`, `path_len` bytes, the names of `second_base`, and `second_len` bytes. Of a request
    /// through io_uring, the paths are the kernel's copies of the caller's.
    pub struct Claimed: 152 {
        /// Head.
        pub header: Header,
        /// `op::*`
        pub op: u16,
        /// `REQUEST_*`
        pub request: u16,
        /// Access bits.
        pub access: u32,
        /// What it returned.
        pub ret: i32,
        /// `O_*` flags of an open, mode of a chmod.
        pub detail: u32,
        /// Where a relative path starts: working directory or directory descriptor.
        pub base: FileFacts,
        /// Where a relative second path starts. Zero: where the first does.
        pub second_base: FileFacts,
        /// Bytes of the path.
        pub path_len: u16,
        /// Bytes of the second path.
        pub second_len: u16,
        /// Zero.
        pub pad: u32,
        /// [`Touched::call`] of what this call, or request, has changed; 0: nothing, or nothing was looked for.
        pub call: u64,
        /// What the static stage says to what the call has changed, once it has.
        pub verdict: Verdict,
    }

    /// [`kind::TOUCHED`]; the tail is the names. Written while the call runs: a name as it was then, or is afterwards.
    pub struct Touched: 96 {
        /// Head.
        pub header: Header,
        /// When the call changed the first inode, CLOCK_BOOTTIME, ns: with the thread, which call it was. Of a request through
        /// io_uring, when it was made, and [`CALL_OF_REQUEST`]: with the process, which one it was.
        pub call: u64,
        /// 0: as it stood while the call changed it. 1: as it stands when the call ends.
        pub after: u32,
        /// Zero.
        pub pad: u32,
        /// The file.
        pub file: FileFacts,
    }

    /// [`kind::NET`]; the tail is the names of a unix socket's file (or of `base`, see `claimed_len`), then `name_len`
    /// bytes, then `claimed_len` bytes.
    pub struct Net: 136 {
        /// Head.
        pub header: Header,
        /// `op::*`
        pub op: u16,
        /// `AF_*`
        pub family: u16,
        /// `SOCK_*`
        pub kind: u16,
        /// Port in host byte order.
        pub port: u16,
        /// `IPPROTO_*`
        pub protocol: u32,
        /// What it returned.
        pub ret: i32,
        /// Address; IPv4 is v4-mapped.
        pub addr: [u8; 16],
        /// A unix socket's file; all zero for an abstract or unnamed one. Of an Internet address, the inode number of the
        /// socket that listens there, if that is on this machine; nothing else. With `claimed_len`, where a relative path of
        /// the claimed address starts.
        pub file: FileFacts,
        /// What was decided.
        pub verdict: Verdict,
        /// Non-zero when the record came from a hook before the operation.
        pub before: u32,
        /// Bytes of a unix socket's abstract name, as the kernel holds it, NUL at its head.
        pub name_len: u16,
        /// Bytes of the `sockaddr` that the caller gave, where the kernel holds none (claimed).
        pub claimed_len: u16,
        /// The process that listens on the other side, or has connected; 0 where it is not known.
        pub peer: u32,
        /// 1 when that process is inside the same session.
        pub peer_inside: u32,
    }

    /// [`kind::KERNEL`]
    pub struct Kernel: 88 {
        /// Head.
        pub header: Header,
        /// `op::*`
        pub op: u16,
        /// Non-zero when the record came from a hook before the operation.
        pub before: u16,
        /// What it returned.
        pub ret: i32,
        /// First argument of the call; of SIGNAL and PTRACE, the target's tgid.
        pub first: u64,
        /// Second argument of the call; of SIGNAL, the signal; of PTRACE, the request or mode.
        pub second: u64,
        /// 1 when the target is inside the same session.
        pub inside: u32,
        /// Non-zero when the target is the number that the caller gave, since no such process was found.
        pub claimed: u32,
        /// What was decided.
        pub verdict: Verdict,
    }

    /// [`kind::PACKET`]; the tail is the payload, from its first byte on. The thread is the one that connected the socket
    /// or sent by it, whoever runs when the packet passes.
    pub struct Packet: 96 {
        /// Head.
        pub header: Header,
        /// The socket: a number that no other one gets before the machine is started anew.
        pub socket: u64,
        /// The socket's network namespace, likewise (`SO_NETNS_COOKIE`).
        pub netns: u64,
        /// The other side; IPv4 is v4-mapped.
        pub remote: [u8; 16],
        /// Port of the other side, in host byte order.
        pub remote_port: u16,
        /// Port of this side, in host byte order.
        pub local_port: u16,
        /// `IPPROTO_*`
        pub protocol: u16,
        /// 1: it was received; 0: it was sent.
        pub incoming: u16,
        /// Bytes of payload in the tail.
        pub payload_len: u32,
        /// Non-zero when there was more payload.
        pub cut: u32,
    }
}

/// `File::call`: the call has, or had, a record of its own; or there is no call.
pub const CALL_APART: u32 = 0;
/// `File::call`: the end of a 64-bit call, which returned `ret`.
pub const CALL_ENDS: u32 = 1;
/// `File::call`: the end of a 32-bit call, which returned `ret`.
pub const CALL_ENDS_32: u32 = 2;

/// `Claimed::request`: the end of a system call.
pub const REQUEST_NONE: u16 = 0;
/// `Claimed::request`: a request through io_uring was made. What comes of it is told by another record with the same `call`.
pub const REQUEST_MADE: u16 = 1;
/// `Claimed::request`: likewise; where it succeeds, a hook tells it.
pub const REQUEST_HOOKED: u16 = 2;
/// `Claimed::request`: it has ended. There is no path.
pub const REQUEST_ENDED: u16 = 3;
/// `Claimed::request`: it has ended, and another record has told how. There is no path.
pub const REQUEST_TOLD: u16 = 4;
/// Set in the `call` of a request through io_uring.
pub const CALL_OF_REQUEST: u64 = 1 << 63;

/// `Fork::flags`: the child has namespaces of its own.
pub const FORK_NAMESPACES: u32 = 1 << 0;
/// `Fork::flags`: the child is in another cgroup.
pub const FORK_CGROUP: u32 = 1 << 1;

/// Index into the loss counters: the scratch buffers of a CPU were all in use. Otherwise a record's kind is its index.
pub const LOSS_SCRATCH: u32 = 9;
/// Index into the loss counters: a process could not be taken into the member map.
pub const LOSS_MEMBER: u32 = 10;
/// Index into the loss counters: what a record was to tell of could not be read, so that it was not written.
pub const LOSS_UNREADABLE: u32 = 13;
/// Length of the array of loss counters.
pub const LOSSES: u32 = 14;
/// `Loss::kind` of records that are missing from the sequence and in no counter: told by the reader.
pub const LOSS_UNCOUNTED: u32 = LOSSES;
