//! What is enforced is what was learned: every operation of recorded sessions, attempted again under the policy that is
//! compiled of them, on a real file system, is refused nothing.

use super::*;
use crate::denylist::fake::Fake;
use abi::{FileKey, LABEL_NAMES, LABEL_STATE};
use bstr::{BStr, BString, ByteSlice};
use event::{Access, Event, Exe, File, Object, Op, Origin, Reach, Tokeniser};
use proptest::prelude::*;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A directory that is the root of everything, as for a session in a `chroot`.
struct Disk(tempfile::TempDir);

const HOME: &str = "/home/u";
const WORKSPACE: &str = "/home/u/projects/app";

/// Files that are there, and their first line.
const FILES: [(&str, &str); 14] = [
    ("/usr/bin/sh", "\x7fELF"),
    ("/usr/bin/env", "\x7fELF"),
    ("/home/u/bin/plain", "#!/usr/bin/sh"),
    ("/home/u/bin/outer", "#!/home/u/bin/middle -x"),
    ("/home/u/bin/middle", "#! /home/u/.local/bin/inner"),
    ("/home/u/.local/share/tool/versions/1.2/bin/inner", "#!/usr/bin/env sh"),
    ("/home/u/.local/share/tool/versions/1.2/bin/native", "\x7fELF"),
    ("/opt/tool/run", "#!/usr/bin/sh"),
    ("/srv/data/list", "text"),
    ("/home/u/.toolrc", "text"),
    ("/home/u/letter", "text"),
    ("/home/u/.cache/tool/index", "text"),
    ("/home/u/projects/app/script", "#!/usr/bin/sh"),
    ("/home/u/src/linked/cli", "#!/usr/bin/env sh"),
];

/// Links, and where they lead.
const LINKS: [(&str, &str); 4] = [
    ("/home/u/.local/bin/inner", "../share/tool/versions/1.2/bin/inner"),
    ("/home/u/.local/bin/native", "../share/tool/versions/1.2/bin/native"),
    ("/home/u/.local/bin/plain", "../../bin/plain"),
    ("/home/u/projects/app/cli", "../../src/linked/cli"),
];

/// Names under which programs are started.
const PROGRAMS: [&str; 10] = [
    "/usr/bin/env",
    "/home/u/bin/plain",
    "/home/u/bin/outer",
    "/home/u/.local/bin/inner",
    "/home/u/.local/bin/native",
    "/home/u/.local/bin/plain",
    "/home/u/.local/share/tool/versions/1.2/bin/inner",
    "/home/u/projects/app/script",
    "/home/u/projects/app/cli",
    "/opt/tool/run",
];

/// Places of files that are read, made, changed and removed.
const PLACES: [&str; 12] = [
    "/home/u/.toolrc",
    "/home/u/.tool.lock",
    "/home/u/letter",
    "/home/u/.cache/tool/index",
    "/home/u/.cache/tool/new",
    "/home/u/.cache/new/file",
    "/home/u/.local/state/tool/log",
    "/home/u/projects/app/made",
    "/srv/data/list",
    "/srv/data/made",
    "/tmp/made",
    "/tmp/directory/made",
];

/// What a session does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Read(&'static str),
    Write(&'static str),
    /// Writes a new file beside it, and renames that over it.
    Replace(&'static str),
    Remove(&'static str),
    Start(&'static str),
}

/// What the kernel side is asked: where, and for what.
type Attempt = (PathBuf, u32);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for directory in ["/dev", "/tmp", "/var/tmp", "/usr/local", WORKSPACE] {
            fs::create_dir_all(disk.real(directory)).unwrap();
        }
        fs::set_permissions(disk.real("/tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for (path, line) in FILES {
            disk.make_above(path.as_ref());
            fs::write(disk.real(path), format!("{line}\n")).unwrap();
        }
        for (path, target) in LINKS {
            disk.make_above(path.as_ref());
            symlink(target, disk.real(path)).unwrap();
        }
        disk
    }
    fn make_above(&self, path: &Path) {
        fs::create_dir_all(self.real(path.parent().unwrap())).unwrap();
    }
    fn real(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }
    /// As the session names it.
    fn named(&self, real: &Path) -> PathBuf {
        Path::new("/").join(real.strip_prefix(self.0.path().canonicalize().unwrap()).unwrap())
    }
    /// Descriptors of everything below a directory.
    fn held(&self, directory: &Path) -> Vec<fs::File> {
        let mut held = Vec::new();
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                held.extend(self.held(&entry.path()));
            }
            if !kind.is_symlink() {
                held.push(fs::File::open(entry.path()).unwrap());
            }
        }
        held
    }
    fn canonical(&self, path: &Path) -> Option<PathBuf> {
        Some(self.named(&self.real(path).canonicalize().ok()?))
    }
}

impl Files for Disk {
    fn look(&self, path: &BStr) -> Option<Entry> {
        let metadata = fs::symlink_metadata(self.real(path.to_path().unwrap())).ok()?;
        let key = FileKey { ino: metadata.ino(), dev: metadata.dev() as u32, generation: 0 };
        Some(Entry { key, mode: metadata.mode(), magic: 0xef53 })
    }
    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)> {
        let entries = fs::read_dir(self.real(path.to_path().unwrap())).ok()?;
        let mut names: Vec<BString> =
            entries.map(|entry| entry.unwrap().file_name().as_bytes().into()).collect();
        names.sort();
        let cut = names.len() > limit;
        Some((names.into_iter().take(limit).collect(), cut))
    }
    fn target(&self, path: &BStr) -> Option<BString> {
        Some(self.canonical(path.to_path().unwrap())?.as_os_str().as_bytes().into())
    }
    fn head(&self, path: &BStr) -> Option<Vec<u8>> {
        fs::read(self.real(path.to_path().unwrap())).ok()
    }
    fn mounts(&self) -> Vec<BString> {
        vec!["/".into()]
    }
}

/// A session in the doing: it does each thing for real, tells it as the collector would, and asks first where somebody
/// answers.
struct Session<'d> {
    disk: &'d Disk,
    tokeniser: Tokeniser,
    places: Vec<event::Place>,
    policy: Option<&'d mut Policy>,
    refused: Vec<Attempt>,
}

impl<'d> Session<'d> {
    fn new(disk: &'d Disk, policy: Option<&'d mut Policy>) -> Self {
        Self { disk, tokeniser: Tokeniser::new(context()), places: Vec::new(), policy, refused: Vec::new() }
    }

    fn ask(&mut self, path: &Path, access: u32) {
        if let Some(policy) = &self.policy
            && refuses(policy, self.disk, path, access)
        {
            self.refused.push((path.to_owned(), access));
        }
    }

    fn tell(&mut self, op: Op, access: Access, object: Object, second: Option<Object>) {
        let event = Event { time_ns: 1, pid: 10, tid: 10, second, ..Event::of(op, access, object) };
        self.places.extend(self.tokeniser.read(&event).taught().cloned());
    }

    fn open(&mut self, path: &Path, access: Access) {
        self.tell(Op::Open, access, Object::File(file(path, Origin::Trusted)), None);
    }

    fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Read(path) => self.reads(path.as_ref()),
            Deed::Write(path) => self.writes(path.as_ref()),
            Deed::Replace(path) => self.replaces(path.as_ref()),
            Deed::Remove(path) => self.removes(path.as_ref()),
            Deed::Start(name) => self.starts(name.as_ref()),
        }
    }

    fn reads(&mut self, path: &Path) {
        if self.disk.real(path).exists() {
            self.ask(path, access::READ);
            self.open(path, Access::READ);
        }
    }

    fn writes(&mut self, path: &Path) {
        self.makes_above(path);
        let real = self.disk.real(path);
        let is_new = !real.exists();
        if is_new {
            self.ask(path, access::CREATE);
        }
        fs::File::create(&real).unwrap().write_all(b"text\n").unwrap();
        self.ask(path, access::WRITE);
        let new = if is_new { Access::NEW | Access::CREATE } else { Access::TRUNC };
        self.open(path, Access::WRITE | new);
    }

    fn makes_above(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for directory in above {
            match fs::create_dir(self.disk.real(directory)) {
                Ok(()) => {
                    fs::remove_dir(self.disk.real(directory)).unwrap();
                    self.ask(directory, access::CREATE);
                    fs::create_dir(self.disk.real(directory)).unwrap();
                    self.tell(
                        Op::Mkdir,
                        Access::CREATE,
                        Object::File(file(directory, Origin::Trusted)),
                        None,
                    );
                    self.made(directory);
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::AlreadyExists),
            }
        }
    }

    /// The supervisor hears of a directory that was made.
    fn made(&mut self, directory: &Path) {
        let name = directory.as_os_str().as_bytes().as_bstr();
        let entry = self.disk.look(name).unwrap();
        if let Some(policy) = &mut self.policy {
            label_made(&Fake::default(), policy, name, entry.key).unwrap();
        }
    }

    fn replaces(&mut self, path: &Path) {
        let temporary = path.with_extension("tmp");
        self.writes(&temporary);
        self.ask(&temporary, access::REMOVE);
        if self.disk.real(path).exists() {
            self.ask(path, access::REMOVE);
        }
        self.ask(path, access::CREATE | access::MOVED);
        fs::rename(self.disk.real(&temporary), self.disk.real(path)).unwrap();
        let [old, new] = [&*temporary, path].map(|path| Object::File(file(path, Origin::Trusted)));
        self.tell(Op::Rename, Access::REMOVE, old, Some(new));
    }

    fn removes(&mut self, path: &Path) {
        if self.disk.real(path).exists() {
            self.ask(path, access::REMOVE);
            fs::remove_file(self.disk.real(path)).unwrap();
            self.tell(Op::Unlink, Access::REMOVE, Object::File(file(path, Origin::Trusted)), None);
        }
    }

    /// Starts a program as the kernel does, without running it; each script is read by its interpreter.
    fn starts(&mut self, name: &Path) {
        let mut scripts = Vec::new();
        let mut next = name.to_owned();
        let last = loop {
            let opened = self.disk.canonical(&next).unwrap();
            self.ask(&opened, access::EXEC);
            let content = fs::read_to_string(self.disk.real(&opened)).unwrap();
            let Some(line) = content.strip_prefix("#!") else { break opened };
            next = line.split_whitespace().next().unwrap().into();
            scripts.push(opened);
        };
        let exe = Exe { file: file(&last, Origin::Trusted), args: Vec::new(), args_cut: false };
        let script = (!scripts.is_empty()).then(|| Object::File(file(name, Origin::Claimed)));
        self.tell(Op::Exec, Access::EXEC, Object::Exe(exe), script);
        for script in scripts {
            self.reads(&script);
        }
    }
}

fn file(path: &Path, origin: Origin) -> File {
    File { path: path.as_os_str().as_bytes().into(), key: None, mode: 0o100_644, origin }
}

fn context() -> Context {
    Context { workspaces: vec![WORKSPACE.into()], home: HOME.into(), uid: 1000, ..Context::default() }
}

/// The kernel side's walk: the nearest labelled ancestor decides, and by the name in it where names matter.
fn refuses(policy: &Policy, disk: &Disk, path: &Path, access: u32) -> bool {
    let mut below: Option<&Path> = None;
    for at in path.ancestors() {
        let entry = disk.look(at.as_os_str().as_bytes().as_bstr());
        let label = entry.and_then(|entry| policy.labels.iter().find(|(key, _)| *key == entry.key));
        let Some((dir, label)) = label else {
            below = Some(at);
            continue;
        };
        if label.deny & access != 0 {
            return true;
        }
        if label.flags & LABEL_STATE != 0 && access & access::MODIFY != 0 {
            return names::obeyed(policy, path.strip_prefix(at).unwrap()) != 0;
        }
        let by_name =
            label.flags & LABEL_NAMES != 0 && access & (access::CREATE | access::MOVED) == access::CREATE;
        let name = below.and_then(Path::file_name).filter(|_| by_name);
        return name.is_some_and(|name| names::reason(policy, *dir, name.as_bytes().into()) != 0);
    }
    policy.unlabelled & access != 0
}

/// What three sessions teach that do the same, one after the other, and the disk that they leave.
fn learned(deeds: &[Deed], start_afresh: bool) -> (Novelty, Disk) {
    let mut disk = Disk::new();
    let mut recorded = Vec::new();
    for _ in 0..3 {
        let mut session = Session::new(&disk, None);
        deeds.iter().for_each(|&deed| session.does(deed));
        recorded.push(session.places);
        if start_afresh {
            disk = Disk::new();
        }
    }
    (Novelty::learn(recorded.iter().map(|places| (7, places.iter()))), disk)
}

/// The same once more, under what was learned: what is refused.
fn attempted(deeds: &[Deed], novelty: &Novelty, disk: &Disk) -> Vec<Attempt> {
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    let mut policy = compile(novelty, &normal, &context(), disk, &Reasons::default(), 1).unwrap();
    // An inode that is held is not given to another file, which would inherit its label.
    let _held = disk.held(disk.0.path());
    let mut session = Session::new(disk, Some(&mut policy));
    deeds.iter().for_each(|&deed| session.does(deed));
    session.refused
}

fn refused(deeds: &[Deed], start_afresh: bool) -> Vec<Attempt> {
    let (novelty, disk) = learned(deeds, start_afresh);
    attempted(deeds, &novelty, &disk)
}

fn deed() -> impl Strategy<Value = Deed> {
    let place = || prop::sample::select(&PLACES[..]);
    prop_oneof![
        place().prop_map(Deed::Read),
        place().prop_map(Deed::Write),
        place().prop_map(Deed::Replace),
        place().prop_map(Deed::Remove),
        prop::sample::select(&PROGRAMS[..]).prop_map(Deed::Start),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_recorded_is_refused_nothing(
        deeds in prop::collection::vec(deed(), 1..12),
        start_afresh in any::<bool>(),
    ) {
        prop_assert_eq!(refused(&deeds, start_afresh), Vec::<Attempt>::new());
    }

    #[test]
    fn what_either_of_two_tasks_does_is_refused_nothing_under_their_union(
        one in prop::collection::vec(deed(), 1..8),
        other in prop::collection::vec(deed(), 1..8),
    ) {
        let (of_one, after_one) = learned(&one, true);
        let (of_other, after_other) = learned(&other, true);
        let mut union = of_one.leaning_on(&of_other);
        union.merge(&of_other);
        prop_assert_eq!(attempted(&one, &union, &after_one), Vec::<Attempt>::new());
        prop_assert_eq!(attempted(&other, &union, &after_other), Vec::<Attempt>::new());
    }
}

#[test]
fn each_program_starts_under_its_own_baseline_and_no_other_does() {
    for name in PROGRAMS {
        assert_eq!(refused(&[Deed::Start(name)], true), Vec::<Attempt>::new(), "{name}");
    }
    let disk = Disk::new();
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts("/home/u/.local/bin/plain".as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let starts = |path: &str| !refuses(&policy, &disk, path.as_ref(), access::EXEC);
    assert!(starts("/home/u/bin/plain") && starts("/usr/bin/sh"));
    for other in ["/home/u/bin/outer", "/home/u/bin/new", "/home/u/.local/share/tool/versions/1.2/bin/native"]
    {
        assert!(!starts(other), "{other}");
    }
    // The name leads elsewhere now, as after an upgrade.
    fs::remove_file(disk.real("/home/u/.local/bin/plain")).unwrap();
    symlink("../../bin/middle", disk.real("/home/u/.local/bin/plain")).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    assert!(!refuses(&policy, &disk, "/home/u/bin/middle".as_ref(), access::EXEC));
}

/// Sessions of an agent that nobody knows keep state in directories of its own, under other names each time.
#[test]
fn an_agents_own_state_is_open_in_the_next_session_but_for_what_is_obeyed() {
    const FIRST: [Deed; 4] = [
        Deed::Write("/home/u/.sometool/sessions/one.json"),
        Deed::Write("/home/u/.sometool/config.toml"),
        Deed::Read("/home/u/.sometool/commands/x"),
        Deed::Write("/home/u/.cache/sometool/db"),
    ];
    const LAST: [Deed; 4] = [
        Deed::Write("/home/u/.sometool/sessions/other.json"),
        Deed::Write("/home/u/.sometool/config.toml"),
        Deed::Read("/home/u/.sometool/commands/x"),
        Deed::Write("/home/u/.cache/sometool/fan/out/db-wal"),
    ];
    let disk = Disk::new();
    disk.make_above("/home/u/.sometool/commands/x".as_ref());
    fs::write(disk.real("/home/u/.sometool/commands/x"), "").unwrap();
    let recorded: Vec<Vec<event::Place>> = [&FIRST, &FIRST, &LAST]
        .into_iter()
        .map(|deeds| {
            let mut session = Session::new(&disk, None);
            deeds.iter().for_each(|&deed| session.does(deed));
            session.places
        })
        .collect();
    let novelty = Novelty::learn((0..).zip(&recorded).map(|(n, places)| (n, places.iter())));
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    fs::write(disk.real("/home/u/.sometool/left.lock"), "").unwrap();
    fs::create_dir(disk.real("/home/u/.sometool/history")).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, path.as_ref(), access);
    let (make, change) = (access::CREATE, access::CREATE | access::WRITE | access::REMOVE | access::MOVED);
    for path in ["new", "locks/x.lock.breaker", "history/new/x", "sessions/third.json", "left.lock"] {
        assert!(lets(&format!("/home/u/.sometool/{path}"), change | access::READ), "{path}");
    }
    assert!(
        lets("/home/u/.cache/sometool/other/x", change)
            && lets("/home/u/.sometool/config.toml", access::WRITE)
    );
    for path in
        ["hooks", "hooks/x.sh", "new/hooks/x.sh", "commands/y", "history/bin/x", "AGENTS.md", "settings.json"]
    {
        for access in [make, access::WRITE, access::CREATE | access::MOVED] {
            assert!(!lets(&format!("/home/u/.sometool/{path}"), access), "{path} {access:x}");
        }
    }
    assert!(lets("/home/u/.sometool/commands/x", access::READ));
    assert!(
        !lets("/home/u/.sometool/commands/x", access::WRITE)
            && !lets("/home/u/.sometool/commands/x", access::REMOVE)
    );
    for path in
        ["/home/u/.othertool/x", "/home/u/.claude/commands/x.md", "/home/u/.cache/x", "/home/u/letter"]
    {
        assert!(!lets(path, make | access::WRITE), "{path}");
    }
}

/// A repository says where its links lead: to nothing that sessions did not read.
#[test]
fn a_link_of_a_workspace_starts_only_what_is_read() {
    let disk = Disk::new();
    let cli = "/home/u/projects/app/cli";
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts(cli.as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    fs::remove_file(disk.real(cli)).unwrap();
    symlink("../../.local/share/tool/versions/1.2/bin/native", disk.real(cli)).unwrap();
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let starts = |path: &str| !refuses(&policy, &disk, path.as_ref(), access::EXEC);
    assert!(!starts("/home/u/.local/share/tool/versions/1.2/bin/native"));
}

/// An agent that was upgraded: its programs lie in another version's directory, or are called by another version.
#[test]
fn what_is_run_and_read_of_one_version_is_in_the_next_and_nothing_beside_it() {
    const TOOL: &str = "/home/u/.local/share/tool/versions";
    let disk = Disk::new();
    fs::write(disk.real(format!("{TOOL}/2.0.1")), "\x7fELF").unwrap();
    fs::write(disk.real(format!("{TOOL}/1.2/table")), "text").unwrap();
    let recorded: Vec<Vec<event::Place>> = (0..3)
        .map(|_| {
            let mut session = Session::new(&disk, None);
            session.starts("/home/u/.local/bin/native".as_ref());
            session.starts(format!("{TOOL}/1.2/bin/inner").as_ref());
            session.starts(format!("{TOOL}/2.0.1").as_ref());
            session.reads(format!("{TOOL}/1.2/table").as_ref());
            session.places
        })
        .collect();
    let novelty = Novelty::learn(recorded.iter().map(|places| (7, places.iter())));
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    fs::rename(disk.real(format!("{TOOL}/1.2")), disk.real(format!("{TOOL}/1.10.3-rc.1"))).unwrap();
    fs::rename(disk.real(format!("{TOOL}/2.0.1")), disk.real(format!("{TOOL}/2.1.0"))).unwrap();
    for planted in ["1.10.3-rc.1/bin/other", "new/bin/native", "2.1.0x", "tool-2.1.0"] {
        disk.make_above(format!("{TOOL}/{planted}").as_ref());
        fs::write(disk.real(format!("{TOOL}/{planted}")), "\x7fELF").unwrap();
    }
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, format!("{TOOL}/{path}").as_ref(), access);
    for path in ["1.10.3-rc.1/bin/native", "1.10.3-rc.1/bin/inner", "2.1.0"] {
        assert!(lets(path, access::EXEC), "{path}");
    }
    assert!(lets("1.10.3-rc.1/table", access::READ));
    for path in ["1.10.3-rc.1/bin/other", "new/bin/native", "2.1.0x", "tool-2.1.0", "1.10.3-rc.1/table"] {
        assert!(!lets(path, access::EXEC), "{path}");
    }
    // Nobody plants what is run outside, in this version or another.
    for path in ["1.10.3-rc.1/bin/native", "1.10.3-rc.1/bin/new", "1.10.4", "2.1.0"] {
        assert!(!lets(path, access::CREATE) && !lets(path, access::WRITE), "{path}");
    }
}

/// One name that a person opened lets that one be made, and nothing else come or go.
#[test]
fn what_a_person_opened_is_made_and_what_lies_beside_it_stays() {
    let (mut novelty, disk) =
        learned(&[Deed::Read("/home/u/.toolrc"), Deed::Read("/home/u/.cache/tool/index")], true);
    let reaches = [Reach::Create, Reach::Read, Reach::Write, Reach::Remove];
    let opened = ["/home/u/bin/new", "/home/u/.cache/tool/new"].into_iter().flat_map(|path| {
        let tokeniser = Tokeniser::new(context());
        reaches.map(move |reach| {
            let components = tokeniser.symbolic(path.as_bytes(), reach).into();
            models::Allowed { place: event::Place { reach, components }, below: false }
        })
    });
    novelty.allow(opened);
    let normal = Normal { agent: "a".into(), task: Some("t".into()) };
    let policy = compile(&novelty, &normal, &context(), &disk, &Reasons::default(), 1).unwrap();
    let lets = |path: &str, access| !refuses(&policy, &disk, path.as_ref(), access);
    for path in ["/home/u/bin/new", "/home/u/.cache/tool/new"] {
        assert!(lets(path, access::CREATE) && lets(path, access::WRITE), "{path}");
    }
    for path in ["/home/u/bin/plain", "/home/u/bin/outer", "/home/u/.cache/tool/index"] {
        assert!(!lets(path, access::REMOVE) && !lets(path, access::WRITE), "{path}");
        assert!(!lets(path, access::CREATE | access::REMOVE), "moved over: {path}");
    }
    assert!(!lets("/home/u/bin/other", access::CREATE) && !lets("/home/u/.cache/tool/x", access::CREATE));
}
