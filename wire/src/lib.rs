//! Messages between Wardline's processes, and those that are kept in files: requests and replies of the control socket,
//! notices, a session's report.
//!
//! A frame is a head of eight bytes (`WL`, the protocol's version, the length of the body, little-endian) and a body in
//! MessagePack. Descriptors travel with the first byte of a frame. A reader bounds what it takes, since the other side
//! may be anybody: [`MAX_REQUEST_BYTES`] and [`MAX_REPLY_BYTES`].
//!
//! Must never decide, and never know how a process does what it says here.

mod confinement;
mod error;
mod fold;
mod frame;
mod frozen;
mod notice;
mod peer;
mod reply;
mod report;
mod request;
pub mod teller;
mod timing;
mod way;

pub use confinement::Confinement;
pub use error::Error;
pub use fold::Fold;
pub use frame::{Patience, Received, named, receive, receive_within, send, terse};
pub use frozen::{Frozen, GoOn};
pub use notice::{Kind, Notice};
pub use peer::{Delegate, Peer, PeerKind};
pub use reply::{Finished, Ready, Refused, Reply, Running, TookRules, Why};
pub use report::{DENIALS_MAX, Denial, Freeze, KeyUse, Repeated, Report};
pub use request::{Action, Begin, READING_COMMANDS, Request};
pub use timing::{Lag, Latency};
pub use way::{End, Ground, Way};

/// Version of the protocol. Client and supervisor are one binary, so that only a supervisor that outlived an upgrade
/// can differ: it is refused with a plain message.
pub const PROTOCOL: u16 = 7;
/// Bytes of the longest request: an argument list is the longest thing in one, and Linux allows 128 KiB for one
/// argument; a command line beyond a mebibyte is refused.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Bytes of the longest reply: a report with the first thousand denials of a session.
pub const MAX_REPLY_BYTES: usize = 16 << 20;
