//! The cost of the score: `cargo bench -p models`.
//!
//! Made-up sessions of an agent (`fixtures/src/synthetic.rs`) go through the score that guards, one after the other as one long
//! session. Beside it stands stide's look-up: whether the last six raw calls of a thread were ever seen, in a hash set.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has failed")]

use fixtures::synthetic::{Record, Session, Task, Turn, baseline, session};
use models::{Scorer, format};
use rustc_hash::{FxHashMap, FxHashSet};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts what is allocated.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the allocator's contract, and `pointer` is of the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Calls in a window of stide.
const WINDOW: usize = 6;

/// Sessions that teach.
const SESSIONS: u64 = 12;

/// Stretches of equal length that a long session is measured in.
const STRETCHES: usize = 4;

/// What was measured of a stretch.
#[derive(Default)]
struct Cost {
    time: Duration,
    count: u64,
    allocations: u64,
}

impl Cost {
    fn of(&mut self, count: u64, work: impl FnOnce()) {
        let allocations = ALLOCATIONS.load(Ordering::Relaxed);
        let begun = Instant::now();
        work();
        self.time += begun.elapsed();
        self.count += count;
        self.allocations += ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    }

    fn print(&self, what: &str) {
        let count = self.count.max(1) as f64;
        let (each, allocations) = (self.time.as_nanos() as f64 / count, self.allocations as f64 / count);
        println!("{what:<44} {:>9} {each:>9.0} ns {allocations:>9.3} allocations", self.count);
    }
}

fn main() {
    let learned = baseline(Task::Edit, SESSIONS, 1);
    let sessions: Vec<Session> = (0..400).map(|n| session(Task::Edit, Turn::Clean, 90_000 + n)).collect();
    println!("{:<44} {:>9} {:>12} {:>21}", "", "count", "each", "each");
    let mut scorer = Scorer::new(Arc::clone(&learned));
    let mut calls = Cost::default();
    for (stretch, sessions) in sessions.chunks(sessions.len() / STRETCHES).enumerate() {
        let mut events = Cost::default();
        for session in sessions {
            let steps = session.steps().count() as u64;
            events.of(steps, || session.steps().for_each(|step| _ = black_box(scorer.push(step))));
            let raw: Vec<(u32, u32, i64)> = raw(session).collect();
            calls.of(raw.len() as u64, || {
                raw.iter().for_each(|&(tid, number, ret)| scorer.push_syscall(tid, number, ret));
            });
        }
        events.print(&format!("an event, stretch {} of {STRETCHES} of a session", stretch + 1));
    }
    calls.print("a raw call");
    stide(&sessions).print("stide: a raw call, looked up in a hash set");
    let bytes = format::encode(&learned, &[7; 32], 1).unwrap();
    let begun = Instant::now();
    black_box(format::decode_foreign(&bytes).unwrap());
    println!(
        "a baseline of {SESSIONS} sessions: {} bytes, read in {:.1} ms",
        bytes.len(),
        begun.elapsed().as_secs_f64() * 1e3
    );
}

fn raw(session: &Session) -> impl Iterator<Item = (u32, u32, i64)> + '_ {
    session.records.iter().filter_map(|record| match record {
        Record::Syscall(tid, number, ret) => Some((*tid, *number, *ret)),
        Record::Step(_) => None,
    })
}

fn stide(sessions: &[Session]) -> Cost {
    let mut seen: FxHashSet<[u32; WINDOW]> = FxHashSet::default();
    let mut threads: FxHashMap<u32, [u32; WINDOW]> = FxHashMap::default();
    let mut slide = |tid: u32, number: u32| {
        let window = threads.entry(tid).or_default();
        window.rotate_left(1);
        window[WINDOW - 1] = number;
        *window
    };
    for (tid, number, _) in sessions.iter().flat_map(raw) {
        seen.insert(slide(tid, number));
    }
    let raw: Vec<(u32, u32, i64)> = sessions.iter().flat_map(raw).collect();
    let (mut cost, mut known) = (Cost::default(), 0u64);
    cost.of(raw.len() as u64, || {
        raw.iter().for_each(|&(tid, number, _)| known += u64::from(seen.contains(&slide(tid, number))));
    });
    black_box(known);
    cost
}
