//! Sessions, events and the strategies that draw them.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use bstr::BString;
use event::{
    Access, Address, Captured, Context, Decision, Event, Exe, File, FileKey, Fork, Host, HostOrigin, Loss,
    Means, Object, Op, Origin, Outcome, SessionMeta, Stage, Summary, Syscall,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use store::{Reader, SessionId};
use tempfile::TempDir;

/// Set for a test that was started again as a process of its own: what it works on.
pub const CHILD: &str = "WARDLINE_STORE_TEST_CHILD";

/// A place for a store; the directory goes with the first value.
pub fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

/// Runs one test of this program again, as a child that finds `on` in [`CHILD`].
pub fn again(test: &str, on: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, on);
    command
}

pub fn meta(task: &str) -> SessionMeta {
    SessionMeta {
        agent: "codex".parse().unwrap(),
        task: task.parse().unwrap(),
        command: vec!["codex".into(), "exec".into()],
        context: Context {
            workspaces: vec![BString::from(&b"/home/u/w\xff"[..])],
            home: "/home/u".into(),
            agent_state: vec!["/home/u/.codex".into()],
            toolchains: vec![],
            uid: 1000,
            resolvers: vec!["198.51.100.53".parse().unwrap()],
        },
        mode: event::Mode::Record,
        tier: event::Tier::Lsm,
        kernel: "6.12.0".into(),
        started_unix_ns: 1_790_000_000_000_000_000,
        started_boot_ns: 5,
    }
}

pub fn summary() -> Summary {
    Summary {
        exit_status: Some(130),
        events: 3,
        score: Some(0.25),
        verdict: "allow".into(),
        ..Summary::default()
    }
}

/// An open of a file whose path holds `n`.
pub fn open(n: u64) -> Event {
    Event {
        time_ns: 1000 + n,
        pid: 10,
        tid: 11,
        outcome: Outcome::Done(3),
        ..Event::of(
            Op::Open,
            Access::READ,
            Object::File(File {
                path: format!("/home/u/w/{n}").into(),
                key: Some(FileKey { ino: n, dev: 1, generation: 2 }),
                mode: 0o100644,
                origin: Origin::Trusted,
            }),
        )
    }
}

pub fn captured(n: u64) -> Captured {
    Captured::Event(Box::new(open(n)))
}

pub fn call(n: u64, tid: u32) -> Captured {
    Captured::Syscall(Syscall {
        time_ns: 1000 + n,
        tid,
        number: n as u32 % 400,
        compat: n.is_multiple_of(50),
        ret: -(n as i64),
    })
}

/// Everything of a session.
pub fn all(reader: &Reader, id: SessionId) -> Vec<Captured> {
    let mut all = Vec::new();
    reader
        .events(id, &mut |captured| {
            all.push(captured);
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn bytes() -> impl Strategy<Value = BString> {
    prop_oneof![
        vec(any::<u8>(), 0..60).prop_map(BString::from),
        "/[a-c]/[a-c]\\\\?".prop_map(BString::from),
        Just(BString::from(&b"\0abstract"[..])),
    ]
}

fn file() -> impl Strategy<Value = File> {
    let key = (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(ino, dev, generation)| FileKey {
        ino,
        dev,
        generation,
    });
    let origin = select(vec![Origin::Trusted, Origin::Claimed, Origin::Unresolved]);
    (bytes(), option::of(key), any::<u32>(), origin).prop_map(|(path, key, mode, origin)| File {
        path,
        key,
        mode,
        origin,
    })
}

fn host() -> impl Strategy<Value = Host> {
    let origin =
        prop_oneof![Just(HostOrigin::Claimed), Just(HostOrigin::Answered), Just(HostOrigin::Resolved)];
    ("[a-z0-9.-]{1,40}", origin, any::<bool>()).prop_map(|(name, origin, shared)| Host {
        name,
        origin,
        shared,
    })
}

fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        Just(Object::None),
        file().prop_map(Object::File),
        (file(), vec(bytes(), 0..4), any::<bool>()).prop_map(|(file, args, args_cut)| Object::Exe(Exe {
            file,
            args,
            args_cut
        })),
        (any::<std::net::IpAddr>(), any::<u16>(), any::<u16>(), proptest::option::of(host()))
            .prop_map(|(ip, port, protocol, host)| Object::Address(Address { ip, port, protocol, host })),
        file().prop_map(Object::Unix),
        (any::<u16>(), any::<u16>()).prop_map(|(family, kind)| Object::Socket { family, kind }),
        (any::<u32>(), any::<bool>(), any::<u64>()).prop_map(|(pid, inside, detail)| Object::Process {
            pid,
            inside,
            detail
        }),
        (any::<u64>(), any::<u64>()).prop_map(|(first, second)| Object::Interface { first, second }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![any::<i64>().prop_map(Outcome::Done), any::<i32>().prop_map(Outcome::Failed)]
}

fn decision() -> impl Strategy<Value = Decision> {
    let stage = select(vec![Stage::T0, Stage::T1, Stage::T2]);
    let means = select(Means::ALL);
    (stage, means, any::<bool>(), any::<u32>()).prop_map(|(stage, means, enforced, reason)| Decision {
        stage,
        means,
        enforced,
        reason,
    })
}

/// Few distinct times, so that ties and disorder are common.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, 0u64..1_000_000, Just(i64::MAX as u64)]
}

pub fn event() -> impl Strategy<Value = Event> {
    let who = (time(), any::<u32>(), any::<u32>(), any::<u32>());
    let what = (select(Op::ALL.to_vec()), any::<u32>(), object(), option::of(object()));
    let fork = (any::<u32>(), any::<u32>()).prop_map(|(pid, tid)| Fork { pid, tid });
    let how = (outcome(), option::of(decision()), option::of(fork), any::<u32>());
    (who, what, how).prop_map(|((time_ns, segment, pid, tid), (op, access, object, second), how)| {
        let (outcome, decision, fork, detail) = how;
        let access = Access::from_bits_retain(access);
        Event { time_ns, segment, pid, tid, op, access, object, second, outcome, decision, fork, detail }
    })
}

pub fn any_captured() -> impl Strategy<Value = Captured> {
    prop_oneof![
        3 => event().prop_map(|event| Captured::Event(Box::new(event))),
        3 => (time(), 0u32..4, any::<u32>(), any::<bool>(), any::<i64>()).prop_map(
            |(time_ns, tid, number, compat, ret)| Captured::Syscall(Syscall { time_ns, tid, number, compat, ret })
        ),
        1 => (time(), any::<u32>(), any::<u32>(), any::<u64>())
            .prop_map(|(time_ns, cpu, kind, count)| Captured::Loss(Loss { time_ns, cpu, kind, count })),
    ]
}

/// The order that [`Reader::events`] promises.
pub fn in_order(mut captured: Vec<Captured>) -> Vec<Captured> {
    captured.sort_by_key(|captured| match captured {
        Captured::Event(event) => (event.time_ns, 0, 0),
        Captured::Syscall(call) => (call.time_ns, 1, call.tid),
        Captured::Loss(loss) => (loss.time_ns, 2, 0),
    });
    captured
}
