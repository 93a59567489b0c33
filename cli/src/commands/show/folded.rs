//! A session as a page: programs, changes, hosts and refusals.

use super::entry::Entry;
use crate::commands::denials::{self, Denial};
use crate::commands::what::what;
use anyhow::Result;
use command::add_line;
use event::{Access, Context, Event, Object, Op, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use text::count;
use text::shown;

/// Lines of one part that are said.
const LINES: usize = 12;

/// Names of one line.
const NAMES: usize = 4;

/// What is told of a session.
#[derive(Default)]
pub(super) struct Folded {
    /// By file: how often it was started, and what it was first started with.
    programs: BTreeMap<String, (u64, String)>,
    /// By directory: what was made, changed and removed in it.
    changed: BTreeMap<String, BTreeSet<String>>,
    /// By host or socket, and who listens there: how often it was reached.
    reached: BTreeMap<String, u64>,
    denials: Vec<Denial>,
}

impl Folded {
    pub(super) fn of(reader: &store::Reader, session: &store::Session) -> Result<Self> {
        let mut folded = Self { denials: denials::of(reader, session)?, ..Self::default() };
        let context = &session.meta.context;
        let reasons = reader.reasons(session.id)?;
        reader.events_only(session.id, &mut |event| {
            folded.see(&event, context, &reasons);
            ControlFlow::Continue(())
        })?;
        Ok(folded)
    }

    fn see(&mut self, event: &Event, context: &Context, reasons: &BTreeMap<u32, String>) {
        if !matches!(event.outcome, Outcome::Done(_)) {
            return;
        }
        match (event.op, &event.object) {
            (Op::Exec, Object::Exe(exe)) => {
                let arguments = exe.args.iter().map(|arg| shown(arg)).collect::<Vec<_>>().join(" ");
                let program = self.programs.entry(near(&event.object.display(), context));
                program.or_insert((0, arguments)).0 += 1;
            }
            (Op::Connect | Op::Send, _) => {
                *self.reached.entry(near(&what(event, reasons), context)).or_default() += 1;
            }
            (_, Object::File(file)) if is_change(event) && !file.is_anonymous_pipe() => {
                let path = near(&event.object.display(), context);
                let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
                self.changed.entry(directory.to_owned()).or_default().insert(name.to_owned());
            }
            _ => {}
        }
    }

    /// In words, with what else is told of a session: its tasks, alerts and losses. `id` is its number.
    pub(super) fn text(&self, id: i64, timeline: &[Entry]) -> String {
        let mut out = String::new();
        let starts: u64 = self.programs.values().map(|(times, _)| times).sum();
        let head = format!("ran {}, {}", count(self.programs.len() as u64, "program"), count(starts, "time"));
        let programs = self.programs.iter().map(|(path, (times, first))| {
            (*times, format!("{path}, {}: {}", count(*times, "time"), denials::short(first)))
        });
        part(&mut out, &head, most(programs));
        let files: usize = self.changed.values().map(BTreeSet::len).sum();
        let head = format!("changed {}", count(files as u64, "file"));
        let changed = self.changed.iter().map(|(directory, names)| {
            let mut some: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
            let more = format!("{} more", names.len().saturating_sub(NAMES));
            if names.len() > NAMES {
                some.push(&more);
            }
            (names.len() as u64, format!("{directory}: {}", some.join(", ")))
        });
        part(&mut out, &head, most(changed));
        let head = format!("reached {}", count(self.reached.len() as u64, "peer"));
        let reached =
            self.reached.iter().map(|(peer, times)| (*times, format!("{peer}, {}", count(*times, "time"))));
        part(&mut out, &head, most(reached));
        let denials =
            self.denials.iter().map(|denial| format!("{id}.{:<3} {}", denial.number, denials::told(denial)));
        part(&mut out, "what stages spoke against", denials.collect());
        let told = timeline.iter().filter(|entry| !matches!(entry.kind, "operation" | "denial"));
        part(&mut out, "besides", told.map(Entry::line).collect());
        add_line!(out, "\n`wardline show {id} --events` prints it event by event, in order of time.");
        out
    }
}

/// A head and its lines, as many as are said.
fn part(out: &mut String, head: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    add_line!(out, "\n{head}");
    for line in lines.iter().take(LINES) {
        add_line!(out, "  {line}");
    }
    if lines.len() > LINES {
        add_line!(out, "  and {} more", lines.len() - LINES);
    }
}

/// Lines, those first that count most.
fn most(lines: impl Iterator<Item = (u64, String)>) -> Vec<String> {
    let mut lines: Vec<(u64, String)> = lines.collect();
    lines.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// A path as its user writes it.
fn near(path: &str, context: &Context) -> String {
    let home = context.home.to_string();
    match path.strip_prefix(&home) {
        Some(below) if !home.is_empty() && below.starts_with('/') => format!("~{below}"),
        _ => path.to_owned(),
    }
}

/// Whether it made, changed or removed something.
fn is_change(event: &Event) -> bool {
    let access = Access::WRITE | Access::CREATE | Access::REMOVE | Access::ATTR | Access::LINK;
    event.op != Op::Exec && event.access.intersects(access)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use event::{Exe, File, Origin};

    fn event(op: Op, access: Access, object: Object) -> Event {
        Event { time_ns: 1, pid: 10, tid: 10, ..Event::of(op, access, object) }
    }

    fn file(path: &str) -> File {
        File { path: path.into(), key: None, mode: 0o100_644, origin: Origin::Trusted }
    }

    #[test]
    fn a_session_is_a_page_however_much_it_did() {
        let context = Context { home: "/home/u".into(), ..Context::default() };
        let mut folded = Folded::default();
        let mut see = |event: Event| folded.see(&event, &context, &BTreeMap::new());
        for number in 0..40 {
            let args = ["git", "show", "x"].map(BString::from).to_vec();
            let exe = Exe { file: file("/usr/bin/git"), args, args_cut: false };
            see(event(Op::Exec, Access::EXEC, Object::Exe(exe)));
            let path = format!("/home/u/app/src/{number:02}.rs");
            see(event(Op::Open, Access::WRITE, Object::File(file(&path))));
            see(event(Op::Open, Access::READ, Object::File(file("/home/u/app/README.md"))));
            see(event(Op::Mkdir, Access::CREATE, Object::File(file(&format!("/srv/{number}/x")))));
        }
        let mut failed = event(Op::Unlink, Access::REMOVE, Object::File(file("/home/u/letter")));
        failed.outcome = Outcome::Failed(13);
        see(failed);
        let alert = Entry::new(2_000_000_000, "alert", "freeze".to_owned());
        insta::assert_snapshot!(folded.text(17, &[alert]));
    }
}
