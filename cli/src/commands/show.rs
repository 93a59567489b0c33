//! `wardline show SESSION`: what a session did, folded into a page or in time order.

mod entry;
mod folded;

use self::entry::Entry;
use self::folded::Folded;
use super::what::what;
use super::{bytes, reading};
use anyhow::Result;
use command::State;
use command::add_line;
use command::table;
use command::user;
use event::{Event, Fate, Means, Op, Outcome, SessionRef, Stage};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Programs, changed files, hosts, denials and alerts of a session, on a page; with `--events` each of them in the order of time, and with `--all` every operation.\n\nExamples:\n  sudo wardline show last\n  sudo wardline show last --events\n  sudo wardline show 17 --json"
)]
pub struct Args {
    /// Number of the session, or `last`
    pub session: SessionRef,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Event by event, in order of time
    #[arg(long)]
    pub events: bool,
    /// The same with every operation
    #[arg(long)]
    pub all: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// A session with its timeline.
#[derive(Debug, Serialize)]
struct Shown {
    session: i64,
    complete: bool,
    #[serde(serialize_with = "meta")]
    meta: event::SessionMeta,
    summary: Option<event::Summary>,
    segments: Vec<event::Segment>,
    timeline: Vec<Entry>,
}

/// What was said of a session when it began, with its paths as text.
fn meta<S: serde::Serializer>(meta: &event::SessionMeta, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error;
    let mut value = serde_json::to_value(meta).map_err(S::Error::custom)?;
    if let Some(context) = value.get_mut("context").and_then(|context| context.as_object_mut()) {
        bytes::put(context, "home", &meta.context.home);
        bytes::put_all(context, "workspaces", &meta.context.workspaces);
        bytes::put_all(context, "agent_state", &meta.context.agent_state);
        bytes::put_all(context, "toolchains", &meta.context.toolchains);
    }
    value.serialize(serializer)
}

/// Shows it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let session = args.session.to_string();
    let mut line = vec!["show", session.as_str()];
    line.extend(
        [(args.json, "--json"), (args.events, "--events"), (args.all, "--all")]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, switch)| *switch),
    );
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, args.session)?;
    let folded = match args.json || args.events || args.all {
        true => None,
        false => Some(Folded::of(&reader, &session)?),
    };
    let shown = Shown {
        timeline: timeline(&reader, &session, args.all)?,
        session: session.id.0,
        complete: session.complete,
        meta: session.meta,
        summary: session.summary,
        segments: session.segments,
    };
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", head(&shown))?;
        match folded {
            Some(folded) => write!(out, "{}", folded.text(shown.session, &shown.timeline))?,
            None => write!(out, "\n{}", lines(&shown.timeline))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn timeline(reader: &store::Reader, session: &store::Session, all: bool) -> Result<Vec<Entry>> {
    let reasons = reader.reasons(session.id)?;
    let start = session.meta.started_boot_ns;
    let mut timeline: Vec<Entry> = session
        .segments
        .iter()
        .map(|s| Entry::new(s.started_boot_ns.saturating_sub(start), "segment", format!("task `{}`", s.task)))
        .collect();
    for alert in reader.alerts(session.id)? {
        let mut entry = Entry::new(alert.time_ns.saturating_sub(start), "alert", alert.verdict);
        entry.stage = Some(alert.stage);
        entry.reason = Some(alert.reasons.join("; "));
        timeline.push(entry);
    }
    for loss in reader.losses(session.id)? {
        let lost = format!("{} on CPU {}: {}", text::count(loss.count, "record"), loss.cpu, loss.what());
        timeline.push(Entry::new(loss.time_ns.saturating_sub(start), "loss", lost));
    }
    let mut seen: HashMap<Alike, usize> = HashMap::new();
    reader.events_only(session.id, &mut |event| {
        if !all && !is_notable(&event) {
            return ControlFlow::Continue(());
        }
        // The same with the same object says nothing new, however often it was done.
        let kind = Alike::of(&event);
        match seen.get(&kind).and_then(|place| timeline.get_mut(*place)) {
            Some(first) if !all => first.times += 1,
            _ => {
                seen.insert(kind, timeline.len());
                timeline.push(entry(&event, start, &reasons));
            }
        }
        ControlFlow::Continue(())
    })?;
    timeline.sort_by_key(|entry| entry.at_ns);
    Ok(timeline)
}

/// What makes two operations equal for a reader.
#[derive(PartialEq, Eq, Hash)]
struct Alike {
    op: Op,
    object: String,
    decided: Option<(Stage, Means, Option<Fate>)>,
}

impl Alike {
    fn of(event: &Event) -> Self {
        let decided = event.decision.map(|decision| (decision.stage, decision.means, event.fate()));
        Self { op: event.op, object: event.object.display(), decided }
    }
}

/// Changes the world, reaches out, or was decided about.
fn is_notable(event: &Event) -> bool {
    let changes = event.access.intersects(
        event::Access::WRITE
            | event::Access::CREATE
            | event::Access::REMOVE
            | event::Access::ATTR
            | event::Access::LINK,
    );
    event.decision.is_some()
        || (matches!(event.outcome, Outcome::Done(_))
            && match event.op {
                Op::Open => changes,
                op => op.is_action(),
            })
}

fn entry(event: &Event, start: u64, reasons: &BTreeMap<u32, String>) -> Entry {
    let kind = if event.decision.is_some() { "denial" } else { "operation" };
    let mut entry = Entry::new(event.time_ns.saturating_sub(start), kind, what(event, reasons));
    entry.pid = Some(event.pid);
    entry.op = Some(event.op.name());
    if let Outcome::Failed(errno) = event.outcome {
        entry.errno = Some(errno);
    }
    if let Some(decision) = event.decision {
        entry.stage = Some(decision.stage);
        entry.means = Some(decision.means);
        entry.fate = event.fate();
        entry.reason = reasons.get(&decision.reason).cloned();
    }
    entry
}

/// What became of what the stages spoke against.
fn fates(summary: &event::Summary) -> String {
    let mut said = format!("{} refused", text::count(summary.denied, "operation"));
    if summary.stopped > 0 {
        said.push_str(&format!(", {} happened and stopped", summary.stopped));
    }
    said
}

fn head(shown: &Shown) -> String {
    let mut out = String::new();
    let meta = &shown.meta;
    let command: Vec<String> = meta.command.iter().map(|arg| text::shown(arg.as_bytes())).collect();
    add_line!(out, "session {} of `{}`, {}, tier {}", shown.session, meta.agent, meta.mode, meta.tier);
    add_line!(out, "  command    {}", command.join(" "));
    add_line!(out, "  started    {}", table::time(meta.started_unix_ns));
    match &shown.summary {
        Some(summary) => {
            add_line!(out, "  lasted     {}", table::duration(summary.duration_ns));
            add_line!(
                out,
                "  saw        {}, {}, {}",
                text::count(summary.events, "operation"),
                text::count(summary.syscalls, "system call"),
                fates(summary),
            );
            if summary.lost > 0 || summary.unresolved > 0 {
                let lost = text::count(summary.lost, "record");
                add_line!(out, "  lost       {lost}, {} without a path", summary.unresolved);
            }
            if let Some(unseen) = summary.unseen {
                let (processes, before) = (unseen.processes, table::duration(unseen.since_ns));
                add_line!(
                    out,
                    "  unseen     it was attached to {processes} running processes, after {before}"
                );
            }
        }
        None if shown.complete => {}
        None => {
            add_line!(out, "  incomplete: it runs, or its supervisor was killed");
        }
    }
    out
}

fn lines(timeline: &[Entry]) -> String {
    timeline.iter().map(|entry| entry.line() + "\n").collect()
}
