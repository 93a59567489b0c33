//! Seeds of the fuzz targets of blobs, in the shape that these read.

use crate::chunk;
use crate::operation::Block;
use event::{Access, Decision, Event, Fork, Means, Object, Op, Outcome, Stage, Syscall};
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
        segment: 0,
        pid: 4242,
        tid: 4243,
        op: Op::Open,
        access: Access::READ,
        object: Object::None,
        second: None,
        outcome: Outcome::Done(3),
        decision: None,
        fork: None,
        detail: 0o100,
    };
    let refused = Event {
        outcome: Outcome::Failed(1),
        decision: Some(Decision { stage: Stage::T1, means: Means::Lsm, refused: true, reason: 9 }),
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

#[test]
fn every_seed_is_what_is_stored() {
    for (target, seeds) in [("chunk", chunks()), ("block", blocks())] {
        for (name, bytes) in seeds {
            if std::env::var_os("WARDLINE_WRITE_SEEDS").is_some() {
                std::fs::write(path(target, name), &bytes).unwrap();
            }
            let kept = std::fs::read(path(target, name)).unwrap();
            assert_eq!(kept, bytes, "{target}/{name}: write the seeds anew");
        }
    }
}
