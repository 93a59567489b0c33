//! How a system call or a request through io_uring is read.

/// Forms of system calls: what their arguments say about the object. `Plan::form`
pub mod form {
    /// Nothing but the raw sequence.
    pub const NONE: u8 = 0;
    /// Returns a descriptor of what the path named.
    pub const OPEN: u8 = 1;
    /// Acts on a path, or two.
    pub const PATH: u8 = 2;
    /// Acts on a file descriptor.
    pub const FD: u8 = 3;
    /// mmap: descriptor and protection.
    pub const MAP: u8 = 4;
    /// Acts on a socket descriptor.
    pub const SOCKET: u8 = 5;
    /// Returns a connected socket's descriptor.
    pub const ACCEPT: u8 = 6;
    /// The first two arguments say it.
    pub const RAW: u8 = 7;
    /// Never returns: recorded when its thread ends.
    pub const LAST: u8 = 8;
    /// Sends from a socket, perhaps to an address.
    pub const SEND: u8 = 9;
    /// Changes the root directory.
    pub const ROOT: u8 = 10;
    /// Mounts.
    pub const MOUNT: u8 = 11;
    /// prctl: as `RAW`, where it sets a system call filter.
    pub const PRCTL: u8 = 12;
    /// Returns a descriptor of a file that no open made.
    pub const MADE: u8 = 13;
    /// socketcall: which call, and where its arguments lie.
    pub const SOCKETCALL: u8 = 14;
    /// A request through io_uring for a descriptor of what the path names.
    pub const REQUEST_OPEN: u8 = 15;
    /// A request through io_uring that acts on a path, or two.
    pub const REQUEST_PATH: u8 = 16;
    /// A request through io_uring that acts on an open file.
    pub const REQUEST_FILE: u8 = 17;
    /// A request through io_uring that acts on a socket.
    pub const REQUEST_SOCKET: u8 = 18;
    /// A request through io_uring for a socket's descriptor.
    pub const REQUEST_ACCEPT: u8 = 19;
    /// A request through io_uring to send from a socket, perhaps to an address.
    pub const REQUEST_SEND: u8 = 20;
}

/// `Plan::*`: the system call has no such argument.
pub const NO_ARG: u8 = 0xff;
/// Number of the first 32-bit system call in `PLANS`.
pub const PLANS_32: u32 = 512;
/// Number of the first request through io_uring in `PLANS`.
pub const PLANS_REQUESTS: u32 = 1024;
/// Length of `PLANS`: 512 system calls of the 64-bit table, 512 of the 32-bit one, then 64 requests by their opcodes.
pub const PLANS: u32 = 1088;

wire! {
    /// How to read the arguments of a system call, by the offsets of their registers in `pt_regs`, or those of a request
    /// through io_uring, by their offsets in `struct io_kiocb`; the element type of `PLANS`, whose index is the call's
    /// number.
    pub struct Plan: 12 {
        /// `op::*`
        pub op: u16,
        /// `form::*`
        pub form: u8,
        /// Register with the (first) directory descriptor, or with the descriptor itself.
        pub dir: u8,
        /// Register with the (first) path, or with an address.
        pub path: u8,
        /// Register with the second directory descriptor.
        pub second_dir: u8,
        /// Register with the second path, or with the length of an address; of a request for a descriptor, where it says
        /// that it wants a slot of the ring's own table instead.
        pub second: u8,
        /// Register that `detail` is taken from.
        pub detail: u8,
        /// Access bits.
        pub access: u32,
    }
}
