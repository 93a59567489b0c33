//! Calibration by sessions that were kept apart for it.

mod synth;

use models::train::calibrate_on;
use synth::{Sessions, Task, Turn, baseline, session};

fn clean(seeds: std::ops::Range<u64>) -> Sessions {
    Sessions(seeds.map(|seed| session(Task::Edit, Turn::Clean, seed)).collect())
}

#[test]
fn sessions_kept_apart_set_the_scale_and_keep_what_they_promise() {
    let mut learned = (*baseline(Task::Edit, 12, 1)).clone();
    let calibration = calibrate_on(&learned, &clean(50_000..50_099)).unwrap();
    assert_eq!(calibration.sessions, 99);
    assert_eq!(calibration.scales.len(), learned.calibration.scales.len());
    assert!(calibration.smallest_provable() < learned.smallest_provable() / 4.0);
    learned.calibration = calibration;
    let learned = std::sync::Arc::new(learned);
    let fresh = clean(60_000..60_200);
    let lowest = |session: &synth::Session| {
        session.scores(&learned).iter().fold(1.0, |least: f64, (_, score)| score.p.min(least))
    };
    let below = |target: f64| fresh.0.iter().filter(|session| lowest(session) <= target).count();
    // Of 200, a fifth may come to 0.2 and a tenth to 0.1.
    assert!(below(0.2) <= 40 && below(0.1) <= 20, "{} {}", below(0.2), below(0.1));
}
