//! The agent itself, as far as it rewrites its own configuration: a file that no other program of the session may replace.
//!
//! It is the process that the session began with, as long as it runs what it ran when it made its first process, and nobody
//! reaches into its memory; where that is a script which starts the agent's program, its first child as well. All of this
//! the kernel said. Whoever gets code into that process by other ways has what it has.
//!
//! Where the command is another program that starts the agent (`timeout 60 claude`, a script of the user's), the agent is the
//! first process to run its program at the end of that way: programs that were found before the session began, each of which
//! the one before started. Who leaves the way is not the agent, and nothing that it starts.

use agents::{Agent, Program};
use bstr::{BString, ByteSlice};
use event::{Access, Event, Exe, Object, Op, Outcome};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Processes that are on the way to the agent at once.
const ON_WAY_MAX: usize = 64;

/// The way from the command to the agent.
#[derive(Debug, Default)]
struct Way {
    /// Each program by where it was found and by what it is.
    programs: Vec<[BString; 2]>,
    /// How many of them a process has run.
    passed: HashMap<u32, usize>,
}

/// The processes that are the agent itself.
#[derive(Debug, Default)]
pub(crate) struct Itself {
    /// Until the agent runs, where it is started by something else.
    way: Way,
    first: Option<u32>,
    /// It runs a script, or did so before it made a process.
    scripted: bool,
    /// What it runs by an interpreter.
    script: Option<Script>,
    /// The directory of its own package, from which it has read before it made a process.
    place: Option<BString>,
    /// It has made a process.
    forked: bool,
    /// The first process that a script has made.
    child: Option<u32>,
    /// That runs the agent's program.
    runs: bool,
}

/// What an interpreter runs.
#[derive(Debug)]
struct Script {
    interpreter: BString,
    /// As it was given to the interpreter.
    path: BString,
}

impl Script {
    /// Of an interpreter that is given a script, and no option but those by which it surely runs nothing else.
    fn of(event: &Event) -> Option<Script> {
        const HARMLESS: [&[u8]; 9] = [
            b"--disable-warning",
            b"--enable-source-maps",
            b"--expose-gc",
            b"--max-old-space-size",
            b"--max-semi-space-size",
            b"--no-deprecation",
            b"--no-warnings",
            b"--stack-size",
            b"--use-system-ca",
        ];
        let Object::Exe(Exe { file, args, .. }) = &event.object else { return None };
        let Program::File(path) = Program::of(args.iter().map(|word| word.as_slice())) else { return None };
        let mut options = args.iter().skip(1).take_while(|word| word.as_slice() != path);
        let name = |word: &[u8]| {
            word.split(|byte| *byte == b'=').next().is_some_and(|name| HARMLESS.contains(&name))
        };
        let loads = options.any(|word| !name(word));
        let is_script = args.first().is_some_and(|first| first.as_slice() != path);
        (is_script && !loads)
            .then(|| Script { interpreter: BString::from(file.path.as_slice()), path: path.into() })
    }
}

impl Way {
    /// A process runs a program. Whether that is the agent's, at the end of the way.
    fn leads(&mut self, event: &Event, agent: &str) -> bool {
        let Some(&passed) = self.passed.get(&event.pid) else { return false };
        let path = |object: &Object| object.file().map(|file| file.path.clone());
        let script = event.second.as_ref().and_then(path);
        let Some(started) = script.or_else(|| path(&event.object)) else { return false };
        let is = |at: usize, path: &BString| self.programs.get(at).is_some_and(|names| names.contains(path));
        // The interpreter of a script that `env` found goes on in the same process.
        let goes_on = || Script::of(event).is_some_and(|script| passed > 0 && is(passed - 1, &script.path));
        if passed == self.programs.len() && is_of(&started, agent) {
            self.passed.clear();
            return true;
        }
        if is(passed, &started) {
            self.passed.insert(event.pid, passed + 1);
        } else if !goes_on() {
            self.passed.remove(&event.pid);
        }
        false
    }

    fn made(&mut self, event: &Event) {
        let child = event.fork.filter(|fork| fork.pid != event.pid).map(|fork| fork.pid);
        if let Some((child, &passed)) = child.zip(self.passed.get(&event.pid))
            && self.passed.len() < ON_WAY_MAX
        {
            self.passed.insert(child, passed);
        }
    }
}

impl Itself {
    /// The command starts the agent through these programs.
    pub(crate) fn begins_through(&mut self, programs: Vec<[BString; 2]>) {
        self.way.programs = programs;
    }

    /// The programs through which the command starts the agent.
    pub(crate) fn through(&self) -> &[[BString; 2]] {
        &self.way.programs
    }

    /// The process that the agent began in.
    pub(super) fn first(&self) -> Option<u32> {
        self.first
    }

    /// It runs a script, or did so before it made a process.
    pub(super) fn is_scripted(&self) -> bool {
        self.scripted
    }

    /// The session begins with a process.
    pub(super) fn begins_with(&mut self, pid: u32) {
        let programs = std::mem::take(&mut self.way.programs);
        if programs.is_empty() {
            *self = Self { first: Some(pid), ..Self::default() };
        } else {
            *self = Self { way: Way { programs, passed: [(pid, 0)].into() }, ..Self::default() };
        }
    }

    /// The agent itself begins in a process.
    fn begins_in(&mut self, event: &Event) {
        let programs = std::mem::take(&mut self.way.programs);
        *self = Self { first: Some(event.pid), way: Way { programs, ..Way::default() }, ..Self::default() };
        self.scripted = event.second.is_some();
        self.script = Script::of(event);
    }

    /// Notes what its processes do, and what is done to them. The child of a script that begins to run the agent's program,
    /// which the kernel side does not know.
    pub(super) fn note(&mut self, event: &Event, agent: &str) -> Option<u32> {
        if !self.way.passed.is_empty() {
            return self.on_way(event, agent);
        }
        let before = self.runs;
        match event.op {
            Op::Exec if !has_failed(event) => self.started(event, agent),
            Op::Fork => self.made(event),
            Op::Exit if event.tid == event.pid => self.forget(event.pid),
            Op::Ptrace => {
                if let Object::Process { pid, .. } = event.object {
                    self.forget(pid);
                }
            }
            Op::Open if self.place.is_none() && !self.forked && self.first == Some(event.pid) => {
                self.place = package(event, agent);
            }
            // Whose memory, the name says in the numbers of whoever mounted it.
            Op::Open if event.access.contains(Access::WRITE) && is_memory(event) => *self = Self::default(),
            _ => {}
        }
        self.child.filter(|_| self.runs && !before)
    }

    /// The same while the agent does not run yet. The process that it begins in.
    fn on_way(&mut self, event: &Event, agent: &str) -> Option<u32> {
        match event.op {
            Op::Exec if !has_failed(event) && self.way.leads(event, agent) => {
                self.begins_in(event);
                return Some(event.pid);
            }
            Op::Fork => self.way.made(event),
            Op::Exit if event.tid == event.pid => self.forget(event.pid),
            Op::Ptrace => {
                if let Object::Process { pid, .. } = event.object {
                    self.forget(pid);
                }
            }
            Op::Open if event.access.contains(Access::WRITE) && is_memory(event) => self.way.passed.clear(),
            _ => {}
        }
        None
    }

    fn started(&mut self, event: &Event, agent: &str) {
        if self.first == Some(event.pid) {
            if self.forked {
                return self.forget(event.pid);
            }
            self.scripted |= event.second.is_some();
            self.script = Script::of(event);
        } else if self.child == Some(event.pid) {
            let is_agents = event.object.file().is_some_and(|file| is_of(&file.path, agent));
            if self.runs || !(is_agents || self.starts_again(event)) {
                return self.forget(event.pid);
            }
            self.runs = true;
        }
    }

    /// Whether an event starts the script that the first process runs, or another one of its package: agents start themselves once
    /// more, with options of the interpreter.
    fn starts_again(&self, event: &Event) -> bool {
        let Some((first, again)) = self.script.as_ref().zip(Script::of(event)) else { return false };
        let is_below = |place: &BString| {
            again.path.strip_prefix(place.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
                && !again.path.contains_str("/..")
        };
        first.interpreter == again.interpreter
            && (first.path == again.path || self.place.as_ref().is_some_and(is_below))
    }

    fn made(&mut self, event: &Event) {
        let Some(fork) = event.fork.filter(|fork| fork.pid != event.pid && self.first == Some(event.pid))
        else {
            return;
        };
        if !self.forked && self.scripted {
            self.child = Some(fork.pid);
        }
        self.forked = true;
    }

    fn forget(&mut self, pid: u32) {
        self.way.passed.remove(&pid);
        if self.first == Some(pid) {
            self.first = None;
        }
        if self.child == Some(pid) {
            self.child = None;
        }
    }

    /// The file of its own that the agent itself has replaced by this event, below the home.
    pub(super) fn replaced(&self, event: &Event, own: &[OwnFile]) -> Option<&'static str> {
        let is_it = self.first == Some(event.pid) || self.child == Some(event.pid) && self.runs;
        if is_it { of_its_own(event, own) } else { None }
    }
}

/// Where a file lies that an agent replaces, and what it is below the home.
pub(crate) type OwnFile = (PathBuf, &'static str);

/// The files that an agent replaces: by their names in the home, and where links in the home lead to.
pub(crate) fn own_files(agent: &str, home: &Path) -> Vec<OwnFile> {
    let mut files = Vec::new();
    for file in Agent::named(agent).into_iter().flat_map(|agent| &agent.rewrites).map(String::as_str) {
        let path = home.join(file);
        let beside = path.parent().and_then(|above| above.canonicalize().ok()).zip(path.file_name());
        let places = [beside.map(|(above, name)| above.join(name)), path.canonicalize().ok(), Some(path)];
        for place in places.into_iter().flatten() {
            if !files.contains(&(place.clone(), file)) {
                files.push((place, file));
            }
        }
    }
    files
}

/// The file of an agent's own, below the home, that an event replaces by one which was made beside it, or takes away.
pub(super) fn of_its_own(event: &Event, own: &[OwnFile]) -> Option<&'static str> {
    let source = &event.object.file()?.path;
    let target = match event.op {
        Op::Rename => &event.second.as_ref()?.file()?.path,
        Op::Unlink => source,
        _ => return None,
    };
    // It was made beside it.
    if directory(source) != directory(target) {
        return None;
    }
    own.iter().find(|(path, _)| path.as_os_str().as_bytes() == target.as_slice()).map(|(_, file)| *file)
}

fn directory(path: &[u8]) -> Option<&[u8]> {
    path.rsplit_once_str("/").map(|(directory, _)| directory)
}

/// The directory of a file of an agent's own program that an event opens.
fn package(event: &Event, agent: &str) -> Option<BString> {
    let path = &event.object.file()?.path;
    if is_of(path, agent) { directory(path).map(BString::from) } else { None }
}

/// Whether a process goes on as it was: who looks for a program in PATH tries each directory.
fn has_failed(event: &Event) -> bool {
    matches!(event.outcome, Outcome::Failed(_))
}

/// Whether a program is the agent's.
fn is_of(path: &[u8], agent: &str) -> bool {
    Agent::of_program(path).is_some_and(|program| program.name == agent)
}

/// Whether an event is about the memory of a process.
fn is_memory(event: &Event) -> bool {
    event.object.file().is_some_and(|file| file.path.starts_with(b"/proc/") && file.path.ends_with(b"/mem"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Exe, File, Fork, Origin};

    fn file(path: &str) -> File {
        File { path: path.into(), key: None, mode: 0o100644, origin: Origin::Trusted }
    }

    fn event(pid: u32, op: Op, object: Object) -> Event {
        Event { pid, tid: pid, ..Event::of(op, Access::empty(), object) }
    }

    fn exec(pid: u32, path: &str, script: Option<&str>) -> Event {
        let exe = Exe { file: file(path), args: vec![], args_cut: false };
        let second = script.map(|path| Object::File(file(path)));
        Event { second, ..event(pid, Op::Exec, Object::Exe(exe)) }
    }

    fn fork(pid: u32, child: u32) -> Event {
        Event { fork: Some(Fork { pid: child, tid: child }), ..event(pid, Op::Fork, Object::None) }
    }

    /// Whether process `by` may replace the agent's file after these events of a session that began with process 1.
    fn may(agent: &str, target: &str, by: u32, events: &[Event]) -> bool {
        let mut itself = Itself::default();
        itself.begins_with(1);
        for event in events {
            itself.note(event, agent);
        }
        let second = Some(Object::File(file(target)));
        let source = format!("{target}.tmp.1");
        let rename = Event { second, ..event(by, Op::Rename, Object::File(file(&source))) };
        itself.replaced(&rename, &own_files(agent, Path::new("/home/u"))).is_some()
    }

    const CLAUDE: &str = "/home/u/.claude.json";
    const CODEX: &str = "/home/u/.codex/config.toml";

    #[test]
    fn the_first_process_replaces_its_own_file_and_nobody_else() {
        let native = [exec(1, "/opt/claude", None), fork(1, 2), exec(2, "/opt/claude", None)];
        assert!(may("claude-code", CLAUDE, 1, &native));
        assert!(!may("claude-code", CLAUDE, 2, &native), "the same program, started by it");
        assert!(!may("codex", CLAUDE, 1, &native), "another agent's");
        for other in ["/home/u/.claude/settings.local.json", "/home/u/app/.claude.json", "/home/u/.bashrc"] {
            assert!(!may("claude-code", other, 1, &native), "{other}");
        }
    }

    #[test]
    fn a_file_is_its_own_where_links_lead_to() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("dotfiles/claude")).unwrap();
        std::fs::write(home.join("dotfiles/claude.json"), "{}").unwrap();
        for (link, to) in [(".claude", "dotfiles/claude"), (".claude.json", "dotfiles/claude.json")] {
            std::os::unix::fs::symlink(to, home.join(link)).unwrap();
        }
        let own = own_files("claude-code", &home);
        let mut own: Vec<_> = own
            .iter()
            .map(|(path, file)| (path.strip_prefix(&home).unwrap().to_str().unwrap(), *file))
            .collect();
        own.sort_unstable();
        assert_eq!(
            own,
            [
                (".claude.json", ".claude.json"),
                (".claude/settings.json", ".claude/settings.json"),
                ("dotfiles/claude.json", ".claude.json"),
                ("dotfiles/claude/settings.json", ".claude/settings.json"),
            ]
        );
        assert_eq!(own_files("own", &home), []);
    }

    #[test]
    fn who_runs_something_else_or_is_reached_into_is_not_the_agent() {
        let mem = Event { access: Access::WRITE, ..event(2, Op::Open, Object::File(file("/proc/1/mem"))) };
        let traced = event(2, Op::Ptrace, Object::Process { pid: 1, inside: true, detail: 16 });
        let ended = event(1, Op::Exit, Object::None);
        for after in [exec(1, "/usr/bin/mv", None), mem, traced, ended] {
            let events = [exec(1, "/opt/claude", None), fork(1, 2), after.clone()];
            assert!(!may("claude-code", CLAUDE, 1, &events), "{after:?}");
        }
    }

    #[test]
    fn a_script_starts_itself_once_more() {
        let run = |pid, exe: &str, script: Option<&str>, words: &str| {
            let args = words.split(' ').map(BString::from).collect();
            let exe = Exe { file: file(exe), args, args_cut: false };
            Event {
                second: script.map(|path| Object::File(file(path))),
                ..event(pid, Op::Exec, Object::Exe(exe))
            }
        };
        const SETTINGS: &str = "/home/u/.qwen/settings.json";
        let may = |words: &str| {
            let read =
                event(1, Op::Open, Object::File(file("/p/node_modules/@qwen-code/qwen-code/entry.js")));
            let events = [
                run(1, "/usr/bin/env", Some("/bin/tool"), "env node /bin/tool prompt"),
                run(1, "/usr/bin/node", None, "node /bin/tool prompt"),
                read,
                fork(1, 2),
                run(2, "/usr/bin/node", None, words),
            ];
            self::may("qwen-code", SETTINGS, 2, &events)
        };
        for words in [
            "/usr/bin/node --expose-gc /p/node_modules/@qwen-code/qwen-code/cli.js prompt",
            "node --max-old-space-size=8000 /bin/tool prompt",
        ] {
            assert!(may(words), "{words}");
        }
        for words in [
            "node /w/server.js",
            "node /w/node_modules/@qwen-code/qwen-code/cli.js",
            "node /p/node_modules/@qwen-code/qwen-code/../../../w/server.js",
            "node --require /w/evil.js /bin/tool",
            "node --import=/w/evil.js /bin/tool",
            "node -r /w/evil.js /bin/tool",
            "node -e evil /bin/tool",
            "node",
        ] {
            assert!(!may(words), "{words}");
        }
        let unlinked = |by| {
            let start = [exec(1, "/opt/qwen", None), fork(1, 2), exec(2, "/usr/bin/rm", None)];
            let mut itself = Itself::default();
            itself.begins_with(1);
            for event in &start {
                itself.note(event, "qwen-code");
            }
            let aside = Object::File(file("/home/u/.qwen/settings.json.orig"));
            let own = own_files("qwen-code", Path::new("/home/u"));
            itself.replaced(&event(by, Op::Unlink, aside), &own).is_some()
        };
        assert!(unlinked(1) && !unlinked(2));
    }

    #[test]
    fn the_agent_is_what_the_way_from_the_command_leads_to() {
        let may = |by: u32, events: &[Event]| {
            let mut itself = Itself::default();
            let names = |path: &str| [BString::from(path), path.into()];
            itself.begins_through(vec![names("/home/u/bin/mine"), names("/usr/bin/timeout")]);
            itself.begins_with(1);
            let found: Vec<u32> =
                events.iter().filter_map(|event| itself.note(event, "claude-code")).collect();
            let source = Object::File(file("/home/u/.claude.json.tmp.1"));
            let rename = Event { second: Some(Object::File(file(CLAUDE))), ..event(by, Op::Rename, source) };
            let replaced = itself.replaced(&rename, &own_files("claude-code", Path::new("/home/u")));
            assert_eq!(replaced.is_some(), found.contains(&by), "{found:?}");
            replaced.is_some()
        };
        let script = exec(1, "/usr/bin/dash", Some("/home/u/bin/mine"));
        let looked = |pid, path| Event { outcome: Outcome::Failed(2), ..exec(pid, path, None) };
        let helper = [fork(1, 2), exec(2, "/usr/bin/jq", None)];
        let timeout = [fork(1, 3), looked(3, "/home/u/bin/timeout"), exec(3, "/usr/bin/timeout", None)];
        let claude = [fork(3, 4), looked(4, "/home/u/claude"), exec(4, "/opt/claude", None)];
        let all = [&[script.clone()][..], &helper, &timeout, &claude].concat();
        assert!(may(4, &all) && !may(3, &all) && !may(1, &all));
        let own = [&all[..], &[fork(4, 5), exec(5, "/opt/claude", None)]].concat();
        assert!(!may(5, &own), "the same program, started by it");
        let evil = [&[script.clone()][..], &helper, &[fork(2, 6), exec(6, "/opt/claude", None)]].concat();
        assert!(!may(6, &evil), "a helper is not on the way");
        let early = [script.clone(), fork(1, 2), exec(2, "/opt/claude", None)];
        assert!(!may(2, &early), "the way leads through more");
        let twice = [&[script.clone()][..], &timeout, &[exec(3, "/usr/bin/timeout", None)], &claude].concat();
        assert!(!may(4, &twice));
        let traced = event(9, Op::Ptrace, Object::Process { pid: 3, inside: true, detail: 16 });
        assert!(!may(4, &[&[script][..], &timeout, &[traced], &claude].concat()));
    }

    #[test]
    fn a_script_starts_the_agents_program_first() {
        let start =
            [exec(1, "/usr/bin/env", Some("/opt/codex.js")), exec(1, "/usr/bin/node", None), fork(1, 2)];
        let with = |more: &[Event]| [&start[..], more].concat();
        assert!(may("codex", CODEX, 2, &with(&[exec(2, "/opt/vendor/codex", None)])));
        assert!(!may("codex", CODEX, 2, &start), "still the script's own");
        assert!(!may("codex", CODEX, 2, &with(&[exec(2, "/usr/bin/bash", None)])));
        let second = [exec(2, "/opt/vendor/codex", None), fork(1, 3), exec(3, "/opt/vendor/codex", None)];
        assert!(!may("codex", CODEX, 3, &with(&second)));
        let twice = [exec(2, "/opt/vendor/codex", None), exec(2, "/opt/vendor/codex", None)];
        assert!(!may("codex", CODEX, 2, &with(&twice)));
        let native = [exec(1, "/opt/codex", None), fork(1, 2), exec(2, "/opt/codex", None)];
        assert!(!may("codex", CODEX, 2, &native), "a program has no other that is itself");
    }
}
