//! The input: a recorded session, or a synthetic one.
#![expect(clippy::cast_possible_truncation, reason = "a bench's numbers are small")]
#![expect(clippy::indexing_slicing, reason = "a place that is not there ends the bench")]

use event::{Access, Captured, Event, File, FileKey, Object, Op, Origin, Outcome, Syscall};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use store::Reader;

/// Distinct files of a made-up session: what one agent turn opens.
const FILES: u64 = 13_000;

/// What is stored.
pub struct Input {
    pub operations: Vec<Captured>,
    pub calls: Vec<Captured>,
    /// The number of each operation's object.
    pub objects: Vec<i64>,
}

impl Input {
    /// The last session of a store.
    pub fn recorded(path: &Path) -> Input {
        let reader = Reader::open(path).expect("a store");
        let id = reader.sessions().expect("sessions").last().expect("a session").id;
        let (mut operations, mut calls) = (Vec::new(), Vec::new());
        reader
            .events(id, &mut |captured| {
                match captured {
                    Captured::Event(_) => operations.push(captured),
                    Captured::Syscall(_) => calls.push(captured),
                    Captured::Loss(_) => {}
                }
                ControlFlow::Continue(())
            })
            .expect("events");
        Input::new(operations, calls)
    }

    pub fn made_up() -> Input {
        let operations = (0..100_000).map(|n| operation(n, scatter(n) % FILES));
        Input::new(operations.collect(), (0..100_000).map(call).collect())
    }

    fn new(operations: Vec<Captured>, calls: Vec<Captured>) -> Input {
        let mut numbers = HashMap::new();
        let objects = operations.iter().map(|captured| {
            let Captured::Event(event) = captured else { unreachable!("only events are operations") };
            let next = numbers.len() as i64;
            *numbers.entry(event.object.clone()).or_insert(next)
        });
        let objects = objects.collect();
        Input { operations, calls, objects }
    }

    /// The same rows again and again, one time after the other, until there are so many of each.
    pub fn repeated(&self, rows: usize) -> Input {
        let all = self.operations.iter().chain(&self.calls).map(time_ns);
        let (first, last) = all.fold((u64::MAX, 0), |(first, last), time| (first.min(time), last.max(time)));
        let span = (last + 1).saturating_sub(first);
        let again = |once: &[Captured]| -> Vec<Captured> {
            (0..rows).map(|n| later(&once[n % once.len()], span * (n / once.len()) as u64)).collect()
        };
        let objects = self.objects.iter().copied().cycle().take(rows).collect();
        Input { operations: again(&self.operations), calls: again(&self.calls), objects }
    }
}

fn time_ns(captured: &Captured) -> u64 {
    match captured {
        Captured::Event(event) => event.time_ns,
        Captured::Syscall(call) => call.time_ns,
        Captured::Loss(loss) => loss.time_ns,
    }
}

fn later(captured: &Captured, by_ns: u64) -> Captured {
    let mut captured = captured.clone();
    match &mut captured {
        Captured::Event(event) => event.time_ns += by_ns,
        Captured::Syscall(call) => call.time_ns += by_ns,
        Captured::Loss(loss) => loss.time_ns += by_ns,
    }
    captured
}

/// Opens of files of which none was there before.
pub fn new_files(rows: usize) -> Vec<Captured> {
    (0..rows as u64).map(|n| operation(n, n)).collect()
}

/// A number that looks drawn by chance (splitmix64).
fn scatter(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 31)
}

fn time(n: u64) -> u64 {
    5_000_000_000_000 + n * 3_300
}

/// An open of one of the files; their paths have 55 bytes.
fn operation(n: u64, file: u64) -> Captured {
    let path = format!("/home/user/projects/app/node_modules/module/{:07}/a.js", file);
    Captured::Event(Box::new(Event {
        time_ns: time(n),
        pid: 4242,
        tid: 4242 + n as u32 % 64,
        outcome: Outcome::Done(3),
        detail: 0o100_0000,
        ..Event::of(
            Op::Open,
            Access::READ,
            Object::File(File {
                path: path.into(),
                key: Some(FileKey { ino: 1_000_000 + file, dev: 0x80_0002, generation: 7 }),
                mode: 0o100_644,
                origin: Origin::Trusted,
            }),
        )
    }))
}

fn call(n: u64) -> Captured {
    let (number, ret) = (scatter(n) as u32 % 300, scatter(n + 1) as i64 % 4096);
    Captured::Syscall(Syscall { time_ns: time(n), tid: 4242 + n as u32 % 64, number, compat: false, ret })
}
