//! Tests of a compiled baseline on a small file system.

mod more_sessions;

use super::*;
use abi::access::{CREATE, EXEC, READ, REMOVE, WRITE};
use abi::{FileKey, Label};
use bstr::{BStr, BString, ByteSlice};
use event::open::is_compiled;
use event::{Access, Place, Reach};
use std::collections::BTreeMap;

/// A file system in memory: path, and whether it is a directory.
struct Machine(BTreeMap<BString, Entry>);

impl Machine {
    fn new(files: &[&str]) -> Self {
        let mut machine = Self(BTreeMap::new());
        for path in files {
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                machine.add(if end == 0 { b"/" } else { &path.as_bytes()[..end] }, end < path.len());
            }
        }
        machine
    }
    fn add(&mut self, path: &[u8], directory: bool) {
        let ino = self.0.len() as u64 + 1;
        let magic = if path == b"/proc" { 0x9fa0 } else { 0xef53 };
        let mode = match path.ends_with(b"everybody") {
            true => libc::S_IFDIR | 0o1777,
            false if directory => libc::S_IFDIR | 0o755,
            false => libc::S_IFREG | 0o644,
        };
        let key = FileKey { ino, dev: 1, generation: 0 };
        self.0.entry(path.into()).or_insert(Entry { key, mode, magic });
    }
    fn key(&self, path: &str) -> FileKey {
        self.0[BStr::new(path.as_bytes())].key
    }
}

impl Files for Machine {
    fn look(&self, path: &BStr) -> Option<Entry> {
        self.0.get(path).copied()
    }
    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)> {
        let prefix = if path == "/" { BString::from("/") } else { [path.as_bytes(), b"/"].concat().into() };
        let names: Vec<BString> = self
            .0
            .keys()
            .filter_map(|known| known.strip_prefix(prefix.as_slice()))
            .filter(|rest| !rest.is_empty() && !rest.contains(&b'/'))
            .map(BString::from)
            .collect();
        let cut = names.len() > limit;
        Some((names.into_iter().take(limit).collect(), cut))
    }
    fn target(&self, path: &BStr) -> Option<BString> {
        self.0.contains_key(path).then(|| path.into())
    }
    fn head(&self, _: &BStr) -> Option<Vec<u8>> {
        None
    }
    fn mounts(&self) -> Vec<BString> {
        vec!["/".into(), "/proc".into()]
    }
}

fn place(reach: Reach, path: &str) -> Place {
    let components = match path.strip_prefix('~') {
        Some(rest) => std::iter::once("$home").chain(rest.split('/')).collect::<Vec<_>>(),
        None => std::iter::once("/").chain(path.split('/')).collect(),
    };
    Place {
        reach,
        components: components.into_iter().filter(|name| !name.is_empty()).map(BString::from).collect(),
    }
}

/// Eight sessions that read two files of the home, make a file in it with a name of their own, and run `cat`.
fn baseline() -> Novelty {
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|n| {
            vec![
                place(Reach::Read, "~"),
                place(Reach::Read, "~/.agentrc"),
                place(Reach::Create, &format!("~/notes-{n}.txt")),
                place(Reach::Create, &format!("~/.cache/agent/{n}")),
                place(Reach::Exec, "usr/bin/cat"),
                place(Reach::Exec, "usr/lib/libc.so.6"),
                place(Reach::Read, "proc/$number/status"),
            ]
        })
        .collect();
    Novelty::learn(sessions.iter().enumerate().map(|(n, places)| (n as u64, places.iter())))
}

const FILES: &[&str] = &[
    "/home/u/.agentrc",
    "/home/u/letter.txt",
    "/home/u/Documents/tax.pdf",
    "/home/u/.cache/agent/old",
    "/home/u/.cache/agent/fan/old",
    "/home/u/.cache/browser/x",
    "/home/u/projects/app/src/main.rs",
    "/home/u/projects/other/secret.rs",
    "/home/u/bin/tool",
    "/home/u/.nvm/versions/node/v22.1.0/bin/node",
    "/home/u/.nvm/versions/node/v22.1.0/lib/node_modules/npm/npm.js",
    "/home/u/.nvm/versions/node/v22.1.0/lib/node_modules/opencode-ai/bin/opencode",
    "/home/v/x",
    "/usr/bin/cat",
    "/usr/bin/nc",
    "/usr/lib/libc.so.6",
    "/usr/lib/libz.so",
    "/etc/passwd",
    "/srv/data/x",
    "/tmp/theirs/x",
    "/tmp/everybody/old",
    "/srv/everybody/old",
    "/dev/null",
    "/dev/sda",
    "/proc/x",
];

struct Compiled {
    machine: Machine,
    policy: Policy,
    reasons: Reasons,
}

fn compiled() -> Compiled {
    compiled_of(&baseline())
}

fn compiled_of(novelty: &Novelty) -> Compiled {
    let (machine, reasons) = (Machine::new(FILES), Reasons::default());
    let context = Context {
        workspaces: vec!["/home/u/projects/app".into()],
        home: "/home/u".into(),
        uid: 1000,
        ..Context::default()
    };
    let normal = Normal { agent: "demo-agent".parse().unwrap(), task: "summarize".parse().ok() };
    let policy = compile(novelty, &normal, &context, &machine, &reasons, 7).unwrap();
    Compiled { machine, policy, reasons }
}

impl Compiled {
    /// What the kernel's walk refuses: the nearest labelled ancestor decides.
    fn label(&self, path: &str) -> Label {
        let mut path = path;
        loop {
            let at = if path.is_empty() { "/" } else { path };
            if let Some(entry) = self.machine.look(at.as_bytes().as_bstr())
                && let Some((_, label)) = self.policy.labels.iter().find(|(key, _)| *key == entry.key)
            {
                return *label;
            }
            assert_ne!(at, "/", "the root has no label");
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    /// Why the kernel does not let a name be made in a directory; `None` where it lets it.
    fn refused(&self, directory: &str, name: &str) -> Option<String> {
        let dir = self.machine.key(directory);
        let label = self.policy.labels.iter().find(|(key, _)| *key == dir).map(|(_, label)| label)?;
        let reason = names::reason(&self.policy, dir, name.into());
        assert_eq!(
            label.flags & abi::LABEL_NAMES != 0,
            reason != 0 || self.policy.names.iter().any(|(key, _)| key.dir == dir)
        );
        (reason != 0).then(|| self.reasons.explain(reason))
    }
    /// Directories that have names as soon as sessions make them.
    fn awaited(&self) -> Vec<&str> {
        self.policy.awaited.keys().filter_map(|path| path.to_str().ok()?.strip_prefix("/home/u/")).collect()
    }
    fn denied(&self, path: &str) -> u32 {
        self.label(path).deny & (READ | WRITE | EXEC | CREATE | REMOVE)
    }
}

#[test]
fn in_the_home_new_files_are_the_sessions_own_and_old_ones_are_as_learned() {
    let compiled = compiled();
    assert_eq!(compiled.denied("/home/u") & (READ | CREATE), 0);
    assert_eq!(
        compiled.denied("/home/u/notes-new.txt"),
        0,
        "made by this session, read back, replaced, removed"
    );
    assert_eq!(compiled.denied("/home/u/.agentrc") & (READ | WRITE), WRITE);
    assert_eq!(compiled.denied("/home/u/letter.txt") & (READ | WRITE | REMOVE), READ | WRITE | REMOVE);
    let all = READ | WRITE | CREATE | REMOVE;
    assert_eq!(compiled.denied("/home/u/Documents") & all, all);
    assert_eq!(compiled.denied("/home/u/Documents/tax.pdf") & all, all);
}

#[test]
fn where_sessions_make_the_same_names_no_others_are_made() {
    let long = format!("~/{}", "a".repeat(abi::NAME_LEN));
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|n| {
            let mut places = vec![
                place(Reach::Create, "~/.agent.lock"),
                place(Reach::Read, "~/.agentrc"),
                place(Reach::Read, "~/.absent/agent/settings"),
                place(Reach::Create, &format!("~/.cache/agent/{n}")),
            ];
            // What one session did alone is not known.
            if n == 0 {
                places.extend([place(Reach::Create, "~/.npm-global/bin/x"), place(Reach::Create, &long)]);
            }
            places
        })
        .collect();
    let novelty = Novelty::learn(sessions.iter().enumerate().map(|(n, places)| (n as u64, places.iter())));
    let compiled = compiled_of(&novelty);
    for name in [".agent.lock", ".agentrc", ".cache", "letter.txt"] {
        assert_eq!(compiled.refused("/home/u", name), None, "{name}");
    }
    let why = compiled.refused("/home/u", ".npm-global").unwrap();
    assert_eq!(
        why,
        "no recorded `summarize` session of `demo-agent` surely made this, or anything new in `~`"
    );
    // What is no directory when it is made has no names.
    let settings = ".absent/agent/settings";
    assert_eq!(compiled.awaited(), [".absent", ".absent/agent", settings, ".agent.lock"]);
    // What is there has a label of its own, so that the home's says nothing of what is made in it.
    for directory in [".cache", "Documents", "projects", "bin"] {
        let key = compiled.machine.key(&format!("/home/u/{directory}"));
        assert!(compiled.policy.labels.iter().any(|(labelled, _)| *labelled == key), "{directory}");
    }
    assert_eq!(compiled.refused("/home/u/.cache/agent", "new"), None);
    assert_eq!(compiled.denied("/home/u/.cache/agent/new"), 0);
    assert_eq!(compiled.denied("/home/u/.cache/other") & CREATE, CREATE);
    // Every session of the other baseline makes notes with a name of its own.
    assert_eq!(compiled_of(&baseline()).refused("/home/u", ".npm-global"), None);
}

#[test]
fn a_directory_that_sessions_make_has_its_names_as_soon_as_it_is_there() {
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|n| {
            vec![
                place(Reach::Create, "~/.local"),
                place(Reach::Create, "~/.local/state"),
                place(Reach::Create, &format!("~/.local/state/{n}")),
            ]
        })
        .collect();
    let novelty = Novelty::learn(sessions.iter().enumerate().map(|(n, places)| (n as u64, places.iter())));
    let mut compiled = compiled_of(&novelty);
    // In `state` every session makes a file of its own.
    assert_eq!(compiled.awaited(), [".local"]);
    let list = crate::denylist::fake::Fake::default();
    arm(&list, &compiled.policy).unwrap();
    let before = list.state().t1.clone();
    let (path, was_there) = (BStr::new("/home/u/.local"), compiled.machine.key("/home/u/Documents"));
    compiled.machine.add(path, true);
    let awaited = compiled.policy.awaited.clone();
    label_made(&list, &mut compiled.policy, path, was_there).unwrap();
    assert_eq!(list.state().t1, before, "what was moved there keeps its label");
    compiled.policy.awaited = awaited;
    let made = compiled.machine.key("/home/u/.local");
    label_made(&list, &mut compiled.policy, path, made).unwrap();
    assert_eq!(compiled.denied("/home/u/.local/state/new"), 0);
    assert_eq!(compiled.refused("/home/u/.local", "state"), None);
    assert!(compiled.refused("/home/u/.local", "share").is_some());
    disarm(&list, &compiled.policy).unwrap();
    assert!(list.state().t1.is_empty() && list.state().t1_names.is_empty());
}

/// As in the tier `tracepoint` before Linux 6.13, where it is not told which directory was made.
#[test]
fn a_directory_is_known_by_what_sessions_made_in_it() {
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|n| {
            let alone = if n == 0 { "~/.npm-global/bin/x" } else { "~/.agent.lock" };
            let of_each = place(Reach::Create, &format!("~/.local/state/{n}"));
            vec![place(Reach::Create, "~/.agent.lock"), place(Reach::Create, alone), of_each]
        })
        .collect();
    let novelty = Novelty::learn(sessions.iter().enumerate().map(|(n, places)| (n as u64, places.iter())));
    let compiled = compiled_of(&novelty);
    assert_eq!(compiled.refused("/home/u", ".local"), None);
    assert!(compiled.refused("/home/u", ".npm-global").is_some());
    assert_eq!(compiled.awaited(), [".agent.lock", ".local"]);
}

#[test]
fn a_name_that_is_too_long_for_the_map_leaves_its_directory_open() {
    let name = "a".repeat(abi::NAME_LEN);
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|_| vec![place(Reach::Create, "~/.agent.lock"), place(Reach::Create, &format!("~/{name}"))])
        .collect();
    let novelty = Novelty::learn(sessions.iter().enumerate().map(|(n, places)| (n as u64, places.iter())));
    assert_eq!(compiled_of(&novelty).refused("/home/u", ".npm-global"), None);
}

#[test]
fn a_cache_takes_new_files_at_any_depth_and_gives_no_old_ones() {
    let compiled = compiled();
    assert_eq!(compiled.denied("/home/u/.cache/agent/new"), 0);
    assert_eq!(compiled.denied("/home/u/.cache/agent/fan/new") & (READ | WRITE | CREATE), 0);
    assert_eq!(compiled.denied("/home/u/.cache/agent/old") & READ, READ);
    assert_eq!(compiled.denied("/home/u/.cache/agent/fan/old") & READ, READ);
    assert_eq!(compiled.denied("/home/u/.cache/browser/x") & READ, READ);
}

#[test]
fn the_workspace_is_open_and_its_neighbours_are_not() {
    let compiled = compiled();
    assert_eq!(compiled.denied("/home/u/projects/app/src/main.rs"), 0);
    assert_eq!(compiled.denied("/home/u/projects/other/secret.rs") & READ, READ);
    assert_eq!(compiled.denied("/home/v/x") & READ, READ);
    assert_eq!(compiled.denied("/srv/data/x") & READ, READ);
    let near =
        compiled.policy.closed.iter().position(|closed| closed.path == "/home/u/projects/other").unwrap();
    let far = compiled.policy.closed.iter().position(|closed| closed.path == "/srv").unwrap();
    assert!(near < far && compiled.policy.closed[near].deep);
}

#[test]
fn of_the_system_libraries_are_open_and_programs_are_learned() {
    let compiled = compiled();
    assert_eq!(compiled.denied("/etc/passwd") & (READ | WRITE), WRITE);
    assert_eq!(compiled.denied("/usr/bin/cat") & EXEC, 0);
    let learned = baseline().first_touch_bits(&place(Reach::Exec, "usr/bin/nc")) < models::DENIAL_BUDGET_BITS;
    assert_eq!(compiled.denied("/usr/bin/nc") & (READ | EXEC), if learned { 0 } else { EXEC });
    assert_eq!(compiled.denied("/home/u/bin/tool") & EXEC, EXEC);
    let node = "/home/u/.nvm/versions/node/v22.1.0";
    for path in ["bin/node", "lib/node_modules/npm/npm.js"] {
        let denied = compiled.denied(&format!("{node}/{path}"));
        assert_eq!(denied & (READ | EXEC | WRITE | CREATE), WRITE | CREATE, "{path}");
    }
    let agent = compiled.denied(&format!("{node}/lib/node_modules/opencode-ai/bin/opencode"));
    assert_eq!(agent & (READ | EXEC), READ | EXEC, "an agent starts no other");
    assert_eq!(compiled.denied("/usr/lib/libz.so") & (READ | EXEC), 0);
    assert_eq!(compiled.denied("/dev/null") & (READ | WRITE), 0);
    assert!(!is_compiled(&place(Reach::Write, "dev/null")) && is_compiled(&place(Reach::Write, "dev/sda")));
    assert_eq!(compiled.denied("/dev/sda") & WRITE, WRITE);
    assert_eq!(
        compiled.denied("/proc") & (READ | WRITE | CREATE),
        CREATE,
        "processes name their threads there"
    );
}

#[test]
fn temporary_files_are_the_sessions_own_and_others_are_left_alone() {
    let compiled = compiled();
    assert_eq!(compiled.denied("/tmp/new"), 0);
    assert_eq!(compiled.denied("/tmp/theirs/x") & (WRITE | REMOVE), WRITE | REMOVE);
    assert_eq!(compiled.denied("/tmp/everybody/new"), 0, "made for everybody, as /tmp is");
    assert_eq!(compiled.denied("/tmp/everybody/old") & (WRITE | REMOVE), WRITE | REMOVE);
    assert_eq!(compiled.denied("/srv/everybody/new") & CREATE, CREATE, "not where temporary files are");
    let replayed = |reach| is_compiled(&Place { reach, components: ["$tmp".into(), "new".into()].into() });
    assert!(
        !replayed(Reach::Create) && replayed(Reach::Write),
        "what is new there was made before it is written"
    );
}

#[test]
fn a_label_says_why() {
    let compiled = compiled();
    let number = compiled.label("/home/u/projects/other/secret.rs").reason;
    let reasons = &compiled.reasons;
    for (asked, did) in
        [(Access::READ, "read"), (Access::READ | Access::WRITE, "changed"), (Access::EXEC, "ran")]
    {
        let expected = format!(
            "no recorded `summarize` session of `demo-agent` surely {did} this, or anything new in `~/projects/other`"
        );
        assert_eq!(reasons.explain(reasons.asked(number, asked)), expected);
    }
}

#[test]
fn what_is_armed_is_taken_back() {
    let compiled = compiled();
    let list = crate::denylist::fake::Fake::default();
    arm(&list, &compiled.policy).unwrap();
    assert_eq!(list.state().t1.len(), compiled.policy.labels.len());
    assert_eq!(list.state().nets.len(), compiled.policy.nets.len());
    assert_eq!(list.state().t1_names.len(), compiled.policy.names.len());
    assert!(list.state().t1.keys().all(|key| key.policy == 7));
    disarm(&list, &compiled.policy).unwrap();
    let state = list.state();
    assert!(state.t1.is_empty() && state.t1_names.is_empty() && state.nets.is_empty());
}

#[test]
fn nothing_learned_closes_everything_but_the_workspace_and_what_is_public() {
    let machine = Machine::new(FILES);
    let context = Context {
        workspaces: vec!["/home/u/projects/app".into()],
        home: "/home/u".into(),
        ..Context::default()
    };
    let normal = Normal { agent: "a".parse().unwrap(), task: None };
    let policy = compile(&Novelty::default(), &normal, &context, &machine, &Reasons::default(), 1).unwrap();
    let deny = |path: &str| {
        policy.labels.iter().find(|(key, _)| *key == machine.key(path)).map(|(_, label)| label.deny)
    };
    assert_eq!(deny("/home/u/projects/app").unwrap() & (READ | WRITE), 0);
    assert_eq!(deny("/").unwrap() & (CREATE | WRITE), CREATE | WRITE);
    assert_eq!(deny("/srv").unwrap() & READ, READ);
    assert_eq!(policy.unlabelled & EXEC, EXEC);
    assert_eq!(policy.unknown_net, access::CONNECT);
}

#[test]
fn another_project_that_lies_among_temporary_files_is_closed() {
    let machine = Machine::new(&["/tmp/demo/app/x", "/tmp/demo/other/x", "/tmp/shared/x", "/home/u/x"]);
    let context =
        Context { workspaces: vec!["/tmp/demo/app".into()], home: "/home/u".into(), ..Context::default() };
    let normal = Normal { agent: "a".parse().unwrap(), task: None };
    let policy = compile(&baseline(), &normal, &context, &machine, &Reasons::default(), 1).unwrap();
    let compiled = Compiled { machine, policy, reasons: Reasons::default() };
    assert_eq!(compiled.denied("/tmp/demo/app/x"), 0);
    assert_eq!(compiled.denied("/tmp/demo/new"), 0);
    assert_eq!(compiled.denied("/tmp/demo/other/x") & READ, READ);
    assert_eq!(compiled.denied("/tmp/shared/x") & (READ | WRITE), WRITE);
}

/// Eight sessions each made and replaced a file of the home under names of their own, and kept a transcript by repository.
fn of_an_agent() -> Novelty {
    let sessions: Vec<Vec<Place>> = (0..8)
        .map(|_| {
            vec![
                place(Reach::Create, "~/.claude.json.tmp.#"),
                place(Reach::Create, "~/.#"),
                place(Reach::Create, "~/.claude/projects/$repository"),
                place(Reach::Create, "~/.claude/projects/$repository/#.jsonl"),
            ]
        })
        .collect();
    Novelty::learn(sessions.iter().map(|places| (0, places.iter())))
}

#[test]
fn what_a_session_draws_is_left_open_in_a_name_and_the_rest_of_it_is_not() {
    let compiled = compiled_of(&of_an_agent());
    for name in [".claude.json.tmp.12345.1700000000", ".claude.json.tmp.7", ".claude.json.tmp.aBcDeF"] {
        assert_eq!(compiled.refused("/home/u", name), None, "{name}");
    }
    // Where every program keeps something, a pattern without a word of its own opens nothing.
    for name in
        [".claude.json.tmp", ".claude.json.tmp.1.sh", ".claude.json.lock", ".x1234", "evil", ".claude.json"]
    {
        assert!(compiled.refused("/home/u", name).is_some(), "{name}");
    }
}

#[test]
fn the_repository_of_a_session_has_its_name_in_the_state_of_its_agent() {
    let compiled = compiled_of(&of_an_agent());
    let projects = &compiled.policy.awaited[BStr::new("/home/u/.claude/projects")];
    assert!(projects.known.contains(&names::Name::exact("-home-u-projects-app".into()).unwrap()));
    assert!(!projects.known.contains(&names::Name::exact("-home-u-projects-other".into()).unwrap()));
    // Eight transcripts with a name each: it takes any.
    assert!(!compiled.awaited().contains(&".claude/projects/-home-u-projects-app"));
}

#[test]
fn what_is_there_under_a_name_that_sessions_draw_was_made_by_another() {
    let novelty = of_an_agent();
    let files = ["/home/u/.claude.json.tmp.4711", "/home/u/.agentrc"];
    let machine = Machine::new(&files);
    let context = Context { home: "/home/u".into(), uid: 1000, ..Context::default() };
    let normal = Normal { agent: "a".parse().unwrap(), task: None };
    let policy = compile(&novelty, &normal, &context, &machine, &Reasons::default(), 7).unwrap();
    let compiled = Compiled { machine, policy, reasons: Reasons::default() };
    for file in files {
        assert_eq!(compiled.denied(file) & (READ | WRITE), READ | WRITE, "{file}");
    }
    assert_eq!(compiled.denied("/home/u/.claude.json.tmp.4712") & (READ | WRITE | CREATE), 0);
}
