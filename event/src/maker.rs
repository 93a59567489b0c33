//! The creator of an object in a session: the agent itself, or a program that it ran. A recording is believed: what the
//! agent itself makes in its home says where it keeps its state.
//!
//! The agent itself is the process that the session began with, and what that made without running another program (a fork, the
//! same program once more). A script starts the agent's program first, and one of a shell does its work by the programs that it
//! starts: these are the agent itself, too, and what they start is not.

use crate::{Event, Object, Op, Outcome};
use agents::{Agent, is_shell};
use bstr::BString;
use std::collections::HashMap;

/// Processes that are remembered; those beyond are not the agent itself.
const PROCESSES_MAX: usize = 4_096;

/// The processes that are the agent itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Makers {
    began: bool,
    itself: HashMap<u32, Program>,
}

/// What a process of the agent's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Program {
    executable: BString,
    script: Option<BString>,
    /// The session began with it.
    first: bool,
    /// It was made by a script that the session began with: the program that it runs first is the agent's.
    starts: bool,
    /// It has made a process.
    forked: bool,
}

impl Makers {
    /// Notes what an event says of processes. Whether it is the session's first.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        let begins = !std::mem::replace(&mut self.began, true);
        if begins {
            self.itself.insert(event.pid, Program { first: true, ..Program::default() });
        }
        match event.op {
            Op::Fork => self.made(event),
            // Who looks for a program in PATH tries each directory.
            Op::Exec if !matches!(event.outcome, Outcome::Failed(_)) => self.started(event),
            Op::Exit if event.tid == event.pid => {
                self.itself.remove(&event.pid);
            }
            _ => {}
        }
        begins
    }

    /// Whether a process is the agent itself.
    pub(crate) fn is_itself(&self, pid: u32) -> bool {
        self.itself.contains_key(&pid)
    }

    fn made(&mut self, event: &Event) {
        let Some(fork) = event.fork.filter(|fork| fork.pid != event.pid) else { return };
        let room = self.itself.len() < PROCESSES_MAX;
        let Some(parent) = self.itself.get_mut(&event.pid) else { return };
        let is_script = parent.first && parent.script.is_some();
        let starts = is_script && (!parent.forked || is_shell(&parent.executable));
        parent.forked = true;
        let child = Program { first: false, starts, forked: false, ..parent.clone() };
        if room {
            self.itself.insert(fork.pid, child);
        }
    }

    fn started(&mut self, event: &Event) {
        let Some(before) = self.itself.get_mut(&event.pid) else { return };
        let path = |object: &Object| object.file().map(|file| file.path.clone());
        let Some(executable) = path(&event.object) else { return };
        let script = event.second.as_ref().and_then(path);
        // A script that `env` or another interpreter found goes on in the same process.
        let is_same = before.executable == executable && before.script == script;
        let is_agent = Agent::of_program(&executable).is_some()
            || script.as_ref().is_some_and(|script| Agent::of_program(script).is_some());
        if before.first || before.starts || is_same || is_agent {
            let script = script.or_else(|| before.script.take().filter(|_| before.first));
            *before = Program { executable, script, starts: false, ..before.clone() };
        } else {
            self.itself.remove(&event.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Exe, File, Fork, Origin};

    fn event(pid: u32, op: Op, object: Object) -> Event {
        Event { pid, tid: pid, ..Event::of(op, Access::empty(), object) }
    }

    fn exec(pid: u32, path: &str, script: Option<&str>) -> Event {
        let file =
            |path: &str| File { path: path.into(), key: None, mode: 0o100644, origin: Origin::Trusted };
        let exe = Exe { file: file(path), args: vec![], args_cut: false };
        let second = script.map(|path| Object::File(file(path)));
        Event { second, ..event(pid, Op::Exec, Object::Exe(exe)) }
    }

    fn fork(pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(pid, Op::Fork, Object::None) }
    }

    fn itself(events: &[Event]) -> Vec<u32> {
        let mut makers = Makers::default();
        for event in events {
            makers.note(event);
        }
        let mut pids: Vec<u32> = makers.itself.keys().copied().collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_program_is_itself_with_its_forks_and_what_it_starts_is_not() {
        let events = [
            exec(1, "/opt/tool", None),
            fork(1, 2),
            exec(2, "/usr/bin/bash", None),
            fork(2, 3),
            exec(3, "/usr/bin/npm", None),
            fork(1, 4),
            fork(1, 5),
            exec(5, "/opt/tool", None),
        ];
        assert_eq!(itself(&events), [1, 4, 5]);
        assert_eq!(itself(&[&events[..], &[event(4, Op::Exit, Object::None)]].concat()), [1, 5]);
    }

    #[test]
    fn who_looks_for_a_program_in_vain_is_what_it_was() {
        let looked = |pid, path| Event { outcome: Outcome::Failed(2), ..exec(pid, path, None) };
        let start = [exec(1, "/usr/bin/node", Some("/opt/tool")), fork(1, 2), looked(2, "/h/bin/inner")];
        assert_eq!(itself(&[&start[..], &[exec(2, "/usr/bin/inner", None)]].concat()), [1, 2]);
        let native = [exec(1, "/opt/tool", None), fork(1, 2), looked(2, "/h/bin/ls")];
        assert_eq!(itself(&native), [1, 2]);
        assert_eq!(itself(&[&native[..], &[exec(2, "/usr/bin/ls", None)]].concat()), [1]);
    }

    #[test]
    fn a_script_starts_the_agents_program_first_and_one_of_a_shell_all_of_its_own() {
        let start = |interpreter: &str| {
            vec![
                exec(1, "/usr/bin/env", Some("/h/bin/tool")),
                exec(1, interpreter, None),
                fork(1, 2),
                exec(2, "/h/lib/tool-linux", None),
                fork(2, 3),
                exec(3, "/usr/bin/git", None),
                fork(1, 4),
                exec(4, "/usr/bin/mkdir", None),
            ]
        };
        assert_eq!(itself(&start("/usr/bin/node")), [1, 2]);
        assert_eq!(itself(&start("/usr/bin/bash")), [1, 2, 4]);
    }
}
