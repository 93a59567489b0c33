//! Live probes: which operation this kernel can refuse, and by what means. Nothing is called guarded without one.
//!
//! A throw-away child is taken into a throw-away session and tries each operation on throw-away files with a label, after
//! another child has shown that the same attempt works outside of a session.

mod attempt;
mod place;

use crate::denylist::no_session;
use crate::fanotify::{Group, Marks};
use crate::walk::{self, Found, Node};
use crate::{Error, reason};
use abi::{Label, access};
use attempt::{Attempt, Outcome};
use collector::Kernel;
use event::{Fate, Means, Tier};
use place::Place;
use std::sync::Arc;

/// What became of one operation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// The operation.
    pub operation: String,
    /// By what it is stopped; `None`: by nothing, or it could not be tried.
    pub means: Option<Means>,
    /// What became of it; `None`: it could not be tried, or ended in a way that proves nothing.
    pub fate: Option<Fate>,
    /// What the caller gets.
    pub errno: Option<i32>,
    /// In words.
    pub note: String,
}

/// Tries everything. The kernel side must be attached, and `slot` free. Takes about a second.
pub fn probe(kernel: &Arc<Kernel>, slot: u32) -> Result<Vec<Row>, Error> {
    let place = Place::new()?;
    let group = match kernel.tier() {
        Tier::Lsm => None,
        Tier::Tracepoint => Some(Group::here(kernel.clone())?),
    };
    let scene = Scene::new(kernel, slot, &place, group)?;
    attempt::ALL.iter().map(|attempt| scene.row(attempt, &place)).collect()
}

/// What is not refused of the least that is asked before a session starts, a read and a connect; `None`: nothing. Takes some
/// milliseconds. `group` is that of the session's marks, where it has any.
pub fn missing(kernel: &Arc<Kernel>, slot: u32, group: Option<Arc<Group>>) -> Result<Option<Row>, Error> {
    let place = Place::new()?;
    let scene = Scene::new(kernel, slot, &place, group)?;
    for attempt in attempt::NEEDED {
        let row = scene.row(attempt, &place)?;
        if row.fate != Some(Fate::Refused) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Whether what was tried is enough for sessions to start.
pub fn is_enough(rows: &[Row]) -> bool {
    let shown = |name: &str| rows.iter().any(|row| row.operation == name && row.fate == Some(Fate::Refused));
    attempt::NEEDED.iter().all(|attempt| shown(attempt.name))
}

/// The throw-away session.
struct Scene<'a> {
    kernel: &'a Kernel,
    slot: u32,
    labels: Vec<abi::FileKey>,
    /// Held for what is marked.
    _marks: Option<Marks>,
}

impl<'a> Scene<'a> {
    fn new(
        kernel: &'a Arc<Kernel>,
        slot: u32,
        place: &Place,
        group: Option<Arc<Group>>,
    ) -> Result<Self, Error> {
        let mut scene = Self { kernel, slot, labels: Vec::new(), _marks: None };
        let marks = group.map(|group| Marks::new(group, 0));
        for (path, deny) in [(place.closed(), access::ALL), (place.library(), access::EXEC)] {
            let Found::Node(node) = walk::open(&**kernel, &path) else {
                return Err(Error::Probe("its files cannot be opened"));
            };
            scene.label(&node, deny)?;
            if let Some(marks) = marks.as_ref().filter(|_| deny & access::READ != 0) {
                marks.mark(&node);
            }
        }
        scene._marks = marks;
        let mut session = no_session();
        session.flags = abi::SESSION_ENFORCE;
        // What was learned has no say where nobody listens.
        session.restrict = access::CONNECT;
        session.restrict_reason = reason::CANARY;
        kernel.set_session(slot, &session)?;
        Ok(scene)
    }

    fn label(&mut self, node: &Node, deny: u32) -> Result<(), Error> {
        let key = node.identity.file;
        self.kernel.insert_t0(&key, &Label { deny, reason: reason::CANARY, flags: 0 })?;
        self.labels.push(key);
        Ok(())
    }

    fn row(&self, attempt: &Attempt, place: &Place) -> Result<Row, Error> {
        place.refresh()?;
        let free = attempt::run(attempt, place, &|_| Ok(()))?;
        place.refresh()?;
        let guarded = attempt::run(attempt, place, &|pid| Ok(self.kernel.enroll(pid, self.slot)?))?;
        let made = attempt.makes.is_some_and(|name| place.closed().join(name).symlink_metadata().is_ok());
        Ok(judge(attempt, &free, &guarded, made, self.kernel.tier()))
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // A canary that cannot be taken back leaves a label on a directory that is gone.
        for key in &self.labels {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a label that stays is on a directory that is gone"
            )]
            let _ = self.kernel.remove_t0(key);
        }
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the slot is the probe's, and is written anew by the next one"
        )]
        let _ = self.kernel.set_session(self.slot, &no_session());
    }
}

/// Reads the two outcomes of one attempt.
fn judge(attempt: &Attempt, free: &Outcome, guarded: &Outcome, made: bool, tier: Tier) -> Row {
    let row =
        |means, fate, errno, note: String| Row { operation: attempt.name.into(), means, fate, errno, note };
    if !attempt.works(free) {
        return row(None, None, None, format!("cannot be tried on this machine ({})", free.words()));
    }
    match guarded {
        Outcome::Failed(libc::EPERM) => {
            let means = match tier {
                Tier::Lsm => Means::Lsm,
                Tier::Tracepoint if attempt.is_network => Means::Cgroup,
                Tier::Tracepoint => Means::Fanotify,
            };
            let (fate, note) = if made {
                (Fate::Stopped, "fails, and leaves an empty file")
            } else {
                (Fate::Refused, "fails with EPERM")
            };
            row(Some(means), Some(fate), Some(libc::EPERM), note.into())
        }
        Outcome::Killed => row(Some(Means::Kill), Some(Fate::Stopped), None, "its process is killed".into()),
        other if attempt.works(other) => row(None, Some(Fate::Happened), None, "is seen and scored".into()),
        Outcome::Failed(errno) => {
            row(None, None, Some(*errno), format!("fails in an unexpected way ({})", guarded.words()))
        }
        Outcome::Done | Outcome::Hung => row(None, None, None, guarded.words()),
    }
}
