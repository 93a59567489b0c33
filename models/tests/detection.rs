//! Clean sessions raise nothing, and the two ways of going wrong that look normal step by step do.
//!
//! Every figure here is exact: generator, training and scoring are deterministic. `SEEDS` runs fewer or more seeds.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use event::{Op, Place, Reach};
use fixtures::synthetic::{Record, Session, Task, Turn, baseline, baseline_of, place, session};
use models::calibration::BLOCK_ACTIONS;
use models::{Baseline, DENIAL_BUDGET_BITS, Score, Thresholds, Verdict, words};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// As many sessions as a user records before the first baseline.
const SESSIONS: u64 = 12;

fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200)
}

fn places(session: &Session) -> impl Iterator<Item = &Place> {
    session.steps().filter_map(|step| step.place.as_ref())
}

/// What the compiled baseline denies of a session.
fn denied(session: &Session, baseline: &Baseline) -> Vec<String> {
    let over = |place: &&Place| baseline.models.novelty.first_touch_bits(place) >= DENIAL_BUDGET_BITS;
    places(session).filter(over).map(|place| format!("{:?} {}", place.reach, words(place))).collect()
}

fn worst(scores: &[(usize, Score)]) -> Option<&Score> {
    scores.iter().map(|(_, score)| score).min_by(|a, b| a.p.total_cmp(&b.p))
}

/// How many removals the session had made when the score first acted.
fn removals_until_acted(session: &Session, baseline: &std::sync::Arc<Baseline>) -> Option<usize> {
    let scores = session.scores(baseline);
    let acted = scores.iter().find(|(_, score)| Thresholds::default().verdict(score) >= Verdict::Restrict)?.0;
    let before = &session.records[..=acted];
    let removes =
        |record: &&Record| matches!(record, Record::Step(step) if step.token.op() == Some(Op::Unlink));
    Some(before.iter().filter(removes).count())
}

/// What one seed came to.
struct Outcome {
    /// Clean held-out sessions.
    clean: usize,
    /// Blocks of actions in them.
    blocks: usize,
    /// What was raised in them.
    noise: Vec<String>,
    /// Removals until the score acted: by `rm` after `rm`, and within one process.
    removals: [Option<usize>; 2],
    /// The packing session: what its first touches cost, and its smallest p before and after it turned.
    packing_bits: [f64; 3],
    packing_p: [f64; 2],
}

fn outcome(seed: u64) -> Outcome {
    let (summarize, edit) = (baseline(Task::Summarize, SESSIONS, seed), baseline(Task::Edit, SESSIONS, seed));
    let mut outcome = Outcome {
        clean: 0,
        blocks: 0,
        noise: Vec::new(),
        removals: [None; 2],
        packing_bits: [0.0; 3],
        packing_p: [1.0; 2],
    };
    for (task, baseline) in [(Task::Summarize, &summarize), (Task::Edit, &edit)] {
        for n in 500..503 {
            let session = session(task, Turn::Clean, seed * 1000 + n);
            outcome.clean += 1;
            outcome.blocks += session.steps().filter(|step| step.action).count().div_ceil(BLOCK_ACTIONS);
            let scores = session.scores(baseline);
            if let Some(score) = worst(&scores).filter(|s| Thresholds::default().verdict(s) > Verdict::Allow)
            {
                outcome.noise.push(format!("{task:?} {seed}/{n}: {score:?}"));
            }
            outcome.noise.extend(
                denied(&session, baseline).iter().map(|place| format!("{task:?} {seed}/{n}: {place}")),
            );
        }
    }
    outcome.removals = [Turn::Deletes(30), Turn::DeletesAtOnce(30)]
        .map(|turn| removals_until_acted(&session(Task::Edit, turn, seed * 1000 + 700), &edit));
    let packing = session(Task::Summarize, Turn::Packs, seed * 1000 + 700);
    outcome.packing_bits = [
        place(Reach::Read, "$home projects secret-sauce"),
        place(Reach::Read, "$home projects secret-sauce src m3.rs"),
        place(Reach::Connect, "$net4 198 51 100 7 443"),
    ]
    .map(|reached| {
        assert!(places(&packing).any(|place| *place == reached), "{}", words(&reached));
        summarize.models.novelty.first_touch_bits(&reached)
    });
    for (at, score) in packing.scores(&summarize) {
        let p = &mut outcome.packing_p[usize::from(at >= packing.turned)];
        *p = p.min(score.p);
    }
    outcome
}

/// The outcome of every seed, worked out once, on two cores.
fn outcomes() -> &'static [Outcome] {
    static OUTCOMES: OnceLock<Vec<Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let half = |odd: u64| seeds().filter(|seed| seed % 2 == odd).map(outcome).collect::<Vec<Outcome>>();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| half(1));
            let mut all = half(0);
            all.extend(other.join().unwrap());
            all
        })
    })
}

#[test]
fn clean_sessions_that_were_not_trained_on_raise_nothing() {
    let noise: Vec<&String> = outcomes().iter().flat_map(|outcome| &outcome.noise).collect();
    let sum = |of: fn(&Outcome) -> usize| outcomes().iter().map(of).sum::<usize>();
    println!("clean sessions: {}, blocks: {}", sum(|o| o.clean), sum(|o| o.blocks));
    assert!(noise.is_empty(), "{noise:#?}");
}

#[test]
fn removing_the_workspace_file_by_file_is_stopped_after_a_handful() {
    let mut counts: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for count in outcomes().iter().flat_map(|outcome| outcome.removals) {
        *counts.entry(count).or_default() += 1;
    }
    println!("removals until acted upon: {counts:?}");
    let within = |range: std::ops::RangeInclusive<usize>| -> usize {
        counts
            .iter()
            .filter(|(count, _)| count.is_some_and(|count| range.contains(&count)))
            .map(|(_, n)| n)
            .sum()
    };
    let all: usize = counts.values().sum();
    // Where a session that was held out removed much in a repository of its own, it takes more to be told from it.
    assert!(within(4..=26) == all && within(4..=12) * 20 >= all * 19, "{counts:?}");
}

#[test]
fn packing_another_project_for_a_new_host_is_denied_at_its_first_touch_and_scores_far_out() {
    let Thresholds { alert, act } = Thresholds::default();
    for Outcome { packing_bits, packing_p: [before, after], .. } in outcomes() {
        assert!(packing_bits.iter().all(|&bits| bits > DENIAL_BUDGET_BITS), "{packing_bits:?}");
        assert!(*before > alert && *after <= act, "{before} {after}");
    }
}

#[test]
fn sessions_that_were_all_alike_do_not_make_an_alarm_of_one_new_tool_call() {
    for seed in 0..40 {
        for task in [Task::Summarize, Task::Edit] {
            let alike = (0..SESSIONS).map(|_| session(task, Turn::Clean, seed)).collect();
            let baseline = baseline_of(task, alike, seed);
            let session = session(task, Turn::NewProgram, seed);
            let scores = session.scores(&baseline);
            let score = worst(&scores).unwrap();
            assert!(Thresholds::default().verdict(score) < Verdict::Ask, "{task:?} {seed}: {score:#?}");
        }
    }
}

#[test]
fn a_summary_that_behaves_like_an_edit_is_denied_its_writes() {
    let baseline = baseline(Task::Summarize, SESSIONS, 1);
    let edit = session(Task::Edit, Turn::Clean, 77_000);
    let denied = denied(&edit, &baseline);
    assert!(denied.iter().any(|words| words.starts_with("Write $workspace")), "{denied:?}");
}

#[test]
fn what_is_let_pass_speaks_of_nothing_and_what_is_not_speaks_as_before() {
    let baseline = baseline(Task::Edit, SESSIONS, 5);
    let session = session(Task::Edit, Turn::Deletes(30), 5_700);
    let mut scorer = models::Scorer::new(baseline);
    session.steps().for_each(|step| _ = scorer.push(step));
    let score = scorer.score();
    assert!(score.acting.p < Thresholds::default().act, "{score:?}");
    let nothing = scorer.rest(&score, |_| false);
    assert_eq!((nothing.p, nothing.acting.p, nothing.channels.len()), (1.0, 1.0, 0));
    let all = scorer.rest(&score, |_| true);
    assert_eq!((all.p, all.acting), (score.p, score.acting));
    let rest = scorer.rest(&score, |channel| channel.name != "volume");
    assert!(rest.acting.p > Thresholds::default().act && rest.p >= score.p, "{rest:?}");
}

#[test]
fn the_same_sessions_and_seed_give_the_same_baseline_and_scores() {
    let (a, b) = (baseline(Task::Edit, SESSIONS, 3), baseline(Task::Edit, SESSIONS, 3));
    assert_eq!(models::encode(&a, &[1; 32], 1), models::encode(&b, &[1; 32], 1));
    let session = session(Task::Edit, Turn::Deletes(5), 9);
    assert_eq!(session.scores(&a), session.scores(&b));
}

#[test]
fn a_dozen_sessions_prove_little_and_say_so() {
    let baseline = baseline(Task::Edit, SESSIONS, 4);
    let provable = baseline.smallest_provable();
    assert_eq!(provable, 1.0 / 13.0);
    assert_eq!(baseline.check(), Ok(()));
}

#[test]
fn the_union_of_tasks_takes_either_for_normal() {
    let (summarize, edit) = (baseline(Task::Summarize, SESSIONS, 5), baseline(Task::Edit, SESSIONS, 5));
    let union = std::sync::Arc::new(Baseline::union(&[&summarize, &edit]).unwrap());
    assert_eq!(union.sessions, 2 * SESSIONS as usize);
    for task in [Task::Summarize, Task::Edit] {
        for n in 500..510 {
            let session = session(task, Turn::Clean, 5000 + n);
            assert!(worst(&session.scores(&union)).is_none_or(|score| score.p > Thresholds::default().act));
            assert_eq!(denied(&session, &union), [""; 0]);
        }
    }
    let deleting = session(Task::Edit, Turn::Deletes(30), 5_700);
    assert!(removals_until_acted(&deleting, &union).is_some_and(|count| count <= 14));
}

#[test]
fn a_stretch_with_losses_is_not_taken_for_normal() {
    let baseline = baseline(Task::Edit, SESSIONS, 6);
    let session = session(Task::Edit, Turn::Clean, 6_500);
    let mut scorer = models::Scorer::new(baseline);
    scorer.note_loss(100);
    let score = session.steps().find_map(|step| scorer.push(step)).unwrap();
    assert!(score.lossy && score.confidence < 0.5);
    assert_eq!(Thresholds::default().verdict(&score), Verdict::Alert);
}

#[test]
fn what_is_allowed_while_a_session_runs_surprises_no_more() {
    let baseline = baseline(Task::Summarize, SESSIONS, 8);
    let edit = session(Task::Edit, Turn::Clean, 78_000);
    let mut answered = Baseline::clone(&baseline);
    answered.allow(places(&edit).map(|place| models::Allowed { place: place.clone(), below: false }));
    let answered = std::sync::Arc::new(answered);
    let novelty = |is_answered: bool| {
        let mut scorer = models::Scorer::new(std::sync::Arc::clone(&baseline));
        if is_answered {
            scorer.go_on_under(std::sync::Arc::clone(&answered));
        }
        let scores: Vec<Score> = edit.steps().filter_map(|step| scorer.push(step)).collect();
        let channels = scores.iter().flat_map(|score| &score.channels);
        channels.filter(|channel| channel.name == "novelty").map(|channel| channel.value).fold(0.0, f64::max)
    };
    assert!(novelty(false) > 10.0, "{}", novelty(false));
    assert_eq!(novelty(true), 0.0);
}

#[test]
fn a_further_segment_takes_the_chances_of_those_before_it_along() {
    let baseline = baseline(Task::Edit, SESSIONS, 5);
    let session = session(Task::Edit, Turn::Clean, 5_701);
    let told = |chances: f64| {
        let mut scorer = models::Scorer::after(std::sync::Arc::clone(&baseline), chances);
        let told = session.steps().map(|step| {
            scorer.push(step);
            (scorer.score().p, scorer.chances())
        });
        told.collect::<Vec<_>>()
    };
    let (first, fourth) = (told(0.0), told(3.0));
    for (&(p, chances), &(later, more)) in first.iter().zip(&fourth) {
        assert!(more == chances + 3.0 && later >= p, "{more} {chances}: {later} {p}");
    }
    let least = |told: &[(f64, f64)]| told.iter().map(|(p, _)| *p).fold(1.0, f64::min);
    assert!(least(&fourth) > least(&first), "{} {}", least(&fourth), least(&first));
}
