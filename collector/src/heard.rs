//! Messages of the kernel side.

use crate::dns;
use event::Captured;
use std::net::SocketAddr;

/// What the kernel side says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An operation, a system call, or a loss.
    Captured(Captured),
    /// A DNS message of the session.
    Dns(Dns),
}

/// A DNS message, and the socket by which it came or went. What it says is the other side's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The socket's cookie.
    pub socket: u64,
    /// Cookie of the socket's network namespace.
    pub netns: u64,
    /// Port of this side.
    pub local_port: u16,
    /// The other side.
    pub remote: SocketAddr,
    /// It was received.
    pub incoming: bool,
    /// The message.
    pub message: dns::Message,
}
