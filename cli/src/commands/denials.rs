//! The denials of a session, each once, with its program: `why` explains them, and `allow` and `review` answer them.

use super::what::what;
use anyhow::Result;
use command::Exit;
use event::{Event, Fate, Means, Object, Op, Outcome, SessionMeta, SessionRef, Stage, Tokeniser, Told};
use models::Allowed;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use text::shown;

/// Processes that are named between a denial and the agent; of a longer chain the nearest.
const CHAIN_MAX: usize = 16;

/// One denial.
#[derive(Debug, Serialize)]
pub(super) struct Denial {
    /// Counted from 1.
    pub(super) number: usize,
    /// Of the first time, since the session began, ns.
    pub(super) at_ns: u64,
    pub(super) op: &'static str,
    /// What it acted on.
    pub(super) what: String,
    pub(super) stage: Stage,
    pub(super) means: Means,
    pub(super) fate: Fate,
    pub(super) times: u64,
    /// Empty where none was stored.
    pub(super) reason: String,
    /// Who did it first, and what started that, up to the agent.
    pub(super) programs: Vec<Program>,
    /// What would open it; nothing where a baseline does not decide about it.
    #[serde(skip)]
    pub(super) opens: Vec<Allowed>,
    /// The same before names that stand for many are left out: what a directory is opened by.
    #[serde(skip)]
    pub(super) meant: Vec<Allowed>,
}

/// A process, and what it ran.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Program {
    pub(super) pid: u32,
    /// What it was started with, as it says itself; empty where that was not seen.
    pub(super) arguments: String,
}

/// The denials of a session, in the order of their time.
pub(super) fn of(reader: &store::Reader, session: &store::Session) -> Result<Vec<Denial>> {
    let reasons = reader.reasons(session.id)?;
    let mut denials = Denials::new(&session.meta, &reasons);
    reader.events_only(session.id, &mut |event| {
        denials.see(&event);
        ControlFlow::Continue(())
    })?;
    Ok(denials.all)
}

/// A session, and the denial in it, where one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenialRef {
    pub(super) session: SessionRef,
    /// Counted from 1.
    pub(super) number: Option<usize>,
}

impl FromStr for DenialRef {
    type Err = String;

    fn from_str(denial: &str) -> Result<DenialRef, String> {
        let Some((session, number)) = denial.split_once('.') else {
            return Ok(DenialRef { session: parsed(denial)?, number: None });
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(DenialRef { session: parsed(session)?, number: Some(number) }),
            _ => Err(format!(
                "`{denial}` is no denial: give its session and its number, as in `last.1`; `wardline why` lists them"
            )),
        }
    }
}

fn parsed(session: &str) -> Result<SessionRef, String> {
    session.parse().map_err(|error: event::NoSession| error.to_string())
}

impl fmt::Display for DenialRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}.{number}", self.session),
            None => write!(f, "{}", self.session),
        }
    }
}

/// The one of this number.
pub(super) fn one(mut denials: Vec<Denial>, session: &store::Session, number: usize) -> Result<Denial> {
    let there = match denials.len() {
        0 => "nothing was refused in it".to_owned(),
        of => format!("it has {}", text::count(of as u64, "denial")),
    };
    let so_far =
        if session.complete { "" } else { "; it still runs, and what it does is written down soon after" };
    denials.retain(|denial| denial.number == number);
    let id = session.id.0;
    let none = || Exit::Usage.error(format!("there is no denial {number} in session {id}: {there}{so_far}"));
    denials.pop().ok_or_else(none)
}

/// What denials that are told as one have in common: the operation, on what, stage, means, what became of it, and its program.
type Place = (Op, String, Stage, Means, Option<Fate>, String);

/// Collects denials, and who is whose child, from the operations of a session in time order.
struct Denials<'a> {
    start: u64,
    reasons: &'a BTreeMap<u32, String>,
    /// By process: who made it.
    parents: HashMap<u32, u32>,
    /// By process: what it runs.
    runs: HashMap<u32, String>,
    places: HashMap<Place, usize>,
    all: Vec<Denial>,
    tokeniser: Tokeniser,
}

impl<'a> Denials<'a> {
    fn new(meta: &SessionMeta, reasons: &'a BTreeMap<u32, String>) -> Self {
        let (parents, runs, places) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (start, tokeniser) = (meta.started_boot_ns, Tokeniser::new(meta.context.clone()));
        Self { start, reasons, parents, runs, places, all: Vec::new(), tokeniser }
    }

    fn see(&mut self, event: &Event) {
        match (event.op, event.outcome, event.fork, &event.object) {
            // A number that is used again is another process.
            (Op::Fork, _, Some(child), _) if child.pid != event.pid => {
                self.parents.insert(child.pid, event.pid);
                match self.runs.get(&event.pid).cloned() {
                    Some(same) => self.runs.insert(child.pid, same),
                    None => self.runs.remove(&child.pid),
                };
            }
            (Op::Exec, Outcome::Done(_), _, Object::Exe(exe)) => {
                let args = exe.args.iter().map(|arg| shown(arg)).collect::<Vec<_>>().join(" ");
                let runs = if args.is_empty() { event.object.display() } else { args };
                self.runs.insert(event.pid, runs);
            }
            _ => {}
        }
        let (Some(decision), Some(fate)) = (event.decision, event.fate()) else { return };
        let programs = self.programs(event.pid);
        let what = what(event, self.reasons);
        let by = programs.first().map(|program| program.arguments.clone()).unwrap_or_default();
        let place = (event.op, what.clone(), decision.stage, decision.means, Some(fate), by);
        match self.places.get(&place).and_then(|place| self.all.get_mut(*place)) {
            Some(first) => first.times += 1,
            None => {
                let learned = decision.stage == Stage::T1;
                self.places.insert(place, self.all.len());
                self.all.push(Denial {
                    number: self.all.len() + 1,
                    at_ns: event.time_ns.saturating_sub(self.start),
                    op: event.op.name(),
                    what,
                    stage: decision.stage,
                    means: decision.means,
                    fate,
                    times: 1,
                    reason: self.reasons.get(&decision.reason).cloned().unwrap_or_default(),
                    programs,
                    opens: if learned { Allowed::of(event, &self.tokeniser) } else { Vec::new() },
                    meant: if learned { Allowed::meant(event, &self.tokeniser) } else { Vec::new() },
                });
            }
        }
    }

    /// A process and those that it came from.
    fn programs(&self, pid: u32) -> Vec<Program> {
        let mut chain = Vec::new();
        let mut next = Some(pid);
        // A number that is used again may be its own forefather's.
        let mut seen = HashSet::new();
        while let Some(pid) = next.filter(|pid| chain.len() < CHAIN_MAX && seen.insert(*pid)) {
            let arguments = self.runs.get(&pid).cloned().unwrap_or_default();
            // A program that forked to start another, and to wait for it, says nothing new.
            if chain.last().is_none_or(|last: &Program| last.arguments != arguments) {
                chain.push(Program { pid, arguments });
            }
            next = self.parents.get(&pid).copied();
        }
        chain
    }
}

/// It in words.
pub(super) fn told(denial: &Denial) -> Told<'_> {
    let Denial { fate, stage, means, op, what, times, .. } = denial;
    Told { fate: *fate, stage: *stage, means: *means, op, object: what, times: *times }
}

/// A line of arguments that fits on one line.
pub(super) fn short(arguments: &str) -> String {
    const MAX: usize = 160;
    let end = arguments.char_indices().nth(MAX);
    match end.and_then(|(end, _)| arguments.get(..end)) {
        Some(beginning) => format!("{beginning}..."),
        None => arguments.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use event::{Access, Context, Decision, Exe, File, Fork, Origin};

    fn file(path: &str) -> File {
        File { path: path.into(), key: None, mode: 0o100_600, origin: Origin::Trusted }
    }

    fn event(time_ns: u64, pid: u32, op: Op, object: Object) -> Event {
        Event { time_ns, pid, tid: pid, ..Event::of(op, Access::READ, object) }
    }

    fn fork(time_ns: u64, pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(time_ns, pid, Op::Fork, Object::None) }
    }

    fn exec(time_ns: u64, pid: u32, args: &[&str]) -> Event {
        let args = args.iter().map(|arg| BString::from(*arg)).collect();
        event(time_ns, pid, Op::Exec, Object::Exe(Exe { file: file("/usr/bin/x"), args, args_cut: false }))
    }

    fn refused(time_ns: u64, pid: u32, stage: Stage) -> Event {
        let decision = Decision { stage, means: Means::Fanotify, enforced: true, reason: 1 };
        Event {
            outcome: Outcome::Failed(1),
            decision: Some(decision),
            ..event(time_ns, pid, Op::Open, Object::File(file("/home/u/.ssh/id_rsa")))
        }
    }

    fn answered(events: &[Event]) -> Vec<Denial> {
        let reasons = BTreeMap::from([(1, "`~/.ssh/id_rsa` holds a private key".to_owned())]);
        let meta = SessionMeta {
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            context: Context { home: "/home/u".into(), ..Context::default() },
            mode: event::Mode::Enforce,
            tier: event::Tier::Tracepoint,
            started_boot_ns: 1_000_000_000,
            ..SessionMeta::default()
        };
        let mut denials = Denials::new(&meta, &reasons);
        events.iter().for_each(|event| denials.see(event));
        denials.all
    }

    #[test]
    fn the_same_denial_counts_once_and_names_who_had_it_done() {
        let denials = answered(&[
            exec(1_000_000_100, 10, &["codex", "exec", "summarise"]),
            fork(1_100_000_000, 10, 11),
            exec(1_100_000_100, 11, &["bash", "-c", "cat ~/.ssh/id_rsa; true"]),
            fork(1_200_000_000, 11, 12),
            exec(1_200_000_100, 12, &["cat", "/home/u/.ssh/id_rsa"]),
            refused(1_300_000_000, 12, Stage::T0),
            refused(1_300_000_100, 12, Stage::T0),
        ]);
        let [denial] = denials.as_slice() else { panic!("{denials:?}") };
        assert_eq!((denial.number, denial.times, denial.at_ns), (1, 2, 300_000_000));
        assert_eq!(denial.reason, "`~/.ssh/id_rsa` holds a private key");
        let pids: Vec<u32> = denial.programs.iter().map(|program| program.pid).collect();
        assert_eq!(pids, [12, 11, 10]);
    }

    #[test]
    fn what_the_baseline_refused_can_be_opened_and_nothing_else_can() {
        let opens = |stage| answered(&[refused(5, 12, stage)])[0].opens.clone();
        assert_eq!(opens(Stage::T0), []);
        assert_eq!(opens(Stage::T2), []);
        let opened = opens(Stage::T1);
        let [Allowed { place, below: false }] = opened.as_slice() else { panic!("{opened:?}") };
        assert_eq!(models::words(place), "$home/.ssh/id_rsa");
    }

    #[test]
    fn a_process_number_that_is_used_again_is_another_process() {
        let denials = answered(&[
            exec(1, 10, &["codex"]),
            fork(2, 10, 12),
            exec(3, 12, &["npm", "test"]),
            fork(4, 10, 12),
            refused(5, 12, Stage::T0),
        ]);
        let programs = &denials[0].programs;
        assert_eq!(programs.as_slice(), [Program { pid: 12, arguments: "codex".into() }]);
    }

    #[test]
    fn processes_whose_numbers_make_a_circle_are_named_once() {
        let denials =
            answered(&[exec(1, 10, &["codex"]), fork(2, 10, 12), fork(3, 12, 10), refused(4, 12, Stage::T0)]);
        assert_eq!(denials[0].programs.len(), 1);
    }

    #[test]
    fn a_name_of_a_denial_has_a_session_and_a_number() {
        let last = |number| DenialRef { session: SessionRef::Last, number };
        assert_eq!("last".parse(), Ok(last(None)));
        assert_eq!("last.1".parse(), Ok(last(Some(1))));
        let third = DenialRef { session: SessionRef::Number(17), number: Some(3) };
        assert_eq!("17.3".parse(), Ok(third));
        assert_eq!(third.to_string(), "17.3");
        for wrong in ["17.", "17.0", "17.x", "last.-1", "x", "x.1"] {
            assert!(wrong.parse::<DenialRef>().is_err(), "{wrong}");
        }
    }
}
