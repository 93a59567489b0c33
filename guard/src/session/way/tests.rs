use super::*;
use bstr::BString;
use end::Script;
use event::{Access, Exe, File, Fork, Object, Origin};

/// Where the home and the workspace lie.
const DEVICE: u32 = 254 << 20;
/// The workspace's superblock is mounted as a whole and in part.
const MOUNTS: &[u8] =
    b"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:0 /r/w /mnt/w rw - ext4 /dev/vda rw\n\
    29 27 0:40 /@data /data rw - btrfs /dev/vdb rw\n";

fn key(ino: u64) -> FileKey {
    FileKey { dev: DEVICE, generation: 0, ino }
}

const NODE: u64 = 10;
const NATIVE: u64 = 11;
const MODULES: u64 = 12;
const MODULE: &str = "/h/.pnpm/node_modules/codex/codex.js";

fn grounds() -> Grounds {
    let ground = |device: u32, path: &str| wire::Ground { device, path: path.into() };
    Grounds::of(
        &[
            ground(DEVICE, "/r/w"),
            ground(DEVICE, "/r"),
            ground(40, "/@data/src"),
            // Where a link leads to.
            ground(DEVICE, "/h/.cache/x"),
        ],
        MOUNTS,
    )
    .unwrap()
}

fn way() -> Way {
    let script = Script { file: key(MODULES), spelled: ["/h/bin/codex".into(), MODULE.into()] };
    let ends = vec![
        End { program: key(NODE), script: Some(script), name: "/h/bin/codex".into() },
        End { program: key(NATIVE), script: None, name: "/h/bin/native".into() },
    ];
    let mut way = Way::to(Some("codex".into()), ends, grounds());
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

/// A script, as its caller named it.
fn script(pid: u32, path: &str) -> Event {
    let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Claimed };
    Event { second: Some(Object::File(file)), ..exec(pid, 5, &format!("/bin/sh {path}")) }
}

fn fork(pid: u32, child: u32) -> Event {
    Event { fork: Some(Fork { pid: child, tid: child }), ..event(pid, Op::Fork, Object::None) }
}

fn touch(pid: u32, file: File) -> Event {
    event(pid, Op::Open, Object::File(file))
}

fn open(pid: u32, path: &str) -> Event {
    touch(pid, file(path, 90, 0o100644))
}

/// A process opens the agent's script.
fn loads(pid: u32) -> Event {
    touch(pid, file(MODULE, MODULES, 0o100755))
}

/// A process ends with its last thread.
fn exit(pid: u32) -> Event {
    Event { outcome: Outcome::Done(1), ..event(pid, Op::Exit, Object::None) }
}

fn native(pid: u32) -> Event {
    exec(pid, NATIVE, "/h/bin/codex")
}

/// Who was the agent, one after the other, and what was said.
fn told(events: &[Event]) -> (Vec<u32>, Vec<String>) {
    let mut way = way();
    let (mut agents, mut said) = (Vec::new(), Vec::new());
    for event in events {
        for turn in way.note(event) {
            match turn {
                Turn::Agent(..) => agents.push(event.pid),
                Turn::Lost(why) => said.push(why),
                Turn::Left(_) => {}
            }
        }
    }
    (agents, said)
}

fn agents(events: &[Event]) -> (Vec<u32>, usize) {
    let (agents, said) = told(events);
    (agents, said.len())
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
    let becomes = [node(), loads(1), native(1)];
    assert_eq!(agents(&becomes), (vec![1, 1], 0));
    let forked = [node(), loads(1), fork(1, 4), native(1)];
    assert_eq!(agents(&forked), (vec![1], 0));
    let worked = [node(), loads(1), open(1, "/r/w/a.c"), native(1)];
    assert_eq!(agents(&worked), (vec![1], 0));
    let waits = [exec(1, 7, "/usr/bin/timeout 60 x"), fork(1, 2), native(2)];
    assert_eq!(agents(&waits), (vec![2], 0));
    // Asked for its version before, it is the agent twice; what it starts itself is not.
    let twice = [fork(1, 2), native(2), fork(2, 3), native(3), exit(3), exit(2), native(1)];
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
    let refused = Event { outcome: Outcome::Failed(libc::EPERM), ..native(1) };
    assert_eq!(agents(&[refused]), (vec![], 0));
    assert_eq!(agents(&[native(9)]), (vec![], 0), "nobody who is on the way");
}

#[test]
fn what_the_repository_decides_ends_the_way() {
    let anybodys = file("/opt/tool", 31, 0o100777);
    let run = |file: File| event(1, Op::Exec, Object::Exe(Exe { file, args: vec![], args_cut: false }));
    let map = |path: &str| event(1, Op::MapExec, Object::File(file(path, 32, 0o100644)));
    let data =
        File { key: Some(FileKey { dev: 40, ..key(33) }), ..file("/data/src/mise.toml", 33, 0o100644) };
    for between in [
        open(1, "/r/w/mise.toml"),
        open(1, "/r/.npmrc"),
        open(1, "/r"),
        open(1, "/h/.cache/x"),
        open(1, "/h/.cache/x/y"),
        // By the name of a mount of the workspace alone.
        open(1, "/mnt/w/.npmrc"),
        touch(1, data),
        map("/r/w/evil.so"),
        event(1, Op::Chmod, Object::File(file("/r/w/x", 34, 0o100644))),
        event(2, Op::Ptrace, Object::Process { pid: 1, inside: true, detail: 16 }),
        Event { access: Access::WRITE, ..open(2, "/proc/1/mem") },
        exec(1, 21, "/r/w/bin/timeout 60 codex"),
        script(1, "/r/w/run"),
        // Its name began at a directory whose path was cut.
        script(1, "/[254:0]/.../run"),
        run(anybodys.clone()),
        touch(1, anybodys.clone()),
    ] {
        assert_eq!(agents(&[between.clone(), native(1)]), (vec![], 1), "{between:?}");
    }
    let failed = Event { outcome: Outcome::Failed(libc::ENOENT), ..open(1, "/r/w/.npmrc") };
    let elsewhere = [
        failed,
        open(1, "/rest/x"),
        open(1, "/h/.env"),
        open(1, "/h/.cache/xy"),
        open(1, "/tmp/sh-thd.1"),
        script(1, "/h/start.sh"),
        // Another superblock's.
        touch(1, File { key: Some(FileKey { dev: 9, ..key(34) }), ..file("/r/w/x", 34, 0o100644) }),
        // Who is not on the way.
        open(7, "/r/w/.npmrc"),
    ];
    assert_eq!(agents(&[&elsewhere[..], &[native(1)]].concat()), (vec![1], 0));
    let mut way = way();
    assert!(matches!(way.unseen(0)[..], [Turn::Lost(_)]));
    assert_eq!(way.note(&native(1)), []);
    // What its interpreter loads before.
    let node = exec(1, NODE, &format!("/usr/bin/node {MODULE}"));
    assert_eq!(agents(&[node, open(1, "/r/evil.js"), loads(1)]), (vec![], 1));
}

#[test]
fn what_is_not_known_to_lie_elsewhere_ends_the_way() {
    let of = |path: &str, mode: u32, origin: Origin| {
        let key = (origin != Origin::Claimed).then(|| key(40));
        touch(1, File { key, origin, ..file(path, 40, mode) })
    };
    for between in [
        of("[254:0]/.../a/b/.npmrc", 0o100644, Origin::Unresolved),
        of("[254:0]/.../a/b", 0o040755, Origin::Unresolved),
        // A pipe with a name.
        of("[254:0]/.../a/pipe", 0o010644, Origin::Unresolved),
        of("[0:77]/pipe", 0o010644, Origin::Unresolved),
        // Memory that is a file.
        of("[0:1]", 0o100777, Origin::Unresolved),
        of("/h/x", 0, Origin::Claimed),
    ] {
        assert_eq!(agents(&[between.clone(), native(1)]), (vec![], 1), "{between:?}");
    }
    let nameless = [
        of("[0:14]", 0o010600, Origin::Unresolved),
        of("[0:8]", 0o140777, Origin::Unresolved),
        event(
            1,
            Op::Connect,
            Object::Unix(File { path: "\0x".into(), key: None, mode: 0, origin: Origin::Claimed }),
        ),
    ];
    assert_eq!(agents(&[&nameless[..], &[native(1)]].concat()), (vec![1], 0));
}

#[test]
fn a_ground_that_is_nowhere_leaves_nobody() {
    let ground = |device: u32, path: &str| wire::Ground { device, path: path.into() };
    assert!(Grounds::of(&[ground(DEVICE, "/r")], MOUNTS).is_some());
    assert!(Grounds::of(&[ground(DEVICE, "/r"), ground(41, "/x")], MOUNTS).is_none());
    assert!(Grounds::of(&[ground(40, "/@other/x")], MOUNTS).is_none());
    assert!(Grounds::of(&[ground(DEVICE, "/r")], b"").is_none());
    let found = wire::Way {
        agent: Some("codex".into()),
        ends: vec![wire::End { program: "/proc/self/exe".into(), script: None }],
        grounds: vec![ground(DEVICE, "/r")],
    };
    let list = crate::denylist::fake::Fake::default();
    let nobodys = |grounds: Vec<wire::Ground>, mounts: &[u8]| {
        Way::of(&list, wire::Way { grounds, ..found.clone() }, mounts).is_nobodys()
    };
    assert!(!nobodys(found.grounds.clone(), MOUNTS));
    assert!(nobodys(found.grounds.clone(), b"nonsense"));
    assert!(nobodys(Vec::new(), MOUNTS), "a session works somewhere");
}

#[test]
fn a_program_that_another_thread_runs_goes_on_the_way() {
    let leader = event(1, Op::Exit, Object::None);
    assert_eq!(agents(&[leader.clone(), native(1)]), (vec![1], 0));
    let agent = [native(1), leader, fork(1, 2), exit(1), native(1)];
    assert_eq!(agents(&agent), (vec![1], 0), "a number that was given anew");
    let anew = [fork(1, 2), exit(2), fork(9, 2), native(2)];
    assert_eq!(agents(&anew), (vec![], 0));
    assert_eq!(agents(&[fork(1, 2), fork(9, 2), native(2)]), (vec![], 0));
}

#[test]
fn an_agent_that_works_in_the_workspace_is_started_again_by_the_way_alone() {
    let first = [fork(1, 2), native(2), open(2, "/r/w/a.c"), fork(2, 4), exec(4, 30, "/r/w/evil")];
    assert_eq!(agents(&first), (vec![2], 0), "that is its work");
    let by = |pid| [&first[..], &[exit(2), native(pid)]].concat();
    assert_eq!(agents(&by(4)), (vec![2], 0), "what it has started");
    assert_eq!(agents(&by(1)), (vec![2, 1], 0));
    let beside = [&first[..], &[native(4), native(1)]].concat();
    assert_eq!(agents(&beside), (vec![2], 0), "one at a time");
    let reads = [&first[..], &[open(1, "/r/w/activate"), exit(2), native(1)]].concat();
    assert_eq!(agents(&reads), (vec![2], 1));
}

#[test]
fn who_has_lost_the_way_is_told_once_why_and_what_to_do() {
    let (_, said) = told(&[open(1, "/r/w/mise.toml"), open(1, "/r/x"), native(1), fork(1, 2), native(2)]);
    let expected = "`/r/w/mise.toml` was touched before codex was started, so that the repository may have decided what codex runs: \
        it may not replace its own settings in this session. Where the command is its program itself, `/h/bin/codex`, it may";
    assert_eq!(said, [expected]);
}
