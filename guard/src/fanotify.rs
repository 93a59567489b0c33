//! fanotify permission marks: where BPF LSM cannot be had, they refuse an open before it happens.
//!
//! Who answers decides nothing: the kernel side's own walk does, on the descriptor that comes with the event. An error is
//! answered with a denial for members of sessions, and allowed for everybody else. Everything passes once a group is
//! closed, so that somebody must watch [`Marks::alive`].

mod answer;
mod apart;
mod closed;
mod group;
mod here;
mod latency;
mod request;

use nix::sys::fanotify::Fanotify;
use std::os::fd::OwnedFd;

pub use apart::{Start, run as doorkeeper};
pub use closed::{Marked, mark_closed};
pub use group::{Group, Marks};

/// Objects that a session marks, or a policy of one. Each mark pins an inode (about a kibibyte), and each costs a permission
/// event for every open by anybody; 8,192 is what the kernel once allowed a group, and a session's start stays below a second.
pub const MARKS_MAX: usize = 8_192;

/// And so many all sessions of one ordinary user: each takes a descriptor of the supervisor's, who has four times as many.
pub const MARKS_OF_USER: usize = 8 * MARKS_MAX;

/// A group by its descriptor.
fn owned(group: OwnedFd) -> Fanotify {
    // SAFETY: every descriptor that comes here was duplicated, or inherited, from a fanotify group's.
    unsafe { Fanotify::from_owned_fd(group) }
}

#[cfg(test)]
mod tests;
