//! `wardline show SESSION`: what a session did, in time order.

use super::{bytes, reading};
use anyhow::Result;
use command::State;
use command::table;
use command::user;
use event::{Event, Fate, Means, Object, Op, Outcome, Outside, Stage, Told};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The timeline has the programs, connections, changes, denials and alerts of the session; with `--all` every operation.\n\nExamples:\n  sudo wardline show last\n  sudo wardline show 17 --json"
)]
pub struct Args {
    /// Number of the session, or `last`
    pub session: String,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Every operation
    #[arg(long)]
    pub all: bool,
    /// Whose session
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
    if let Some(context) = value["context"].as_object_mut() {
        bytes::put(context, "home", &meta.context.home);
        bytes::put_all(context, "workspaces", &meta.context.workspaces);
        bytes::put_all(context, "agent_state", &meta.context.agent_state);
        bytes::put_all(context, "toolchains", &meta.context.toolchains);
    }
    value.serialize(serializer)
}

/// One thing that happened.
#[derive(Debug, Serialize)]
struct Entry {
    /// Since the session began, ns.
    at_ns: u64,
    /// `operation`, `denial`, `alert`, `segment` or `loss`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    what: String,
    /// How often the same happened; equal entries are one, at the time of the first.
    times: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<Means>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<i32>,
}

impl Entry {
    fn new(at_ns: u64, kind: &'static str, what: String) -> Self {
        Self {
            at_ns,
            kind,
            pid: None,
            op: None,
            what,
            times: 1,
            stage: None,
            means: None,
            fate: None,
            reason: None,
            errno: None,
        }
    }
}

/// Shows it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let mut line = vec!["show", args.session.as_str()];
    line.extend(
        [(args.json, "--json"), (args.all, "--all")].iter().filter(|(on, _)| *on).map(|(_, switch)| *switch),
    );
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, &args.session)?;
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
        write!(out, "{}", text(&shown))?;
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
        let lost = format!("{} on CPU {}: {}", table::count(loss.count, "record"), loss.cpu, loss.what());
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

/// What an operation acted on, in one line.
pub fn what(event: &Event, reasons: &BTreeMap<u32, String>) -> String {
    let object = match &event.object {
        Object::Exe(exe) if !exe.args.is_empty() => {
            let args: Vec<String> = exe.args.iter().map(|arg| clean(&arg.to_string())).collect();
            format!("{} ({})", event.object.display(), args.join(" "))
        }
        object => object.display(),
    };
    let object = match &event.second {
        Some(second) => {
            let program = match (event.op, second) {
                (Op::Connect | Op::Send, Object::Process { pid, inside: false, detail }) => {
                    reasons.get(&guard::reason::of_outsider(*pid, *detail))
                }
                _ => None,
            };
            let program = program.map_or_else(String::new, |program| format!(" (`{}`)", clean(program)));
            format!("{object} -> {}{program}", second.display())
        }
        None => object,
    };
    match event.outside() {
        Some(Outside::Process(_)) => format!("{object}, outside of the session"),
        Some(Outside::Service(directory)) => {
            format!("{object}, for a service that runs what lies in {directory}")
        }
        None => object,
    }
}

/// Arguments come from the guarded side: no control character of theirs reaches a terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// What became of what the stages spoke against.
fn fates(summary: &event::Summary) -> String {
    let mut said = format!("{} refused", table::count(summary.denied, "operation"));
    if summary.stopped > 0 {
        said.push_str(&format!(", {} happened and stopped", summary.stopped));
    }
    said
}

fn text(shown: &Shown) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let meta = &shown.meta;
    let command: Vec<String> = meta.command.iter().map(|arg| clean(arg)).collect();
    let _ = writeln!(out, "session {} of `{}`, {}, tier {}", shown.session, meta.agent, meta.mode, meta.tier);
    let _ = writeln!(out, "  command    {}", command.join(" "));
    let _ = writeln!(out, "  started    {}", table::time(meta.started_unix_ns));
    match &shown.summary {
        Some(summary) => {
            let _ = writeln!(out, "  lasted     {}", table::duration(summary.duration_ns));
            let _ = writeln!(
                out,
                "  saw        {}, {}, {}",
                table::count(summary.events, "operation"),
                table::count(summary.syscalls, "system call"),
                fates(summary),
            );
            if summary.lost > 0 || summary.unresolved > 0 {
                let lost = table::count(summary.lost, "record");
                let _ = writeln!(out, "  lost       {lost}, {} without a path", summary.unresolved);
            }
            if let Some(unseen) = summary.unseen {
                let (processes, before) = (unseen.processes, table::duration(unseen.since_ns));
                let _ = writeln!(
                    out,
                    "  unseen     it was attached to {processes} running processes, after {before}"
                );
            }
        }
        None if shown.complete => {}
        None => {
            let _ = writeln!(out, "  incomplete: it runs, or its supervisor was killed");
        }
    }
    out.push('\n');
    for entry in &shown.timeline {
        let at = entry.at_ns as f64 / 1e9;
        let op = entry.op.unwrap_or(entry.kind);
        let reason = entry.reason.as_deref().filter(|reason| !reason.is_empty());
        if let (Some(stage), Some(means), Some(fate)) = (entry.stage, entry.means, entry.fate) {
            let told = Told { fate, stage, means, op, object: &entry.what, times: entry.times };
            let _ = write!(out, "{at:>10.3}  {told}: {}", reason.unwrap_or("no reason was stored"));
        } else {
            let _ = write!(out, "{at:>10.3}  {op:<10}  {}", entry.what);
            if entry.times > 1 {
                let _ = write!(out, ", {} times", entry.times);
            }
            if let Some(reason) = reason {
                let _ = write!(out, ": {reason}");
            }
        }
        out.push('\n');
    }
    out
}
