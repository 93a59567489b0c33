//! The operations of a program, from the recording of its session: those of its process and its descendants.
#![expect(clippy::indexing_slicing, reason = "there is a count for each stage")]

use anyhow::{Context, Result};
use bstr::ByteSlice;
use event::{Event, Object, Op, Outcome, Stage};
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Reader, SessionId};

/// Where interpreters and programs find their own parts: to open one says nothing of what a program is after.
const PARTS: [&[u8]; 8] = [
    b"/usr/lib/",
    b"/usr/local/lib/",
    b"/lib/",
    b"/lib64/",
    b"/etc/ld.so.",
    b"/dev/null",
    b"/dev/tty",
    b"/usr/share/zoneinfo/",
];

/// How long the end of a session may take to be stored.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen of a program.
#[derive(Debug, Default)]
pub struct Doings {
    /// When it was started, or was refused to be, CLOCK_BOOTTIME, ns; `None` where nobody tried.
    pub onset_ns: Option<u64>,
    /// Its exit status, 128 and the signal for one that was killed.
    pub exit_status: Option<i32>,
    /// Operations of it that were refused, by stage.
    pub refused: [u64; 3],
    /// Operations refused, and alerts, before that.
    pub early: u64,
    /// What the first alert after that said.
    pub alert: Option<String>,
    /// What went through outside the workspace, each operation and object once.
    pub reached: BTreeSet<String>,
    /// The same that failed, or was refused.
    pub tried: BTreeSet<String>,
    /// Its processes.
    pids: HashSet<u32>,
    /// The first of them.
    first: u32,
}

/// Reads what the program did that `interpreter` ran from `file`.
pub fn look(store: &Path, session: i64, interpreter: &str, file: &str, workspace: &Path) -> Result<Doings> {
    let reader = Reader::open(store).context("the recorded sessions cannot be read")?;
    let id = SessionId(session);
    let until = Instant::now() + PATIENCE;
    while !reader.session(id)?.complete && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let workspace = workspace.as_os_str().as_encoded_bytes();
    let mut doings = Doings::default();
    reader.events_only(id, &mut |event| {
        doings.take(&event, interpreter, file, workspace);
        ControlFlow::Continue(())
    })?;
    let onset_ns = doings.onset_ns.unwrap_or(u64::MAX);
    let alerts = reader.alerts(id)?;
    doings.early += alerts.iter().filter(|alert| alert.time_ns < onset_ns).count() as u64;
    let mut later = alerts.into_iter().filter(|alert| alert.time_ns >= onset_ns);
    doings.alert = later.find_map(|alert| alert.reasons.into_iter().next());
    Ok(doings)
}

impl Doings {
    fn take(&mut self, event: &Event, interpreter: &str, file: &str, workspace: &[u8]) {
        let refusal = event.decision.filter(|decision| decision.enforced).map(|decision| decision.stage);
        let refused = refusal.is_some();
        if self.onset_ns.is_none() {
            if is_start(event, interpreter, file) {
                self.onset_ns = Some(event.time_ns);
                self.refuse(refusal);
                if let Outcome::Done(_) = event.outcome {
                    self.first = event.pid;
                    self.pids.insert(event.pid);
                }
            } else {
                self.early += u64::from(refused);
            }
            return;
        }
        if !self.pids.contains(&event.pid) {
            return;
        }
        self.refuse(refusal);
        match event.op {
            Op::Fork => {
                self.pids.extend(event.fork.map(|fork| fork.pid));
                return;
            }
            Op::Exit => {
                if event.pid == self.first && event.tid == event.pid {
                    self.exit_status = Some(status(event.detail));
                }
                return;
            }
            Op::MapExec => return,
            _ => {}
        }
        let through = matches!(event.outcome, Outcome::Done(_)) && !refused;
        // A program that is there is no aim; one that is not, or may not be started, might be one.
        if is_outside(&event.object, workspace) && !(through && event.op == Op::Exec) {
            let what = format!("{} {}", event.op.name(), event.object.display());
            if through {
                self.reached.insert(what)
            } else {
                self.tried.insert(what)
            };
        }
    }

    fn refuse(&mut self, stage: Option<Stage>) {
        if let Some(stage) = stage {
            self.refused[stage as usize] += 1;
        }
    }

    /// Leaves out what harmless programs do, too.
    pub fn without(&mut self, ordinary: &BTreeSet<String>) {
        self.reached.retain(|what| !ordinary.contains(what));
        self.tried.retain(|what| !ordinary.contains(what));
    }
}

/// Whether the interpreter is started with the file.
fn is_start(event: &Event, interpreter: &str, file: &str) -> bool {
    let Object::Exe(exe) = &event.object else { return false };
    let [name, argument] = exe.args.as_slice() else { return false };
    event.op == Op::Exec && name == interpreter && argument == file
}

/// Whether it is something outside the workspace that a program may be after.
fn is_outside(object: &Object, workspace: &[u8]) -> bool {
    match object {
        Object::File(file) | Object::Unix(file) => is_outside_path(&file.path, workspace),
        Object::Exe(exe) => is_outside_path(&exe.file.path, workspace),
        Object::Address(_) => true,
        Object::Process { inside, .. } => !inside,
        Object::None | Object::Socket { .. } | Object::Interface { .. } => false,
    }
}

fn is_outside_path(path: &[u8], workspace: &[u8]) -> bool {
    let is_part = PARTS.iter().any(|part| path.starts_with(part));
    // Pipes and sockets without a name have no slash in front.
    path.first() == Some(&b'/') && !path.contains_str("/.git/") && !path.starts_with(workspace) && !is_part
}

/// What a shell would call a `task_struct::exit_code`: a code, or 128 and the signal.
fn status(code: u32) -> i32 {
    let (signal, code) = (code & 0x7f, code >> 8 & 0xff);
    i32::try_from(if signal > 0 { 128 + signal } else { code }).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use event::{Access, Decision, Exe, File, Fork, Means, Origin};

    fn file(path: &str) -> File {
        File { path: BString::from(path), key: None, mode: 0, origin: Origin::Trusted }
    }

    fn event(time_ns: u64, pid: u32, op: Op, object: Object, outcome: Outcome) -> Event {
        Event { time_ns, pid, tid: pid, outcome, ..Event::of(op, Access::default(), object) }
    }

    fn exec(time_ns: u64, pid: u32, args: &[&str]) -> Event {
        let args = args.iter().map(|arg| BString::from(*arg)).collect();
        let exe = Exe { file: file("/usr/bin/bash"), args, args_cut: false };
        event(time_ns, pid, Op::Exec, Object::Exe(exe), Outcome::Done(0))
    }

    fn open(time_ns: u64, pid: u32, path: &str, outcome: Outcome) -> Event {
        event(time_ns, pid, Op::Open, Object::File(file(path)), outcome)
    }

    #[test]
    fn what_a_program_and_its_children_do_outside_the_workspace_is_told() {
        let refused = Decision { stage: Stage::T1, means: Means::Lsm, enforced: true, reason: 1 };
        let fork = Event {
            fork: Some(Fork { pid: 8, tid: 8 }),
            ..event(4, 7, Op::Fork, Object::None, Outcome::Done(0))
        };
        let denied = Event { decision: Some(refused), ..open(6, 8, "/etc/shadow", Outcome::Failed(1)) };
        let early = Event { decision: Some(refused), ..open(1, 5, "/etc/early", Outcome::Failed(1)) };
        let end = Event { detail: 3 << 8, ..event(9, 7, Op::Exit, Object::None, Outcome::Done(0)) };
        let events = [
            early,
            exec(2, 5, &["bash", "-c", "bash 'try.sh'"]),
            exec(3, 7, &["bash", "try.sh"]),
            fork,
            exec(5, 8, &["cat", "/etc/hosts"]),
            open(5, 8, "/usr/lib/x.so", Outcome::Done(3)),
            open(5, 8, "/etc/hosts", Outcome::Done(3)),
            open(5, 8, "/w/a/README.md", Outcome::Done(3)),
            denied,
            open(7, 8, "/app/none", Outcome::Failed(2)),
            open(7, 6, "/etc/of-others", Outcome::Done(3)),
            end,
        ];
        let mut doings = Doings::default();
        for event in &events {
            doings.take(event, "bash", "try.sh", b"/w/a");
        }
        assert_eq!((doings.onset_ns, doings.exit_status), (Some(3), Some(3)));
        assert_eq!((doings.early, doings.refused), (1, [0, 1, 0]));
        assert_eq!(doings.reached, BTreeSet::from(["open /etc/hosts".to_owned()]));
        let tried = ["open /app/none", "open /etc/shadow"].map(str::to_owned);
        assert_eq!(doings.tried, BTreeSet::from(tried));
        doings.without(&BTreeSet::from(["open /etc/hosts".to_owned()]));
        assert!(doings.reached.is_empty());
    }

    #[test]
    fn a_status_is_what_a_shell_says() {
        assert_eq!([status(0), status(1 << 8), status(9), status(0x80 | 11)], [0, 1, 137, 139]);
    }
}
