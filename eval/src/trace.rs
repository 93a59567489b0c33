//! A recorded session in memory: what the models read of it, and what Wardline said while it ran.

use crate::Error;
use blake3::Hasher;
use bstr::BString;
use event::{Event, Means, Stage, Step, Tier, Tokeniser};
use models::corpus::{Corpus, Item};
use models::words;
use profiler::Reading;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Reader, Session};

/// One thing of a recording.
#[derive(Clone, Debug)]
pub enum Record {
    /// An event.
    Step(Box<Step>),
    /// A raw system call.
    Syscall {
        /// Thread.
        tid: u32,
        /// Its number.
        number: u32,
        /// What it returned.
        ret: i64,
    },
    /// Records were lost here.
    Loss(u64),
}

/// Something that Wardline decided or said while the session ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Which decision.
    pub stage: Stage,
    /// By what it was stopped; `None` for what was only said.
    pub means: Option<Means>,
    /// The operation was refused, or the session stopped.
    pub intervened: bool,
    /// What it was about: the operation, or the verdict.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A recorded session.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its number in the store.
    pub session: i64,
    /// A number that tells its workspace from others.
    pub workspace: u64,
    /// Everything that the models read, in order.
    pub records: Vec<Record>,
    /// What was said, in time order.
    pub said: Vec<Said>,
    /// Events.
    pub events: u64,
    /// Actions.
    pub actions: u64,
    /// Raw system calls.
    pub syscalls: u64,
    /// Records lost.
    pub lost: u64,
    /// Time of the first and of the last event, ns.
    pub span_ns: (u64, u64),
    /// What its kernel could do.
    pub tier: Tier,
    /// Why it must not train; `None` if it may.
    pub left_out: Option<String>,
    /// Of everything that was read: changes when the data does.
    pub digest: [u8; 32],
    /// Of the tokens in order: sessions with the same one are copies to the models.
    pub shape: [u8; 32],
}

/// Names of places, each once: sessions of an agent reach for the same ones, time and again.
#[derive(Debug, Default)]
pub struct Names(Mutex<HashSet<Arc<[BString]>>>);

impl Names {
    /// The step, with the names of its places shared.
    fn shared(&self, step: &Step) -> Step {
        let mut step = step.clone();
        for place in step.place.iter_mut().chain(step.second.as_mut().map(|(place, _)| place)) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(&place.components) {
                Some(names) => place.components = Arc::clone(names),
                None => {
                    known.insert(Arc::clone(&place.components));
                }
            }
        }
        step
    }
}

impl Trace {
    /// Reads a session of a store. `names` are those of the traces that are in memory with it.
    pub fn read(reader: &Reader, session: &Session, names: &Names) -> Result<Trace, Error> {
        let alerts = reader.alerts(session.id)?;
        let mut trace = Trace {
            session: session.id.0,
            workspace: profiler::workspace(session),
            records: Vec::new(),
            said: said(reader, session)?,
            events: 0,
            actions: 0,
            syscalls: 0,
            lost: 0,
            span_ns: (0, 0),
            tier: session.meta.tier,
            left_out: profiler::reason_to_leave_out(session, alerts.len(), false),
            digest: [0; 32],
            shape: [0; 32],
        };
        let (mut digest, mut shape) = (Hasher::new(), Hasher::new());
        profiler::replay(reader, session, &mut |_, reading| {
            trace.take(reading, names, &mut digest, &mut shape);
            ControlFlow::Continue(())
        })?;
        trace.records.shrink_to_fit();
        trace.digest = *digest.finalize().as_bytes();
        trace.shape = *shape.finalize().as_bytes();
        Ok(trace)
    }

    fn take(&mut self, reading: Reading<'_>, names: &Names, digest: &mut Hasher, shape: &mut Hasher) {
        match reading {
            Reading::Step(step) | Reading::Refused(step) => {
                if self.events == 0 {
                    self.span_ns.0 = step.time_ns;
                }
                self.span_ns.1 = self.span_ns.1.max(step.time_ns);
                self.events += 1;
                self.actions += u64::from(step.action);
                digest.update(&step.time_ns.to_le_bytes());
                digest.update(&step.tid.to_le_bytes());
                digest.update(&step.token.0.to_le_bytes());
                for name in step.touches().flat_map(|touch| &*touch.place.components) {
                    digest.update(name);
                    digest.update(&[0]);
                }
                shape.update(&step.token.0.to_le_bytes());
                self.records.push(Record::Step(Box::new(names.shared(step))));
            }
            Reading::Syscall(call) => {
                self.syscalls += 1;
                digest.update(&call.tid.to_le_bytes());
                digest.update(&call.number.to_le_bytes());
                digest.update(&call.ret.to_le_bytes());
                self.records.push(Record::Syscall { tid: call.tid, number: call.number, ret: call.ret });
            }
            Reading::Loss(count) => {
                self.lost += count;
                digest.update(&count.to_le_bytes());
                self.records.push(Record::Loss(count));
            }
        }
    }

    /// Everything but the records.
    pub fn clone_without_records(&self) -> Trace {
        Trace {
            records: Vec::new(),
            said: self.said.clone(),
            tier: self.tier,
            left_out: self.left_out.clone(),
            ..*self
        }
    }

    /// The events.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.records.iter().filter_map(|record| match record {
            Record::Step(step) => Some(&**step),
            Record::Syscall { .. } | Record::Loss(_) => None,
        })
    }

    /// Distinct tokens.
    pub fn distinct_tokens(&self) -> usize {
        self.steps().map(|step| step.token).collect::<BTreeSet<_>>().len()
    }

    /// Distinct places that it reached, as people write them.
    pub fn places(&self) -> BTreeSet<(event::Reach, String)> {
        self.steps().filter_map(|step| step.place.as_ref()).map(|place| (place.reach, words(place))).collect()
    }

    /// Events up to a time, counted from the beginning.
    pub fn events_until(&self, time_ns: u64) -> u64 {
        self.steps().filter(|step| step.time_ns <= time_ns).count() as u64
    }

    /// Actions up to a time, counted from the beginning.
    pub fn actions_until(&self, time_ns: u64) -> u64 {
        self.steps().filter(|step| step.action && step.time_ns <= time_ns).count() as u64
    }
}

/// What was decided and said while a session ran. Refusals come from the operations that met them, alerts from beside.
fn said(reader: &Reader, session: &Session) -> Result<Vec<Said>, Error> {
    let reasons = reader.reasons(session.id)?;
    let tokeniser = Tokeniser::new(session.meta.context.clone());
    let mut all = Vec::new();
    reader.decisions(session.id, &mut |event| {
        if let Some(decision) = event.decision {
            all.push(Said {
                time_ns: event.time_ns,
                stage: decision.stage,
                means: Some(decision.means),
                intervened: decision.enforced,
                what: operation(&tokeniser, &event),
                why: reasons
                    .get(&decision.reason)
                    .map_or_else(String::new, |why| plain(why, &session.meta.context)),
            });
        }
        ControlFlow::Continue(())
    })?;
    for alert in reader.alerts(session.id)? {
        all.push(Said {
            time_ns: alert.time_ns,
            stage: alert.stage,
            means: (alert.verdict == "freeze").then_some(Means::Freeze),
            intervened: matches!(alert.verdict.as_str(), "restrict" | "contain" | "freeze" | "kill"),
            what: alert.verdict,
            why: plain(&alert.reasons.join("; "), &session.meta.context),
        });
    }
    all.sort_by_key(|said| said.time_ns);
    Ok(all)
}

fn operation(tokeniser: &Tokeniser, event: &Event) -> String {
    let place = tokeniser.place(event).map(|place| words(&place)).unwrap_or_default();
    format!("{} {place}", event.op.name()).trim_end().to_owned()
}

/// A text without the names of this machine: the session's own places are made symbolic.
fn plain(text: &str, context: &event::Context) -> String {
    let mut plain = text.to_owned();
    for workspace in &context.workspaces {
        plain = plain.replace(&workspace.to_string(), "$workspace");
    }
    if context.home.is_empty() { plain } else { plain.replace(&context.home.to_string(), "~") }
}

/// Traces to train on.
pub struct Traces<'t>(pub Vec<&'t Trace>);

impl Corpus for Traces<'_> {
    type Error = Infallible;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn workspace(&self, session: usize) -> u64 {
        self.0[session].workspace
    }

    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> Result<(), Infallible> {
        for record in &self.0[session].records {
            sink(match record {
                Record::Step(step) => Item::Step(step),
                Record::Syscall { tid, number, ret } => {
                    Item::Syscall { tid: *tid, number: *number, ret: *ret }
                }
                Record::Loss(count) => Item::Loss(*count),
            });
        }
        Ok(())
    }
}
