//! The processes outside that a session has reached.

use super::pipes::Pipes;
use crate::delegates::Who;
use event::Fate;
use std::collections::{HashMap, HashSet};

/// What is remembered of them while the session runs.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Where each stands in the report.
    pub(super) places: HashMap<(Who, String, Fate), usize>,
    /// Those that were asked about and are neither agents nor helpers.
    pub(super) harmless: HashSet<Who>,
    /// Who has connected to a process that is asked about.
    pub(super) makers: HashMap<Who, Vec<u32>>,
    pub(super) pipes: Pipes,
}
