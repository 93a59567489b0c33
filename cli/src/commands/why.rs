//! `wardline why [DENIAL]`: one thing that a stage spoke against: what, why, and who did it, up to the agent.

use super::reading;
use super::show::{clean, what};
use anyhow::Result;
use command::{Exit, State, table, user};
use event::{Event, Fate, Means, Object, Op, Outcome, Stage, Told, UNKNOWN_TASK};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Processes that are named between a denial and the agent; of a longer chain the nearest.
const CHAIN_MAX: usize = 16;

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Denials are numbered in the order of their time; the same one of the same program counts once.\n\nExamples:\n  sudo wardline why           the denials of the last session\n  sudo wardline why last.3    the third one: what, why, and by which programs\n  sudo wardline why 17.3 --json"
)]
pub struct Args {
    /// A session (its number, or `last`) for a list of its denials, or one of them: `17.3`, `last.1`
    #[arg(default_value = "last")]
    pub denial: String,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Whose session
    #[arg(long)]
    pub user: Option<String>,
}

/// The denials of a session that were asked for.
#[derive(Debug, Serialize)]
struct Answer {
    session: i64,
    agent: String,
    task: String,
    mode: String,
    /// How many there are in the session.
    of: usize,
    denials: Vec<Denial>,
}

/// One denial.
#[derive(Debug, Serialize)]
struct Denial {
    /// Counted from 1.
    number: usize,
    /// Of the first time, since the session began, ns.
    at_ns: u64,
    op: &'static str,
    /// What it acted on.
    what: String,
    stage: Stage,
    means: Means,
    fate: Fate,
    times: u64,
    /// Empty where none was stored.
    reason: String,
    /// Who did it first, and what started that, up to the agent.
    programs: Vec<Program>,
}

/// A process, and what it ran.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Program {
    pid: u32,
    /// What it was started with, as it says itself; empty where that was not seen.
    arguments: String,
}

/// Answers it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let mut line = vec!["why", args.denial.as_str()];
    line.extend(args.json.then_some("--json"));
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let (session, number) = named(&args.denial)?;
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, session)?;
    let answer = answer(&reader, session, number)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &answer)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&answer, number.is_some()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The session, and the number of the denial in it, where one is named.
fn named(denial: &str) -> Result<(&str, Option<usize>)> {
    let Some((session, number)) = denial.split_once('.') else { return Ok((denial, None)) };
    match number.parse() {
        Ok(number) if number > 0 => Ok((session, Some(number))),
        _ => Err(Exit::Usage.error(format!(
            "`{denial}` is no denial: give its session and its number, as in `last.1`; `wardline why` lists them"
        ))),
    }
}

fn answer(reader: &store::Reader, session: store::Session, number: Option<usize>) -> Result<Answer> {
    let reasons = reader.reasons(session.id)?;
    let mut denials = Denials::new(session.meta.started_boot_ns, &reasons);
    reader.events_only(session.id, &mut |event| {
        denials.see(&event);
        ControlFlow::Continue(())
    })?;
    let mut denials = denials.all;
    let of = denials.len();
    if let Some(number) = number {
        denials.retain(|denial| denial.number == number);
        if denials.is_empty() {
            let there = match of {
                0 => "nothing was refused in it".to_owned(),
                of => format!("it has {}", table::count(of as u64, "denial")),
            };
            return Err(Exit::Usage
                .error(format!("there is no denial {number} in session {}: {there}", session.id.0)));
        }
    }
    let event::SessionMeta { agent, task, mode, .. } = session.meta;
    Ok(Answer { session: session.id.0, agent, task, mode, of, denials })
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
}

impl<'a> Denials<'a> {
    fn new(start: u64, reasons: &'a BTreeMap<u32, String>) -> Self {
        let (parents, runs, places) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { start, reasons, parents, runs, places, all: Vec::new() }
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
                let args = exe.args.iter().map(|arg| clean(&arg.to_string())).collect::<Vec<_>>().join(" ");
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

fn told(denial: &Denial) -> Told<'_> {
    let Denial { fate, stage, means, op, what, times, .. } = denial;
    Told { fate: *fate, stage: *stage, means: *means, op, object: what, times: *times }
}

fn text(answer: &Answer, is_one: bool) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let Answer { session, agent, task, mode, .. } = answer;
    if let ([denial], true) = (answer.denials.as_slice(), is_one) {
        let _ = writeln!(out, "denial {session}.{} of `{agent}`, task `{task}`, {mode}", denial.number);
        let _ = writeln!(out, "  what   {}", told(denial));
        let reason = if denial.reason.is_empty() { "no reason was stored" } else { &denial.reason };
        let _ = writeln!(out, "  why    {reason}");
        let _ = writeln!(out, "  when   {} after the session began", table::duration(denial.at_ns));
        for (place, Program { pid, arguments }) in denial.programs.iter().enumerate() {
            let head = if place == 0 { "who " } else { "from" };
            let arguments =
                if arguments.is_empty() { "a program whose start was not seen" } else { arguments };
            let _ = writeln!(out, "  {head}   {} (pid {pid})", short(arguments));
        }
        let _ = writeln!(out, "  next   {}", next(denial, answer));
        return out;
    }
    if answer.denials.is_empty() {
        let _ = writeln!(out, "session {session} of `{agent}`, task `{task}`, {mode}: nothing was refused");
        return out;
    }
    for denial in &answer.denials {
        let by = denial.programs.first().map_or("", |program| &program.arguments);
        let by = if by.is_empty() { String::new() } else { format!(": `{}`", short(by)) };
        let _ = writeln!(out, "{session}.{:<3} {}{by}", denial.number, told(denial));
    }
    let _ = writeln!(out, "\n`wardline why {session}.1` says why, and by which programs.");
    out
}

/// A line of arguments that fits on one line.
fn short(arguments: &str) -> String {
    const MAX: usize = 160;
    match arguments.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", &arguments[..end]),
        None => arguments.to_owned(),
    }
}

/// What its owner can do about it.
fn next(denial: &Denial, answer: &Answer) -> String {
    let Answer { agent, task, .. } = answer;
    match denial.stage {
        Stage::T0 => "`wardline policy explain PLACE` names the rule; one that is not final is opened by `sudo wardline \
                      policy allow PLACE`"
            .to_owned(),
        Stage::T1 if task == UNKNOWN_TASK => format!(
            "if it is normal for `{agent}`: name the task of a session (`--task`), `wardline record` three that do it, and \
             `wardline train`; `wardline enforce --shadow` refuses nothing meanwhile"
        ),
        Stage::T1 => format!(
            "if it is normal for `{agent}` at `{task}`: `wardline record --task {task} -- ...` three sessions that do it, \
             and `wardline train`; `wardline enforce --shadow` refuses nothing meanwhile"
        ),
        Stage::T2 => {
            "`wardline stop-session SESSION --thaw` lets a session go on that stands still; more recorded \
                      sessions like this one make its score more exact"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use event::{Access, Decision, Exe, File, Fork, Origin};

    fn file(path: &str) -> File {
        File { path: path.into(), key: None, mode: 0o100_600, origin: Origin::Trusted }
    }

    fn event(time_ns: u64, pid: u32, op: Op, object: Object) -> Event {
        Event {
            time_ns,
            segment: 0,
            pid,
            tid: pid,
            op,
            access: Access::READ,
            object,
            second: None,
            outcome: Outcome::Done(0),
            decision: None,
            fork: None,
            detail: 0,
        }
    }

    fn fork(time_ns: u64, pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(time_ns, pid, Op::Fork, Object::None) }
    }

    fn exec(time_ns: u64, pid: u32, args: &[&str]) -> Event {
        let args = args.iter().map(|arg| BString::from(*arg)).collect();
        event(time_ns, pid, Op::Exec, Object::Exe(Exe { file: file("/usr/bin/x"), args, args_cut: false }))
    }

    fn refused(time_ns: u64, pid: u32) -> Event {
        let decision = Decision { stage: Stage::T0, means: Means::Fanotify, enforced: true, reason: 1 };
        Event {
            outcome: Outcome::Failed(1),
            decision: Some(decision),
            ..event(time_ns, pid, Op::Open, Object::File(file("/home/u/.ssh/id_rsa")))
        }
    }

    fn answered(events: &[Event]) -> Answer {
        let reasons = BTreeMap::from([(1, "`~/.ssh/id_rsa` holds a private key".to_owned())]);
        let mut denials = Denials::new(1_000_000_000, &reasons);
        events.iter().for_each(|event| denials.see(event));
        let of = denials.all.len();
        let (agent, task, mode) = ("codex".to_owned(), "edit".to_owned(), "enforce".to_owned());
        Answer { session: 17, agent, task, mode, of, denials: denials.all }
    }

    #[test]
    fn it_is_said_who_did_it_and_who_had_it_done() {
        let answer = answered(&[
            exec(1_000_000_100, 10, &["codex", "exec", "summarise"]),
            fork(1_100_000_000, 10, 11),
            exec(1_100_000_100, 11, &["bash", "-c", "cat ~/.ssh/id_rsa; true"]),
            fork(1_200_000_000, 11, 12),
            exec(1_200_000_100, 12, &["cat", "/home/u/.ssh/id_rsa"]),
            refused(1_300_000_000, 12),
            refused(1_300_000_100, 12),
        ]);
        insta::assert_snapshot!(text(&answer, true));
        assert!(text(&answer, false).starts_with("17.1   refused: `open /home/u/.ssh/id_rsa`, by T0"));
    }

    #[test]
    fn a_process_number_that_is_used_again_is_another_process() {
        let answer = answered(&[
            exec(1, 10, &["codex"]),
            fork(2, 10, 12),
            exec(3, 12, &["npm", "test"]),
            fork(4, 10, 12),
            refused(5, 12),
        ]);
        let programs = &answer.denials[0].programs;
        assert_eq!(programs.as_slice(), [Program { pid: 12, arguments: "codex".into() }]);
    }

    #[test]
    fn processes_whose_numbers_make_a_circle_are_named_once() {
        let answer = answered(&[exec(1, 10, &["codex"]), fork(2, 10, 12), fork(3, 12, 10), refused(4, 12)]);
        assert_eq!(answer.denials[0].programs.len(), 1);
    }

    #[test]
    fn a_name_of_a_denial_has_a_session_and_a_number() {
        assert_eq!(named("last").unwrap(), ("last", None));
        assert_eq!(named("17.3").unwrap(), ("17", Some(3)));
        for wrong in ["17.", "17.0", "17.x", "last.-1"] {
            assert_eq!(Exit::of(&named(wrong).unwrap_err()), Exit::Usage, "{wrong}");
        }
    }
}
