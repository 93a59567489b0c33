//! The agent itself, as far as it rewrites its own configuration: a file that no other program of the session may replace.
//!
//! It is the process that the session began with, as long as it runs what it ran when it made its first process, and nobody
//! reaches into its memory; where that is a script which starts the agent's program, its first child as well. All of this
//! the kernel said. Whoever gets code into that process by other ways has what it has.
//!
//! Where the session begins with something that leads to the agent, it is who comes to the end of that way, as long as it runs
//! nothing else.

use agents::{Agent, Program};
use bstr::{BString, ByteSlice};
use event::{Access, Event, Exe, Object, Op, Outcome};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The processes that are the agent itself.
#[derive(Debug, Default)]
pub(super) struct Itself {
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
        // Alone it takes the next word for its value, and what follows that is the script.
        const JOINED: &[u8] = b"--disable-warning";
        let is_harmless = |word: &[u8]| {
            let name = word.split(|byte| *byte == b'=').next();
            word != JOINED && name.is_some_and(|name| HARMLESS.contains(&name))
        };
        let loads = options.any(|word| !is_harmless(word));
        let is_script = args.first().is_some_and(|first| first.as_slice() != path);
        (is_script && !loads)
            .then(|| Script { interpreter: BString::from(file.path.as_slice()), path: path.into() })
    }
}

impl Itself {
    /// The session begins with a process.
    pub(super) fn begins_with(&mut self, pid: u32) {
        *self = Self { first: Some(pid), ..Self::default() };
    }

    /// A process runs the agent's program since this event, which may be a script.
    pub(super) fn is_who(&mut self, started: &Event, is_script: bool) {
        let script = Script::of(started);
        *self = Self { first: Some(started.pid), scripted: is_script, script, ..Self::default() };
    }

    /// The process that the session began with, or that has run the agent's program, as long as it is the agent.
    pub(super) fn first(&self) -> Option<u32> {
        self.first
    }

    /// Nobody is.
    pub(super) fn is_nobody(&mut self) {
        *self = Self::default();
    }

    /// Notes what its processes do, and what is done to them. The child of a script that begins to run the agent's program,
    /// which the kernel side does not know.
    pub(super) fn note(&mut self, event: &Event, agent: &str) -> Option<u32> {
        let before = self.runs;
        match event.op {
            Op::Exec => self.started(event, agent),
            Op::Fork => self.made(event),
            // The last thread: a program that another thread than the first has run goes on under the process' number.
            Op::Exit if event.outcome == Outcome::Done(1) => self.forget(event.pid),
            Op::Ptrace => {
                if let Object::Process { pid, .. } = event.object {
                    self.forget(pid);
                }
            }
            Op::Open if self.place.is_none() && !self.forked && self.first == Some(event.pid) => {
                self.place = package(event, agent);
            }
            // Whose memory, the name says in the numbers of whoever mounted it.
            Op::Open if is_written_memory(event) => *self = Self::default(),
            _ => {}
        }
        self.child.filter(|_| self.runs && !before)
    }

    fn started(&mut self, event: &Event, agent: &str) {
        if self.first == Some(event.pid) {
            if self.forked {
                return self.forget(event.pid);
            }
            self.scripted |= event.second.is_some();
            self.script = Script::of(event);
        } else if self.child == Some(event.pid) {
            let program = event.object.file().and_then(|file| Agent::of_program(&file.path));
            if self.runs
                || !(program.is_some_and(|program| program.name == agent) || self.starts_again(event))
            {
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
        let Some(fork) = event.fork.filter(|fork| fork.pid != event.pid) else { return };
        // The number was another one's.
        self.forget(fork.pid);
        if self.first != Some(event.pid) {
            return;
        }
        if !self.forked && self.scripted {
            self.child = Some(fork.pid);
        }
        self.forked = true;
    }

    fn forget(&mut self, pid: u32) {
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
    let program = Agent::of_program(path).filter(|program| program.name == agent);
    program.and(directory(path)).map(BString::from)
}

/// Whether an event opens the memory of a process for writing.
pub(super) fn is_written_memory(event: &Event) -> bool {
    let is_memory = |file: &event::File| file.path.starts_with(b"/proc/") && file.path.ends_with(b"/mem");
    event.access.contains(Access::WRITE) && event.object.file().is_some_and(is_memory)
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
        let ended = Event { outcome: Outcome::Done(1), ..event(1, Op::Exit, Object::None) };
        // One that has its number.
        let anew = fork(2, 1);
        for after in [exec(1, "/usr/bin/mv", None), mem, traced, ended, anew] {
            let events = [exec(1, "/opt/claude", None), fork(1, 2), after.clone()];
            assert!(!may("claude-code", CLAUDE, 1, &events), "{after:?}");
        }
    }

    #[test]
    fn a_thread_that_ends_is_not_the_process() {
        let leader = event(1, Op::Exit, Object::None);
        assert!(may("claude-code", CLAUDE, 1, &[exec(1, "/opt/claude", None), leader]));
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
            "node --disable-warning /bin/tool /w/evil.js",
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
