//! The way to the agent, where the session begins with something that starts it: a package manager's launcher, a script of the
//! user's, a wrapper.
//!
//! The client has found which files are the agent's program. The agent itself is who runs exactly one of them; until then nobody
//! has what it alone may. The way is lost for good as soon as the session has touched what the workspace decides, since that may
//! say which variables and libraries the agent is given, or is not seen whole any more.

use super::itself::{Script, is_written_memory};
use crate::{DenyList, walk};
use abi::FileKey;
use bstr::{BStr, BString, ByteSlice};
use event::{Event, Object, Op, Outcome, shown};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that are run before the agent.
const STEPS_MAX: usize = 64;
/// Programs of one agent.
const ENDS_MAX: usize = 32;
/// Processes that are on the way at once.
const PROCESSES_MAX: usize = 64;

/// The way to the agent.
#[derive(Debug)]
pub(crate) struct Way {
    /// The agent's tag.
    pub(crate) agent: String,
    ends: Vec<End>,
    /// What lies below them the workspace decides.
    grounds: Vec<BString>,
    /// Who may still come to the end.
    on: HashSet<u32>,
    /// Who runs the agent's program.
    runs: Option<u32>,
    steps: usize,
    /// Why nobody may any more.
    lost: Option<String>,
    /// That was said.
    is_said: bool,
}

/// The agent's program.
#[derive(Debug)]
struct End {
    program: FileKey,
    /// What that interprets, in each spelling that it may be given.
    script: Vec<BString>,
}

/// What an event means for the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on, or is no event of it.
    None,
    /// The process is the agent.
    Agent,
    /// The process ceases to be the agent.
    Left,
    /// It is lost, and the user should know.
    Lost(String),
}

impl Way {
    /// Looks up the files that the client has found. `None`: none of them is there.
    pub(crate) fn of(list: &dyn DenyList, way: wire::Way, workspaces: &[BString]) -> Option<Way> {
        let wire::Way { agent, ends, mut grounds } = way;
        grounds.extend(workspaces.iter().cloned());
        grounds.retain(|ground| !ground.is_empty());
        let is_decided = |file: &BString| grounds.iter().any(|ground| path(file).starts_with(path(ground)));
        let end = |end: wire::End| match walk::open(list, path(&end.program)) {
            walk::Found::Node(node) if !is_everybodys(node.identity.mode) => {
                Some(End { program: node.identity.file, script: end.script })
            }
            _ => None,
        };
        let ends = ends
            .into_iter()
            .take(ENDS_MAX)
            .filter(|end| !end.script.iter().chain([&end.program]).any(is_decided));
        let ends: Vec<End> = ends.filter_map(end).collect();
        (!ends.is_empty()).then(|| Way {
            agent,
            ends,
            grounds,
            on: HashSet::new(),
            runs: None,
            steps: 0,
            lost: None,
            is_said: false,
        })
    }

    /// It begins in this process.
    pub(super) fn begins_with(&mut self, pid: u32) {
        self.on = [pid].into();
    }

    /// Takes in what a process of the session did.
    pub(super) fn note(&mut self, event: &Event) -> Turn {
        if !matches!(event.outcome, Outcome::Done(_)) {
            return Turn::None;
        }
        match event.op {
            Op::Fork => self.made(event),
            Op::Exit if event.tid == event.pid => {
                self.on.remove(&event.pid);
                self.runs = self.runs.filter(|runs| *runs != event.pid);
                Turn::None
            }
            Op::Exec if self.runs == Some(event.pid) => {
                self.runs = None;
                Turn::Left
            }
            Op::Exec if self.on.contains(&event.pid) && self.is_end(event) => self.reached(event.pid),
            Op::Exec => match self.decided(event) {
                Some(place) => self.lose(format!("`{}` was run", shown(place))),
                None => self.stepped(event),
            },
            // Whoever is on the way may be made to run anything.
            Op::Ptrace => self.lose("a process was reached into".to_owned()),
            Op::Open if is_written_memory(event) => {
                self.lose("the memory of a process was opened".to_owned())
            }
            _ => match self.decided(event) {
                Some(place) => self.lose(format!("`{}` was touched", shown(place))),
                None => Turn::None,
            },
        }
    }

    /// What the session did was not all seen.
    pub(super) fn unseen(&mut self) -> Turn {
        self.lose("records of the session were lost".to_owned())
    }

    fn made(&mut self, event: &Event) -> Turn {
        let child = event.fork.filter(|fork| fork.pid != event.pid).map(|fork| fork.pid);
        let Some(child) = child.filter(|_| self.on.contains(&event.pid)) else { return Turn::None };
        self.on.insert(child);
        if self.on.len() > PROCESSES_MAX {
            return self.lose(format!("more than {PROCESSES_MAX} processes were made"));
        }
        Turn::None
    }

    /// Whoever runs the agent's program is on the way no more, and nor is what it starts.
    fn reached(&mut self, pid: u32) -> Turn {
        self.on.remove(&pid);
        if let Some(why) = &self.lost {
            let why = why.clone();
            return self.say(&why);
        }
        if self.runs.is_some() {
            return Turn::None;
        }
        self.runs = Some(pid);
        Turn::Agent
    }

    fn stepped(&mut self, event: &Event) -> Turn {
        if !self.on.contains(&event.pid) {
            return Turn::None;
        }
        self.steps += 1;
        match event.object.file() {
            Some(file) if is_everybodys(file.mode) => {
                self.lose(format!("`{}` was run, which anybody may change", shown(&file.path)))
            }
            _ if self.steps > STEPS_MAX => self.lose(format!("more than {STEPS_MAX} programs were run")),
            _ => Turn::None,
        }
    }

    fn is_end(&self, event: &Event) -> bool {
        let Some(program) = event.object.file().and_then(|file| file.key) else { return false };
        let script = Script::of(event).map(|script| script.path);
        self.ends.iter().any(|end| {
            let is_script = script.as_ref().is_some_and(|script| end.script.contains(script));
            end.program == program && (is_script || end.script.is_empty() && event.second.is_none())
        })
    }

    /// What an event is about that the workspace decides.
    fn decided<'e>(&self, event: &'e Event) -> Option<&'e BStr> {
        let objects = [Some(&event.object), event.second.as_ref()].into_iter().flatten();
        let mut paths = objects.filter_map(Object::file).map(|file| file.path.as_bstr());
        paths.find(|path| self.grounds.iter().any(|ground| self::path(path).starts_with(self::path(ground))))
    }

    fn lose(&mut self, why: String) -> Turn {
        if self.lost.is_some() {
            return Turn::None;
        }
        self.lost = Some(why.clone());
        // An agent that runs works in the workspace: that is no loss of its own.
        if self.runs.is_some() { Turn::None } else { self.say(&why) }
    }

    fn say(&mut self, why: &str) -> Turn {
        if std::mem::replace(&mut self.is_said, true) {
            return Turn::None;
        }
        Turn::Lost(format!(
            "{why} before {0} was started, and may have decided what {0} runs: {0} may not replace its own settings in this \
             session; started directly, it may",
            self.agent
        ))
    }
}

fn is_everybodys(mode: u32) -> bool {
    mode & libc::S_IWOTH != 0
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Access, Exe, File, Fork, Origin};

    fn key(ino: u64) -> FileKey {
        FileKey { dev: 1, generation: 0, ino }
    }

    const NODE: u64 = 10;
    const NATIVE: u64 = 11;
    const MODULE: &str = "/h/pnpm/node_modules/codex/codex.js";

    fn way() -> Way {
        let mut way = Way {
            agent: "codex".into(),
            ends: vec![
                End { program: key(NODE), script: vec![MODULE.into(), "/h/bin/codex".into()] },
                End { program: key(NATIVE), script: vec![] },
            ],
            grounds: vec!["/r/w".into(), "/r".into()],
            on: HashSet::new(),
            runs: None,
            steps: 0,
            lost: None,
            is_said: false,
        };
        way.begins_with(1);
        way
    }

    fn event(pid: u32, op: Op, object: Object) -> Event {
        Event { pid, tid: pid, ..Event::of(op, Access::empty(), object) }
    }

    fn file(path: &str, ino: u64, mode: u32) -> File {
        File { path: path.into(), key: Some(key(ino)), mode, origin: Origin::Trusted }
    }

    /// A process runs a program, which is a file of that number, with these words.
    fn exec(pid: u32, ino: u64, words: &str) -> Event {
        let args: Vec<BString> = words.split(' ').map(BString::from).collect();
        let file = file(words.split(' ').next().unwrap(), ino, 0o100755);
        event(pid, Op::Exec, Object::Exe(Exe { file, args, args_cut: false }))
    }

    fn fork(pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(pid, Op::Fork, Object::None) }
    }

    fn open(pid: u32, path: &str) -> Event {
        event(pid, Op::Open, Object::File(file(path, 90, 0o100644)))
    }

    fn exit(pid: u32) -> Event {
        event(pid, Op::Exit, Object::None)
    }

    /// Who was the agent, one after the other, and what was said.
    fn agents(events: &[Event]) -> (Vec<u32>, usize) {
        let mut way = way();
        let (mut agents, mut said) = (Vec::new(), 0);
        for event in events {
            match way.note(event) {
                Turn::Agent => agents.push(event.pid),
                Turn::Lost(_) => said += 1,
                Turn::Left | Turn::None => {}
            }
        }
        (agents, said)
    }

    #[test]
    fn who_runs_exactly_the_agents_program_is_the_agent() {
        let node = || exec(1, NODE, &format!("/usr/bin/node {MODULE} -p"));
        let shim = [exec(1, 5, "/bin/sh /h/pnpm/codex"), fork(1, 2), exec(2, 6, "/usr/bin/uname"), exit(2)];
        assert_eq!(agents(&[&shim[..], &[node()]].concat()), (vec![1], 0));
        let other_spelling = exec(1, NODE, "/usr/bin/node --no-warnings /h/bin/codex");
        assert_eq!(agents(&[&shim[..], &[other_spelling]].concat()), (vec![1], 0));
        let waits = [exec(1, 7, "/usr/bin/timeout 60 x"), fork(1, 2), exec(2, NATIVE, "/h/codex")];
        assert_eq!(agents(&waits), (vec![2], 0));
        // Asked for its version before, it is the agent twice; what it starts itself is not.
        let twice = [
            fork(1, 2),
            exec(2, NATIVE, "/h/codex --version"),
            fork(2, 3),
            exec(3, NATIVE, "/h/codex"),
            exit(3),
            exit(2),
            exec(1, NATIVE, "/h/codex"),
        ];
        assert_eq!(agents(&twice), (vec![2, 1], 0));
    }

    #[test]
    fn another_file_is_not_the_agent_whatever_it_is_called() {
        for other in [
            exec(1, 20, &format!("/x/bin/node {MODULE}")),
            exec(1, 20, "/h/codex"),
            exec(1, NODE, "/usr/bin/node /h/other.js"),
            exec(1, NODE, &format!("/usr/bin/node --require /x/evil.js {MODULE}")),
            exec(1, NODE, "/usr/bin/node"),
        ] {
            assert_eq!(agents(std::slice::from_ref(&other)), (vec![], 0), "{other:?}");
        }
        let refused = Event { outcome: Outcome::Failed(libc::EPERM), ..exec(1, NATIVE, "/h/codex") };
        assert_eq!(agents(&[refused]), (vec![], 0));
        assert_eq!(agents(&[exec(9, NATIVE, "/h/codex")]), (vec![], 0), "nobody who is on the way");
    }

    #[test]
    fn what_the_workspace_decides_ends_the_way() {
        let end = exec(1, NATIVE, "/h/codex");
        let script = Object::File(file("/r/w/run", 30, 0o100755));
        let anybodys = file("/opt/tool", 31, 0o100777);
        for between in [
            open(1, "/r/w/.venv/bin/activate"),
            open(1, "/r/.npmrc"),
            event(2, Op::Ptrace, Object::Process { pid: 1, inside: true, detail: 16 }),
            Event { access: Access::WRITE, ..open(2, "/proc/1/mem") },
            exec(1, 21, "/r/w/bin/timeout 60 codex"),
            Event { second: Some(script), ..exec(1, 5, "/bin/sh /r/w/run") },
            event(1, Op::Exec, Object::Exe(Exe { file: anybodys, args: vec![], args_cut: false })),
        ] {
            assert_eq!(agents(&[between.clone(), end.clone()]), (vec![], 1), "{between:?}");
        }
        let failed = Event { outcome: Outcome::Failed(libc::ENOENT), ..open(1, "/r/w/.npmrc") };
        assert_eq!(agents(&[failed, open(1, "/rest/x"), end.clone()]), (vec![1], 0));
        let steps: Vec<Event> = (0..=STEPS_MAX).map(|_| exec(1, 6, "/usr/bin/env x")).collect();
        assert_eq!(agents(&[&steps[..STEPS_MAX], std::slice::from_ref(&end)].concat()), (vec![1], 0));
        assert_eq!(agents(&[&steps[..], std::slice::from_ref(&end)].concat()), (vec![], 1));
        let mut way = way();
        assert!(matches!(way.unseen(), Turn::Lost(_)));
        assert_eq!(way.note(&end), Turn::None);
    }

    #[test]
    fn an_agent_that_worked_in_the_workspace_is_not_started_again() {
        let first = [fork(1, 2), exec(2, NATIVE, "/h/codex"), open(2, "/r/w/a.c"), exit(2)];
        let again = [fork(1, 3), exec(3, NATIVE, "/h/codex")];
        assert_eq!(agents(&first), (vec![2], 0), "that is its work");
        assert_eq!(agents(&[&first[..], &again].concat()), (vec![2], 1));
    }
}
