//! Seeds of the fuzz targets of blobs and of lines, in the shape that these read.

use crate::chunk;
use crate::operation::Block;
use crate::{Line, Session, SessionId};
use bstr::BString;
use event::{
    Access, Address, Alert, Captured, Context, Decision, Event, Exe, File, FileKey, Fork, Host, HostOrigin,
    Loss, Means, Object, Op, Origin, Outcome, Segment, SessionMeta, Stage, Summary, Syscall,
};
use std::path::PathBuf;

/// In the tree, so that the same seeds serve every run.
fn path(target: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target).join(name)
}

/// First time, last time, number of calls, blob.
fn chunks() -> Vec<(&'static str, Vec<u8>)> {
    let call = |time_ns, number, compat, ret| Syscall { time_ns, tid: 1, number, compat, ret };
    let usual: Vec<Syscall> = (0..20).map(|n| call(5_000 + n * 900, 257, false, n as i64 - 2)).collect();
    let strange = vec![call(0, u32::MAX, true, i64::MIN), call(u64::MAX, 0, false, i64::MAX)];
    let seed = |mut calls: Vec<Syscall>| {
        let chunk = chunk::pack(&mut calls).unwrap();
        let count = u16::try_from(chunk.calls).unwrap().to_le_bytes();
        [&chunk.first_ns.to_le_bytes()[..], &chunk.last_ns.to_le_bytes(), &count, &chunk.body].concat()
    };
    vec![("usual", seed(usual)), ("strange", seed(strange))]
}

/// Number of the first, how many, blob.
fn blocks() -> Vec<(&'static str, Vec<u8>)> {
    let open = Event {
        time_ns: 5_000_000_000,
        pid: 4242,
        tid: 4243,
        outcome: Outcome::Done(3),
        detail: 0o100,
        ..Event::of(Op::Open, Access::READ, Object::None)
    };
    let refused = Event {
        outcome: Outcome::Failed(1),
        decision: Some(Decision { stage: Stage::T1, means: Means::Lsm, enforced: true, reason: 9 }),
        ..open.clone()
    };
    let forked = Event {
        time_ns: 4_000_000_000,
        op: Op::Fork,
        segment: 1,
        fork: Some(Fork { pid: 4300, tid: 4300 }),
        ..open.clone()
    };
    let seed = |id: i64, events: &[(&Event, Option<i64>, Option<i64>)]| {
        let mut block = Block::new(id);
        events.iter().for_each(|(event, object, second)| block.push(event, *object, *second));
        let count = i16::try_from(block.count).unwrap().to_le_bytes();
        [&id.to_le_bytes()[..], &count, &block.body].concat()
    };
    vec![
        ("usual", seed(1, &[(&open, Some(4), None), (&open, Some(5), None)])),
        (
            "all-fields",
            seed(900, &[(&refused, Some(7), Some(3)), (&forked, None, None), (&open, Some(9), None)]),
        ),
        ("last-number", seed(i64::MAX, &[(&open, Some(i64::MAX), Some(i64::MIN))])),
    ]
}

/// Lines of an export.
fn imports() -> Vec<(&'static str, Vec<u8>)> {
    let session = Session {
        id: SessionId(7),
        meta: SessionMeta {
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            command: vec!["codex".into(), "exec".into()],
            context: Context {
                workspaces: vec![BString::from(&b"/home/u/w\xff"[..])],
                home: "/home/u".into(),
                uid: 1000,
                ..Context::default()
            },
            mode: event::Mode::Enforce,
            tier: event::Tier::Lsm,
            kernel: "6.12.0".into(),
            started_unix_ns: 1_790_000_000_000_000_000,
            started_boot_ns: 5,
        },
        summary: Some(Summary { exit_status: Some(0), score: Some(0.25), ..Summary::default() }),
        segments: vec![
            Segment { index: 0, task: "edit".parse().unwrap(), started_boot_ns: 5 },
            Segment { index: 1, task: "test".parse().unwrap(), started_boot_ns: 6_000_000_000 },
        ],
        complete: true,
    };
    let file = |path: &[u8]| File {
        path: path.into(),
        key: Some(FileKey { ino: 1 << 60, dev: 1, generation: 2 }),
        mode: 0o100_644,
        origin: Origin::Trusted,
    };
    let host = Host { name: "example.org".into(), origin: HostOrigin::Answered, shared: true };
    let address = Address { ip: [203, 0, 113, 7].into(), port: 443, protocol: 6, host: Some(host) };
    let objects = [
        (Op::Open, Object::File(file(b"/home/u/w/\\\n\xfe"))),
        (Op::Exec, Object::Exe(Exe { file: file(b"/bin/ls"), args: vec!["ls".into()], args_cut: true })),
        (Op::Connect, Object::Address(address)),
        (Op::Connect, Object::Unix(file(b"\0abstract"))),
        (Op::Socket, Object::Socket { family: 17, kind: 3 }),
        (Op::Signal, Object::Process { pid: 9, inside: true, detail: 15 }),
        (Op::IoUring, Object::Interface { first: u64::MAX, second: 0 }),
    ];
    let event = |(op, object): (Op, Object)| Event {
        time_ns: 5_000_000_000,
        segment: 1,
        pid: 4242,
        tid: 4243,
        second: Some(object.clone()),
        outcome: Outcome::Failed(13),
        decision: Some(Decision { stage: Stage::T1, means: Means::Fanotify, enforced: true, reason: 9 }),
        fork: Some(Fork { pid: 4300, tid: 4300 }),
        detail: 0o100,
        ..Event::of(op, Access::READ | Access::from_bits_retain(1 << 30), object)
    };
    let call = Syscall { time_ns: 6, tid: 4243, number: 257, compat: true, ret: i64::MIN };
    let loss = Loss { time_ns: 7, cpu: 1, kind: 2, count: 40 };
    let alert = Alert {
        time_ns: 8,
        segment: 1,
        stage: Stage::T2,
        verdict: "alert".into(),
        p: Some(1e-3),
        reasons: vec!["\u{7f}".into()],
    };
    let mut kinds: Vec<Line> =
        objects.into_iter().map(|object| Line::from(&Captured::Event(Box::new(event(object))))).collect();
    kinds.extend([
        Line::from(&Captured::Syscall(call)),
        Line::from(&Captured::Loss(loss)),
        Line::from(&alert),
    ]);
    let first = Line::session(&session, [(9, "because".to_owned())].into());
    let incomplete = Line::session(&Session { summary: None, complete: false, ..session }, [].into());
    let text = |lines: &[Line]| {
        let mut text = Vec::new();
        for line in lines {
            text.extend(serde_json::to_vec(line).unwrap());
            text.push(b'\n');
        }
        text
    };
    let all = [&[first.clone()][..], &kinds, &[incomplete.clone(), kinds[0].clone()]].concat();
    vec![("two-sessions", text(&all)), ("event", text(&kinds[..1])), ("empty-session", text(&[incomplete]))]
}

#[test]
fn every_seed_is_what_is_stored() {
    for (target, seeds) in [("chunk", chunks()), ("block", blocks()), ("import", imports())] {
        for (name, bytes) in seeds {
            if std::env::var_os("WARDLINE_WRITE_SEEDS").is_some() {
                std::fs::write(path(target, name), &bytes).unwrap();
            }
            let kept = std::fs::read(path(target, name)).unwrap();
            assert_eq!(kept, bytes, "{target}/{name}: write the seeds anew");
        }
    }
}
