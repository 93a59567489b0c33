//! Recorded sessions are scored as they would have been live.

use eval::{SessionScore, replay, summarise};
use fixtures::recording::{Kind, Recording};
use models::{Thresholds, Verdict};
use profiler::{Filter, Options, train};
use std::sync::Arc;
use store::Reader;

#[test]
fn a_session_like_those_trained_on_raises_nothing_and_another_tasks_is_denied_its_writes() {
    let mut recording = Recording::new();
    for n in 0..8 {
        recording.session("codex", &["summarize"], Kind::Clean, n);
    }
    let held_out = recording.session("codex", &["other"], Kind::Clean, 20);
    let edit = recording.session("codex", &["edit"], Kind::Clean, 21);
    let proxy = recording.session("codex", &["proxy"], Kind::Clean, 22);
    let reader = Reader::open(recording.path()).unwrap();
    let filter = Filter { task: Some("summarize".parse().unwrap()), ..Filter::default() };
    let baseline =
        train(&reader, &filter, Options::default(), &mut |_, _, _| {}).unwrap().trained.remove(0).baseline;
    let baseline = Arc::new(baseline);
    let scores: Vec<SessionScore> = reader
        .sessions()
        .unwrap()
        .iter()
        .map(|session| replay(&reader, session, &baseline, Thresholds::default(), None).unwrap())
        .collect();
    let of = |id: i64| scores.iter().find(|score| score.session == id).unwrap();
    assert!(of(1).trained_on && !of(held_out).trained_on);
    assert_eq!(of(held_out).denied_places, []);
    assert!(of(held_out).peak.as_ref().is_some_and(|peak| peak.verdict == Verdict::Allow));
    assert_eq!(of(proxy).denied_places, [], "this machine's own network is open to every session");
    let denied = &of(edit).denied_places;
    assert!(
        denied
            .iter()
            .all(|(reach, path, _)| *reach == event::Reach::Write && path.starts_with("$home/lib/src"))
    );
    // What it writes in the workspace is closed by nothing.
    assert!(of(edit).denied >= 12);
    let summary = summarise(&scores);
    assert_eq!((summary.sessions, summary.denied), (11, 1));
    let json = serde_json::to_string(of(edit)).unwrap();
    let read: SessionScore = serde_json::from_str(&json).unwrap();
    assert_eq!((read.session, read.denied), (edit, of(edit).denied));
}
