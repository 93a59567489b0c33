//! Named pipes that the session has opened. What is written into one is read by somebody, who may take it for commands: one that
//! nobody inside has read leads outside.

use crate::delegates::Who;
use event::{Access, Event, Object, Op, Outcome};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Pipes that are remembered.
const PIPES_MAX: usize = 256;
/// By then who was to read inside has opened it, too, and that was told.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pipe of which is not known yet who reads it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) object: Object,
    /// Who has opened it to write, and could only since somebody had it to read.
    pub(super) writers: Vec<u32>,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Pipes {
    opened: HashMap<Who, Opened>,
    /// Those that somebody inside has opened to read.
    read: HashSet<Who>,
    /// There were too many of these: who has read what was written is not known any more.
    forgotten: bool,
}

impl Pipes {
    /// Something was opened: which pipe it was, if one with a name.
    pub(super) fn opened(&mut self, event: &Event) -> Option<Who> {
        const S_IFMT: u32 = 0o170_000;
        const S_IFIFO: u32 = 0o010_000;
        let Object::File(file) = &event.object else { return None };
        if event.op != Op::Open || file.mode & S_IFMT != S_IFIFO || file.is_anonymous_pipe() {
            return None;
        }
        if !matches!(event.outcome, Outcome::Done(_)) || event.fate().is_some() {
            return None;
        }
        let who = file.key.map(|key| Who::Pipe(key.dev, key.ino))?;
        if event.access.contains(Access::READ) {
            // Without room nothing is known of the oldest, and so of none: see `unread`.
            self.forgotten |= self.read.len() >= PIPES_MAX && !self.read.contains(&who);
            if !self.forgotten {
                self.read.insert(who);
            }
        }
        if self.opened.len() < PIPES_MAX || self.opened.contains_key(&who) {
            let (object, writers, at) = (event.object.clone(), Vec::new(), Instant::now());
            let pipe = self.opened.entry(who).or_insert(Opened { object, writers, at });
            // Shells that tell each other something have one open for both: that is told, and no more.
            let writes = event.access.contains(Access::WRITE) && !event.access.contains(Access::READ);
            if writes && pipe.writers.len() < PIPES_MAX {
                pipe.writers.push(event.pid);
            }
        }
        Some(who)
    }

    /// Forgets one: it is known who reads it.
    pub(super) fn take(&mut self, who: Who) -> Option<Opened> {
        self.opened.remove(&who)
    }

    /// One that was written a while ago, and that nobody inside has read. Forgets it, and those that somebody has.
    pub(super) fn unread(&mut self, now: Instant) -> Option<(Who, Opened)> {
        if self.forgotten {
            self.opened.clear();
        }
        if self.opened.is_empty() {
            return None;
        }
        let is_due = |pipe: &Opened| now.duration_since(pipe.at) >= PATIENCE;
        self.opened.retain(|who, pipe| !is_due(pipe) || !pipe.writers.is_empty() && !self.read.contains(who));
        let who = *self.opened.iter().find(|(_, pipe)| is_due(pipe))?.0;
        self.opened.remove(&who).map(|pipe| (who, pipe))
    }

    /// All that were written, and that nobody inside has read.
    pub(super) fn take_unread(&mut self) -> Vec<(Who, Opened)> {
        let Self { opened, read, forgotten } = self;
        if *forgotten {
            opened.clear();
        }
        let unread = |(who, pipe): &(Who, Opened)| !pipe.writers.is_empty() && !read.contains(who);
        opened.drain().filter(unread).collect()
    }
}
