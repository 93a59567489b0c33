//! What the models read: an event made abstract.

use crate::{Reach, Token};
use bstr::BString;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The root of the places of abstract unix sockets.
pub const ABSTRACT: &str = "$abstract";

/// Where an operation reached: a path from the general to the particular, with the session's own places made
/// symbolic, so that the same place in another workspace or home is the same place.
///
/// Files: `$workspace/..` (what git keeps for itself there is `$workspace/.git/$state`), `$home/..`, `$tmp/..`, or the
/// components of the path behind `/`; below `$unmounted` what lies in a file system that is mounted for the session alone.
/// Addresses: `$net4` and four octets, or `$net6` and eight groups, then the port. Where the name of the host
/// counts, `$host` in place of its address: the labels of the name from the last to the first, then a colon and the port. A
/// listener outside the session on this machine's loopback: `$local` and the port, or `$picked` for those that the kernel
/// picks. Abstract unix sockets: `$abstract` and the name. Below `$kept` the directories in
/// which the agent keeps its own state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// How it was reached for.
    pub reach: Reach,
    /// From the general to the particular; never empty.
    pub components: Arc<[BString]>,
}

/// Who says that a place was reached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The kernel, of the object itself.
    Kernel,
    /// The kernel's copy of the name by which it found a script and started it. A recording is believed: the name teaches. A
    /// session that is guarded opens nothing with it: it is decided about the files that the name leads to.
    Name,
    /// The session alone. It raises surprise, and neither teaches nor is decided about.
    Session,
}

/// An event as the models read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Thread: n-grams are kept for each.
    pub tid: u32,
    /// The event, made abstract.
    pub token: Token,
    /// Part of the session's action stream.
    pub action: bool,
    /// Where it reached, for what succeeded or was refused by Wardline; `None` where there is no place, where nothing was reached (the
    /// name did not exist), and for what the session itself had made.
    pub place: Option<Place>,
    /// A place that only a claimed path names: raises surprise, never teaches.
    pub claimed: bool,
    /// The other place that it reached for, and who says so: the script that was started, where `place` is its interpreter;
    /// the name that a rename made; the file that a link was made of.
    pub second: Option<(Place, Said)>,
    /// The directories of which it says that the agent keeps its own state there, as places below [`KEPT`](crate::state::KEPT).
    pub keeps: Vec<Place>,
    /// Thread that was made: it inherits this thread's context.
    pub child: Option<u32>,
    /// The thread ended.
    pub ended: bool,
}
