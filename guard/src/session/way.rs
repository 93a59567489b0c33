//! The way to the agent, where the session begins with something that starts it: a package manager's launcher, a script of the
//! user's, a wrapper.
//!
//! The client has found which files are the agent's program. The agent itself is who runs exactly one of them, and of a script who
//! has opened exactly that; until then nobody has what it alone may, and nobody ever where none was found. The way is lost for good
//! as soon as the session has touched what others decide, since that may say which variables and libraries the agent is given:
//! the workspace, and whatever a link in it may lead to that sessions write. It is lost as well where it is not seen whole.

use super::itself::is_written_memory;
use crate::{DenyList, walk};
use abi::FileKey;
use agents::Agent;
use bstr::{BStr, BString, ByteSlice};
use event::{Context, Event, Exe, Object, Op, Outcome, shown, toolchain};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that are run before the agent.
const STEPS_MAX: usize = 64;
/// Programs of one agent.
const ENDS_MAX: usize = 32;
/// Directories that the client may name of a kind.
const DIRECTORIES_MAX: usize = 64;
/// Processes that are on the way at once.
const PROCESSES_MAX: usize = 64;
/// Where everybody may write.
const EVERYBODYS: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Where sessions write as a routine, below the home.
const SESSIONS: [&str; 3] = [".cache", ".local/share", ".local/state"];

/// Options of interpreters that have them run nothing else: alone, with their value behind a `=`, and letters of Python's.
const ALONE: [&[u8]; 11] = [
    b"--enable-source-maps",
    b"--expose-gc",
    b"--no-deprecation",
    b"--no-network-family-autoselection",
    b"--no-warnings",
    b"--preserve-symlinks",
    b"--trace-deprecation",
    b"--trace-warnings",
    b"--use-bundled-ca",
    b"--use-openssl-ca",
    b"--use-system-ca",
];
const WITH_VALUE: [&[u8]; 7] = [
    b"--disable-warning",
    b"--dns-result-order",
    b"--max-http-header-size",
    b"--max-old-space-size",
    b"--max-semi-space-size",
    b"--stack-size",
    b"--unhandled-rejections",
];
const LETTERS: &[u8] = b"BEIPSsu";

/// The way to the agent.
#[derive(Debug)]
pub(crate) struct Way {
    /// The agent's tag, where it is known.
    pub(crate) agent: Option<String>,
    ends: Vec<End>,
    /// What lies below them the workspace decides.
    grounds: Vec<BString>,
    home: BString,
    /// What lies below them, in the home, the user has decided.
    places: Vec<BString>,
    /// Who may still come to the end.
    on: HashSet<u32>,
    /// Who has begun to run a script of the agent's, and is to open it.
    loads: Option<(Box<Event>, FileKey)>,
    /// Who is the agent.
    runs: Option<u32>,
    /// That one has made a process.
    forked: bool,
    steps: usize,
    /// Why nobody may be any more.
    lost: Option<String>,
    /// That was said.
    is_said: bool,
}

/// The agent's program.
#[derive(Debug)]
struct End {
    program: FileKey,
    script: Option<EndScript>,
}

/// What it interprets.
#[derive(Debug)]
struct EndScript {
    file: FileKey,
    /// As it may be given.
    spelled: [BString; 2],
}

/// What an event means for the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The process is the agent since it has run this, which may be a script.
    Agent(Box<Event>, bool),
    /// The process ceases to be the agent.
    Left,
    /// It is lost, and the user should know.
    Lost(String),
}

impl Way {
    /// Looks up the files that the client has found.
    pub(crate) fn of(list: &dyn DenyList, way: wire::Way, context: &Context) -> Way {
        let wire::Way { agent, mut ends, mut grounds, mut places } = way;
        if grounds.len() > DIRECTORIES_MAX {
            ends.clear();
        }
        grounds.truncate(DIRECTORIES_MAX);
        places.truncate(DIRECTORIES_MAX);
        ends.truncate(ENDS_MAX);
        grounds.extend(context.workspaces.iter().cloned());
        grounds.retain(|ground| !ground.is_empty());
        let key = |file: &BString| match is_absolute(file).then(|| walk::open(list, path(file)))? {
            walk::Found::Node(node) if !is_everybodys(node.identity.mode) => Some(node.identity.file),
            _ => None,
        };
        let is_decided = |file: &BString| grounds.iter().any(|ground| path(file).starts_with(path(ground)));
        let end = |end: wire::End| {
            let files = end.script.iter().flatten().chain([&end.program]);
            if files.into_iter().any(is_decided) {
                return None;
            }
            let script = match end.script {
                Some(spelled) if !is_absolute(&spelled[0]) => return None,
                Some(spelled) => Some(EndScript { file: key(&spelled[1])?, spelled }),
                None => None,
            };
            Some(End { program: key(&end.program)?, script })
        };
        let ends = ends.into_iter().filter_map(end).collect();
        Way {
            agent: agent.filter(|agent| Agent::named(agent).is_some()),
            ends,
            grounds,
            home: context.home.clone(),
            places,
            on: HashSet::new(),
            loads: None,
            runs: None,
            forked: false,
            steps: 0,
            lost: None,
            is_said: false,
        }
    }

    /// Whether it has no end, so that nobody is the agent.
    pub(crate) fn is_nobodys(&self) -> bool {
        self.ends.is_empty()
    }

    /// It begins in this process.
    pub(super) fn begins_with(&mut self, pid: u32) {
        self.on = [pid].into();
    }

    /// Takes in what a process of the session did.
    pub(super) fn note(&mut self, event: &Event) -> Vec<Turn> {
        if self.is_nobodys() || !matches!(event.outcome, Outcome::Done(_)) {
            return Vec::new();
        }
        let turn = match event.op {
            Op::Fork => self.made(event),
            Op::Exit if event.tid == event.pid => {
                self.on.remove(&event.pid);
                self.forget(event.pid);
                None
            }
            Op::Exec => return self.ran(event),
            // Whoever is on the way may be made to run anything.
            Op::Ptrace => self.lose("a process was reached into".to_owned()),
            Op::Open if is_written_memory(event) => {
                self.lose("the memory of a process was opened".to_owned())
            }
            _ => match self.decided(event) {
                Some(place) => self.lose(format!("`{}` was touched", shown(place))),
                None => self.opened(event),
            },
        };
        turn.into_iter().collect()
    }

    /// What the session did was not all seen.
    pub(super) fn unseen(&mut self) -> Option<Turn> {
        if self.is_nobodys() { None } else { self.lose("records of the session were lost".to_owned()) }
    }

    fn made(&mut self, event: &Event) -> Option<Turn> {
        let child = event.fork.filter(|fork| fork.pid != event.pid).map(|fork| fork.pid)?;
        self.forked |= self.runs == Some(event.pid);
        if !self.on.contains(&event.pid) {
            return None;
        }
        self.on.insert(child);
        let is_many = self.on.len() > PROCESSES_MAX;
        is_many.then(|| self.lose(format!("more than {PROCESSES_MAX} processes were made"))).flatten()
    }

    /// A process does not run the agent's program any more.
    fn forget(&mut self, pid: u32) {
        self.runs = self.runs.filter(|runs| *runs != pid);
        self.loads = self.loads.take().filter(|(started, _)| started.pid != pid);
    }

    /// A process runs a program. One that was the agent, or about to be, and has made no process goes on along the way.
    fn ran(&mut self, event: &Event) -> Vec<Turn> {
        let was_agent = self.runs == Some(event.pid);
        let loaded = self.loads.as_ref().is_some_and(|(started, _)| started.pid == event.pid);
        let is_back = loaded || was_agent && !self.forked;
        self.forget(event.pid);
        if is_back {
            self.on.insert(event.pid);
        }
        let is_on = self.on.contains(&event.pid);
        let turn = match self.end(event).filter(|_| is_on) {
            Some(script) => self.reached(event, script),
            None => match self.decided(event) {
                Some(place) => self.lose(format!("`{}` was run", shown(place))),
                None => is_on.then(|| self.stepped(event)).flatten(),
            },
        };
        was_agent.then_some(Turn::Left).into_iter().chain(turn).collect()
    }

    /// Whoever runs the agent's program is on the way no more, and nor is what it starts.
    fn reached(&mut self, event: &Event, script: Option<FileKey>) -> Option<Turn> {
        self.on.remove(&event.pid);
        if let Some(why) = self.lost.clone() {
            return self.say(&why);
        }
        if self.runs.is_some() || self.loads.is_some() {
            return None;
        }
        let started = Box::new(event.clone());
        match script {
            Some(script) => {
                self.loads = Some((started, script));
                None
            }
            None => Some(self.is_agent(started, false)),
        }
    }

    /// A process opens a file: the script of the agent's that it is to run.
    fn opened(&mut self, event: &Event) -> Option<Turn> {
        let opened = event.object.file().and_then(|file| file.key);
        let (started, _) = self.loads.take_if(|(started, script)| {
            event.op == Op::Open && started.pid == event.pid && opened == Some(*script)
        })?;
        Some(self.is_agent(started, true))
    }

    fn is_agent(&mut self, started: Box<Event>, is_script: bool) -> Turn {
        self.runs = Some(started.pid);
        self.forked = false;
        Turn::Agent(started, is_script)
    }

    fn stepped(&mut self, event: &Event) -> Option<Turn> {
        self.steps += 1;
        match event.object.file() {
            Some(file) if is_everybodys(file.mode) => {
                self.lose(format!("`{}` was run, which anybody may change", shown(&file.path)))
            }
            _ if self.steps > STEPS_MAX => self.lose(format!("more than {STEPS_MAX} programs were run")),
            _ => None,
        }
    }

    /// Whether an event runs one of the programs; the script that it is to open.
    fn end(&self, event: &Event) -> Option<Option<FileKey>> {
        let Object::Exe(Exe { file, args, .. }) = &event.object else { return None };
        let script = args.iter().skip(1).find(|word| !is_harmless(word));
        let found =
            self.ends.iter().filter(|end| file.key == Some(end.program)).find(|end| match &end.script {
                Some(of) => script.is_some_and(|script| of.spelled.contains(script)),
                None => event.second.is_none(),
            });
        found.map(|end| end.script.as_ref().map(|script| script.file))
    }

    /// What an event is about that others decide. What the agent reads for itself is no step.
    fn decided<'e>(&self, event: &'e Event) -> Option<&'e BStr> {
        let objects = [Some(&event.object), event.second.as_ref()].into_iter().flatten();
        let mut paths = objects.filter_map(Object::file).map(|file| file.path.as_bstr());
        paths.find(|path| self.is_in_grounds(path) || self.runs.is_none() && self.is_others(path))
    }

    fn is_in_grounds(&self, file: &[u8]) -> bool {
        self.grounds.iter().any(|ground| path(file).starts_with(path(ground)))
    }

    /// Whether a file lies where sessions may have written it: in the home beside programs and settings, or where everybody may.
    fn is_others(&self, file: &[u8]) -> bool {
        let file = path(file);
        let below = file.strip_prefix(path(&self.home)).ok().filter(|_| !self.home.is_empty());
        let Some(below) = below else { return EVERYBODYS.iter().any(|place| file.starts_with(place)) };
        let Some(first) = below.components().next() else { return false };
        let first = first.as_os_str();
        let is_programs = first == "bin"
            || first.as_bytes().starts_with(b".") && !SESSIONS.iter().any(|place| below.starts_with(place))
            || toolchain::directories().any(|place| below.starts_with(place));
        !is_programs && !self.places.iter().any(|place| is_absolute(place) && file.starts_with(path(place)))
    }

    fn lose(&mut self, why: String) -> Option<Turn> {
        if self.lost.is_some() {
            return None;
        }
        self.lost = Some(why.clone());
        self.loads = None;
        // An agent that runs works in the workspace: that is no loss of its own.
        if self.runs.is_some() { None } else { self.say(&why) }
    }

    fn say(&mut self, why: &str) -> Option<Turn> {
        if std::mem::replace(&mut self.is_said, true) {
            return None;
        }
        let agent = self.agent.as_deref().unwrap_or("the agent");
        Some(Turn::Lost(format!(
            "{why} before {agent} was started, and may have decided what {agent} runs: it may not replace its own settings in \
             this session; started directly, it may"
        )))
    }
}

/// Whether an option of an interpreter has it run nothing else, and takes no other word.
fn is_harmless(word: &BString) -> bool {
    match word.split_once_str("=") {
        Some((name, _)) => WITH_VALUE.contains(&name),
        None if word.starts_with(b"--") => ALONE.contains(&word.as_slice()),
        None => word.strip_prefix(b"-").is_some_and(|letters| {
            !letters.is_empty() && letters.iter().all(|letter| LETTERS.contains(letter))
        }),
    }
}

fn is_everybodys(mode: u32) -> bool {
    mode & libc::S_IWOTH != 0
}

fn is_absolute(file: &BString) -> bool {
    file.starts_with(b"/")
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
    const MODULES: u64 = 12;
    const MODULE: &str = "/h/.pnpm/node_modules/codex/codex.js";

    fn way() -> Way {
        let mut way = Way {
            agent: Some("codex".into()),
            ends: vec![
                End {
                    program: key(NODE),
                    script: Some(EndScript {
                        file: key(MODULES),
                        spelled: ["/h/bin/codex".into(), MODULE.into()],
                    }),
                },
                End { program: key(NATIVE), script: None },
            ],
            grounds: vec!["/r/w".into(), "/r".into()],
            home: "/h".into(),
            places: vec!["/h/tools".into()],
            on: HashSet::new(),
            loads: None,
            runs: None,
            forked: false,
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

    /// A process opens the agent's script.
    fn loads(pid: u32) -> Event {
        event(pid, Op::Open, Object::File(file(MODULE, MODULES, 0o100755)))
    }

    fn exit(pid: u32) -> Event {
        event(pid, Op::Exit, Object::None)
    }

    /// Who was the agent, one after the other, and what was said.
    fn agents(events: &[Event]) -> (Vec<u32>, usize) {
        let mut way = way();
        let (mut agents, mut said) = (Vec::new(), 0);
        for event in events {
            for turn in way.note(event) {
                match turn {
                    Turn::Agent(..) => agents.push(event.pid),
                    Turn::Lost(_) => said += 1,
                    Turn::Left => {}
                }
            }
        }
        (agents, said)
    }

    #[test]
    fn who_runs_exactly_the_agents_program_is_the_agent() {
        let node = || exec(1, NODE, &format!("/usr/bin/node {MODULE} -p"));
        let shim = [exec(1, 5, "/bin/sh /h/pnpm/codex"), fork(1, 2), exec(2, 6, "/usr/bin/uname"), exit(2)];
        assert_eq!(agents(&[&shim[..], &[node(), open(1, "/etc/x"), loads(1)]].concat()), (vec![1], 0));
        assert_eq!(agents(&[&shim[..], &[node(), loads(3)]].concat()), (vec![], 0), "it is not opened yet");
        assert_eq!(
            agents(&[&shim[..], &[node(), open(1, MODULE)]].concat()),
            (vec![], 0),
            "another file by then"
        );
        let other_spelling =
            exec(1, NODE, "/usr/bin/node --no-warnings --dns-result-order=ipv4first -uE /h/bin/codex");
        assert_eq!(agents(&[&shim[..], &[other_spelling, loads(1)]].concat()), (vec![1], 0));
        // One that runs the next in its own place.
        let becomes = [node(), loads(1), exec(1, NATIVE, "/h/bin/codex")];
        assert_eq!(agents(&becomes), (vec![1, 1], 0));
        let forked = [node(), loads(1), fork(1, 4), exec(1, NATIVE, "/h/bin/codex")];
        assert_eq!(agents(&forked), (vec![1], 0));
        let waits = [exec(1, 7, "/usr/bin/timeout 60 x"), fork(1, 2), exec(2, NATIVE, "/h/bin/codex")];
        assert_eq!(agents(&waits), (vec![2], 0));
        // Asked for its version before, it is the agent twice; what it starts itself is not.
        let twice = [
            fork(1, 2),
            exec(2, NATIVE, "/h/bin/codex --version"),
            fork(2, 3),
            exec(3, NATIVE, "/h/bin/codex"),
            exit(3),
            exit(2),
            exec(1, NATIVE, "/h/bin/codex"),
        ];
        assert_eq!(agents(&twice), (vec![2, 1], 0));
    }

    #[test]
    fn another_file_is_not_the_agent_whatever_it_is_called() {
        for other in [
            exec(1, 20, &format!("/x/bin/node {MODULE}")),
            exec(1, 20, "/h/bin/codex"),
            exec(1, NODE, "/usr/bin/node /h/other.js"),
            exec(1, NODE, &format!("/usr/bin/node --require /x/evil.js {MODULE}")),
            exec(1, NODE, &format!("/usr/bin/node --disable-warning {MODULE} /x/evil.js")),
            exec(1, NODE, &format!("/usr/bin/node --title {MODULE} /x/evil.js")),
            exec(1, NODE, &format!("/usr/bin/node --require=/x/evil.js {MODULE}")),
            exec(1, NODE, &format!("/usr/bin/python3 -cimport {MODULE}")),
            exec(1, NODE, &format!("/usr/bin/node -C {MODULE} /x/evil.js")),
            exec(1, NODE, "/usr/bin/node"),
        ] {
            assert_eq!(agents(&[other.clone(), loads(1)]), (vec![], 0), "{other:?}");
        }
        let refused = Event { outcome: Outcome::Failed(libc::EPERM), ..exec(1, NATIVE, "/h/bin/codex") };
        assert_eq!(agents(&[refused]), (vec![], 0));
        assert_eq!(agents(&[exec(9, NATIVE, "/h/bin/codex")]), (vec![], 0), "nobody who is on the way");
    }

    #[test]
    fn what_the_workspace_decides_ends_the_way() {
        let end = exec(1, NATIVE, "/h/bin/codex");
        let script = Object::File(file("/r/w/run", 30, 0o100755));
        let anybodys = file("/opt/tool", 31, 0o100777);
        for between in [
            open(1, "/r/w/.venv/bin/activate"),
            open(1, "/r/.npmrc"),
            // Where a link in the workspace leads to.
            open(1, "/tmp/x"),
            open(1, "/h/other/.npmrc"),
            open(1, "/h/.cache/x"),
            exec(1, 21, "/h/other/timeout 60 codex"),
            event(2, Op::Ptrace, Object::Process { pid: 1, inside: true, detail: 16 }),
            Event { access: Access::WRITE, ..open(2, "/proc/1/mem") },
            exec(1, 21, "/r/w/bin/timeout 60 codex"),
            Event { second: Some(script), ..exec(1, 5, "/bin/sh /r/w/run") },
            event(1, Op::Exec, Object::Exe(Exe { file: anybodys, args: vec![], args_cut: false })),
        ] {
            assert_eq!(agents(&[between.clone(), end.clone()]), (vec![], 1), "{between:?}");
        }
        let failed = Event { outcome: Outcome::Failed(libc::ENOENT), ..open(1, "/r/w/.npmrc") };
        assert_eq!(
            agents(&[failed, open(1, "/rest/x"), open(1, "/h/.env"), open(1, "/h/tools/x"), end.clone()]),
            (vec![1], 0)
        );
        let steps: Vec<Event> = (0..=STEPS_MAX).map(|_| exec(1, 6, "/usr/bin/env x")).collect();
        assert_eq!(agents(&[&steps[..STEPS_MAX], std::slice::from_ref(&end)].concat()), (vec![1], 0));
        assert_eq!(agents(&[&steps[..], std::slice::from_ref(&end)].concat()), (vec![], 1));
        let mut way = way();
        assert!(matches!(way.unseen(), Some(Turn::Lost(_))));
        assert_eq!(way.note(&end), []);
        // What its interpreter loads before.
        let node = exec(1, NODE, &format!("/usr/bin/node {MODULE}"));
        assert_eq!(agents(&[node, open(1, "/r/evil.js"), loads(1)]), (vec![], 1));
    }

    #[test]
    fn an_agent_that_worked_in_the_workspace_is_not_started_again() {
        let first = [fork(1, 2), exec(2, NATIVE, "/h/bin/codex"), open(2, "/r/w/a.c"), exit(2)];
        let again = [fork(1, 3), exec(3, NATIVE, "/h/bin/codex")];
        assert_eq!(agents(&first), (vec![2], 0), "that is its work");
        assert_eq!(agents(&[&first[..], &again].concat()), (vec![2], 1));
    }
}
