//! The way from the command to the agent, where the command is another program that starts it (`timeout 60 claude`, a script of
//! the user's, what a package manager lays down under the agent's name).
//!
//! It is known before the session begins: programs one after the other, each of which the one before starts. The agent is the
//! first process that runs the agent's program at its end. A process that runs anything else has left the way, and so has all
//! that it starts: a script asks other programs for something before. The way ends for everybody as soon as anybody opens or runs
//! something in a workspace: it may say which variables and libraries the agent is given, and so what it runs.

use super::script::Script;
use agents::file_name;
use bstr::BString;
use event::{Context, Event, Object};
use std::collections::HashMap;

/// Processes that are on the way at once.
const PROCESSES_MAX: usize = 64;

/// The way from the command to the agent.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Each program by where it was found and by what it is.
    programs: Vec<[BString; 2]>,
    /// The agent's program, likewise.
    end: [BString; 2],
    /// How many of them a process has run.
    passed: HashMap<u32, usize>,
}

impl Way {
    /// It begins in a process. There is none without programs, to an end that is not sure, and through what lies in a workspace,
    /// which may be called anything.
    pub(super) fn begins_with(
        pid: u32,
        programs: &[[BString; 2]],
        end: Option<&[BString; 2]>,
        context: &Context,
    ) -> Way {
        let is_theirs = |path: &BString| context.in_workspace(path).is_some();
        match end {
            Some(end) if !programs.is_empty() && !programs.iter().chain([end]).flatten().any(is_theirs) => {
                Way { programs: programs.to_vec(), end: end.clone(), passed: [(pid, 0)].into() }
            }
            _ => Way::default(),
        }
    }

    /// Somebody is on it.
    pub(super) fn is_taken(&self) -> bool {
        !self.passed.is_empty()
    }

    /// Somebody opens or runs something.
    pub(super) fn touched(&mut self, event: &Event, context: &Context) {
        let objects = [Some(&event.object), event.second.as_ref()].into_iter().flatten();
        if objects.filter_map(Object::file).any(|file| context.in_workspace(&file.path).is_some()) {
            self.passed.clear();
        }
    }

    /// A process runs a program. Whether that is the agent's, at the end of the way.
    pub(super) fn leads(&mut self, event: &Event) -> bool {
        let Some(&passed) = self.passed.get(&event.pid) else { return false };
        let (started, script) = (started(event), Script::of(event));
        let script = script.as_ref().map(|script| &script.path);
        let is = |at: usize, path: &BString| self.programs.get(at).is_some_and(|names| names.contains(path));
        // A shell may be given the next script.
        let mut at = passed;
        for path in started.into_iter().chain(script) {
            at += usize::from(is(at, path));
        }
        let is_at_end = at == self.programs.len();
        let is_agents = |program: &BString| is_at_end && self.end.contains(program);
        // A script runs when its interpreter does, which `env` looks for first.
        let runs = if event.second.is_some() { script } else { script.or(started) };
        if runs.is_some_and(is_agents) {
            return true;
        }
        let is_same = |script: &BString| passed.checked_sub(1).is_some_and(|before| is(before, script));
        let goes_on = script.is_some_and(is_same) || is_looked_for(event) && started.is_some_and(is_agents);
        if at > passed {
            self.passed.insert(event.pid, at);
        } else if !goes_on {
            self.leave(event.pid);
        }
        false
    }

    /// A process made another one.
    pub(super) fn made(&mut self, event: &Event) {
        let child = event.fork.filter(|fork| fork.pid != event.pid).map(|fork| fork.pid);
        if let Some((child, &passed)) = child.zip(self.passed.get(&event.pid))
            && self.passed.len() < PROCESSES_MAX
        {
            self.passed.insert(child, passed);
        }
    }

    /// A process has ended, or somebody reached into it.
    pub(super) fn leave(&mut self, pid: u32) {
        self.passed.remove(&pid);
    }
}

/// The file that is started: a script, where the kernel looked for its interpreter.
fn started(event: &Event) -> Option<&BString> {
    let script = event.second.as_ref().and_then(Object::file);
    script.or_else(|| event.object.file()).map(|file| &file.path)
}

/// A script whose interpreter is looked for in PATH.
fn is_looked_for(event: &Event) -> bool {
    event.second.is_some() && event.object.file().is_some_and(|file| file_name(&file.path) == b"env")
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Access, Exe, File, Fork, Op, Origin};

    fn file(path: &str) -> File {
        File { path: path.into(), key: None, mode: 0o100755, origin: Origin::Trusted }
    }

    fn event(pid: u32, op: Op, object: Object) -> Event {
        Event { pid, tid: pid, ..Event::of(op, Access::empty(), object) }
    }

    /// A process runs a command line; a script, where its first word is one: `SCRIPT=INTERPRETER`.
    fn exec(pid: u32, command: &str) -> Event {
        let words: Vec<&str> = command.split(' ').collect();
        let (program, script) = match words[0].split_once('=') {
            Some((script, interpreter)) => (interpreter, Some(Object::File(file(script)))),
            None => (words[0], None),
        };
        let given = script.is_some().then(|| words[0].split_once('=')).flatten();
        let first = given.map_or(vec![words[0]], |(script, interpreter)| vec![interpreter, script]);
        let args = first.iter().chain(&words[1..]).map(|word| BString::from(*word)).collect();
        let exe = Object::Exe(Exe { file: file(program), args, args_cut: false });
        Event { second: script, ..event(pid, Op::Exec, exe) }
    }

    fn fork(pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(pid, Op::Fork, Object::None) }
    }

    /// Which process a way through these programs leads to.
    fn leads(programs: &[&str], events: &[Event]) -> Option<u32> {
        let programs: Vec<_> = programs.iter().map(|path| [BString::from(*path), (*path).into()]).collect();
        let context = Context { workspaces: vec!["/w".into()], ..Context::default() };
        let end = [BString::from("/opt/codex"), MODULE.into()];
        let mut way = Way::begins_with(1, &programs, Some(&end), &context);
        events.iter().find_map(|event| match event.op {
            Op::Fork => {
                way.made(event);
                None
            }
            op => {
                way.touched(event, &context);
                (op == Op::Exec && way.leads(event)).then_some(event.pid)
            }
        })
    }

    const MODULE: &str = "/h/node_modules/@openai/codex/bin/codex.js";

    #[test]
    fn the_agent_runs_where_its_way_ends() {
        let node = format!("/usr/bin/node {MODULE}");
        let shim = "/h/pnpm/codex";
        let pnpm =
            [exec(1, "/h/pnpm/codex=/usr/bin/dash"), fork(1, 2), exec(2, "/usr/bin/uname"), exec(1, &node)];
        assert_eq!(leads(&[shim], &pnpm), Some(1));
        let timeout = [exec(1, "/usr/bin/timeout 60 codex"), fork(1, 2), exec(2, "/opt/codex")];
        assert_eq!(leads(&["/usr/bin/timeout"], &timeout), Some(2));
        let script = format!("{MODULE}=/usr/bin/env");
        // Where `env` looks for the interpreter, the agent is what that runs.
        let env = [exec(1, "/usr/bin/nice codex"), exec(1, &script), exec(1, &node)];
        assert_eq!(leads(&["/usr/bin/nice"], &env), Some(1));
        assert_eq!(leads(&["/usr/bin/nice"], &env[..2]), None, "it does not run yet");
        let bash = [exec(1, "/usr/bin/bash /h/bin/mine x"), exec(1, "/opt/codex")];
        assert_eq!(leads(&["/usr/bin/bash", "/h/bin/mine"], &bash), Some(1));
    }

    #[test]
    fn who_leaves_the_way_leads_nowhere() {
        let mine = || exec(1, "/h/bin/mine=/usr/bin/dash");
        let script = format!("{MODULE}=/usr/bin/env");
        let open = |pid, path| event(pid, Op::Open, Object::File(file(path)));
        let of = |events: &[Event]| leads(&["/h/bin/mine", "/usr/bin/timeout"], events);
        let end = [exec(1, "/usr/bin/timeout"), fork(1, 3), exec(3, "/opt/codex")];
        assert_eq!(of(&[&[mine()][..], &end].concat()), Some(3));
        for between in [
            // A helper of the script's, and what it starts.
            vec![fork(1, 2), exec(2, "/w/helper"), exec(2, "/usr/bin/timeout"), exec(2, "/opt/codex")],
            vec![fork(1, 2), exec(2, "/w/helper"), fork(2, 4), exec(4, "/opt/codex")],
            // The way leads through more.
            vec![fork(1, 2), exec(2, "/opt/codex")],
            // What lies in the workspace is called like the agent.
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/w/codex")],
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/usr/bin/node /w/node_modules/@openai/codex/x.js")],
            // What is called like it elsewhere, too.
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/h/other/codex")],
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/usr/bin/node /proc/self/cwd/codex.js")],
            // Another interpreter than it would have.
            vec![exec(1, "/usr/bin/timeout"), exec(1, &script), exec(1, &format!("/w/bin/node {MODULE}"))],
            vec![exec(1, "/usr/bin/timeout"), exec(1, &format!("/w/bin/node {MODULE}"))],
            vec![exec(1, "/usr/bin/timeout"), exec(1, &script), exec(1, "/usr/bin/node /h/other.js")],
            // A file of the workspace may have set the agent's variables, whoever read it.
            vec![open(1, "/w/.venv/bin/activate"), exec(1, "/usr/bin/timeout"), exec(1, "/opt/codex")],
            vec![fork(1, 2), open(2, "/w/.env"), exec(1, "/usr/bin/timeout"), exec(1, "/opt/codex")],
            // Runners of packages leave to a shell what they start.
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/usr/bin/dash -c codex"), exec(1, "/opt/codex")],
            // Code that its interpreter is given besides.
            vec![exec(1, "/usr/bin/timeout"), exec(1, &format!("/usr/bin/node -r /w/evil.js {MODULE}"))],
            // A wrapper with the agent behind it is not the agent.
            vec![exec(1, "/usr/bin/timeout"), exec(1, "/usr/bin/nice /opt/codex")],
            // It was another program before.
            vec![exec(1, "/w/other"), exec(1, "/usr/bin/timeout"), exec(1, "/opt/codex")],
        ] {
            let events = [&[mine()][..], &between].concat();
            assert_eq!(of(&events), None, "{between:?}");
        }
        let theirs = [exec(1, "/w/bin/nice"), exec(1, "/opt/codex")];
        assert_eq!(leads(&["/w/bin/nice"], &theirs), None);
    }
}
