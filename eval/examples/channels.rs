//! Which channels speak up in clean sessions: each is held out once, scored by a baseline of the others, and its lowest
//! p of every channel printed. `cargo run --release -p eval --example channels -- SESSIONS.DB...`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for whoever works on the models")]

use models::train::{self, Corpus, Item};
use models::{Baseline, Scorer, Thresholds, Verdict};
use profiler::Reading;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use store::Reader;

enum Record {
    Step(Box<event::Step>),
    Syscall(u32, u32, i64),
    Loss(u64),
}

struct Recorded {
    id: i64,
    workspace: u64,
    records: Vec<Record>,
}

struct Sessions<'s>(Vec<&'s Recorded>);

impl Corpus for Sessions<'_> {
    type Error = Infallible;
    fn len(&self) -> usize {
        self.0.len()
    }
    fn workspace(&self, session: usize) -> u64 {
        self.0[session].workspace
    }
    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> Result<(), Infallible> {
        for record in &self.0[session].records {
            sink(match record {
                Record::Step(step) => Item::Step(step),
                Record::Syscall(tid, number, ret) => Item::Syscall { tid: *tid, number: *number, ret: *ret },
                Record::Loss(count) => Item::Loss(*count),
            });
        }
        Ok(())
    }
}

/// Prints what a session scores; returns its alerts.
fn score(label: &str, session: &Recorded, baseline: Arc<Baseline>) -> u32 {
    let mut scorer = Scorer::new(baseline);
    let (mut alerts, mut alerting, mut strongest) = (0, false, Verdict::Allow);
    let mut lowest: Vec<(String, f64, f64)> = Vec::new();
    let (mut actions, mut crossed, mut removed) = (0, None, 0);
    for record in &session.records {
        match record {
            Record::Step(step) => {
                actions += u32::from(step.action);
                removed += u32::from(step.token.op() == Some(event::Op::Unlink));
                let Some(score) = scorer.push(step) else { continue };
                let verdict = Thresholds::default().verdict(&score);
                for channel in &score.channels {
                    match lowest.iter_mut().find(|l| l.0 == channel.name) {
                        Some(l) if l.2 > channel.p => *l = (channel.name.clone(), channel.value, channel.p),
                        Some(_) => {}
                        None => lowest.push((channel.name.clone(), channel.value, channel.p)),
                    }
                }
                if verdict > Verdict::Alert && crossed.is_none() {
                    crossed = Some((actions, removed, verdict));
                }
                if verdict == Verdict::Allow {
                    alerting = false;
                } else if !alerting || verdict > strongest {
                    alerting = true;
                    alerts += 1;
                }
                strongest = strongest.max(verdict);
            }
            Record::Syscall(tid, number, ret) => scorer.push_syscall(*tid, *number, *ret),
            Record::Loss(count) => scorer.note_loss(*count),
        }
    }
    lowest.sort_by(|a, b| a.2.total_cmp(&b.2));
    let words: Vec<String> =
        lowest.iter().take(4).map(|(name, value, p)| format!("{name} {value:.2} p={p:.4}")).collect();
    println!(
        "{label} #{} actions {actions} alerts {alerts} acted {crossed:?} | {} | {:?}",
        session.id,
        words.join(", "),
        scorer.channels().tally().sample()
    );
    alerts
}

fn main() {
    let mut alerts = 0;
    for path in std::env::args().skip(1) {
        let reader = Reader::open(&path).unwrap();
        for task in ["summarize", "edit"] {
            let mut clean = Vec::new();
            let mut led_astray = Vec::new();
            for session in reader.sessions().unwrap().iter().filter(|session| session.meta.task == task) {
                let mut recorded =
                    Recorded { id: session.id.0, workspace: session.id.0 as u64, records: vec![] };
                profiler::replay(&reader, session, &mut |_, reading| {
                    recorded.records.push(match reading {
                        Reading::Step(step) => Record::Step(Box::new(step.clone())),
                        Reading::Syscall(call) => Record::Syscall(call.tid, call.number, call.ret),
                        Reading::Loss(count) => Record::Loss(count),
                    });
                    ControlFlow::Continue(())
                })
                .unwrap();
                // The demo's: twelve of each task, then one more of each, then three attacks.
                if session.id.0 <= 26 { clean.push(recorded) } else { led_astray.push(recorded) }
            }
            let train = |sessions: Vec<&Recorded>| {
                Arc::new(train::train(&Sessions(sessions), train::Options::default(), &mut |_| {}).unwrap())
            };
            let step = std::env::var("STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
            for held_out in (0..clean.len()).rev().step_by(step) {
                let others = clean.iter().enumerate().filter(|(at, _)| *at != held_out).map(|(_, s)| s);
                alerts += score(&format!("clean {task}"), &clean[held_out], train(others.collect()));
            }
            let baseline = train(clean.iter().take(12).collect());
            for session in &led_astray {
                score(&format!("ATTACK {task}"), session, Arc::clone(&baseline));
            }
        }
    }
    println!("alerts in clean sessions: {alerts}");
}
