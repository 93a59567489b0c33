//! From recorded sessions in a store to baselines.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use fixtures::recording::{Kind, Recording};
use models::encode;
use profiler::{Answer, Error, Filter, Kept, Library, Options, Report, Says, train};
use store::Reader;

fn report(recording: &Recording, filter: &Filter) -> Result<Report, Error> {
    train(
        &Reader::open(recording.path()).unwrap(),
        filter,
        Options { seed: 1, now_unix_ns: 5 },
        &mut |_, _, _| {},
    )
}

#[test]
fn every_task_with_enough_sessions_gets_a_baseline_and_the_others_a_reason() {
    let mut recording = Recording::new();
    for n in 0..6 {
        recording.session("codex", &["edit"], Kind::Clean, n);
        recording.session("codex", &["summarize"], Kind::Clean, 100 + n);
    }
    recording.session("codex", &["install"], Kind::Clean, 200);
    let report = report(&recording, &Filter::default()).unwrap();
    let trained: Vec<(String, usize)> = report
        .trained
        .iter()
        .map(|trained| (trained.baseline.task.to_string(), trained.used.len()))
        .collect();
    assert_eq!(trained, [("edit".to_owned(), 6), ("summarize".to_owned(), 6)]);
    assert_eq!(report.refused.len(), 1);
    let why = report.refused[0].error.to_string();
    assert!(why.contains("1 usable sessions of codex for `install`") && why.contains("needs 3"), "{why}");
    let baseline = &report.trained[0].baseline;
    assert_eq!((baseline.trained_at_unix_ns, baseline.tier), (5, event::Tier::Lsm));
    assert!(baseline.tokens > 100 && baseline.syscalls > 100);
    assert!(report.trained[0].smallest_provable <= 1.0);
}

#[test]
fn sessions_that_cannot_be_believed_are_left_out_with_the_reason() {
    let mut recording = Recording::new();
    for n in 0..4 {
        recording.session("codex", &["edit"], Kind::Clean, n);
    }
    let astray = recording.session("codex", &["edit"], Kind::MetT0, 50);
    let lossy = recording.session("codex", &["edit"], Kind::Lossy, 51);
    let alerted = recording.session("codex", &["edit"], Kind::Alerted, 52);
    let cut = recording.session("codex", &["edit"], Kind::Incomplete, 53);
    let report =
        report(&recording, &Filter { task: Some("edit".parse().unwrap()), ..Filter::default() }).unwrap();
    let trained = &report.trained[0];
    assert_eq!(trained.used.len(), 4);
    let why: Vec<(i64, &str)> = trained.left_out.iter().map(|(id, why)| (*id, why.as_str())).collect();
    for (id, word) in [(astray, "static deny-list"), (lossy, "lost"), (alerted, "alert"), (cut, "incomplete")]
    {
        assert!(why.iter().any(|(of, why)| *of == id && why.contains(word)), "{word}: {why:?}");
    }
    assert_eq!(trained.baseline.provenance.left_out, trained.left_out);
}

#[test]
fn sessions_that_are_set_aside_calibrate_and_teach_nothing() {
    let mut recording = Recording::new();
    let mut sessions =
        |count: u64| (0..count).map(|n| recording.session("codex", &["edit"], Kind::Clean, n)).collect();
    let (taught, aside): (Vec<i64>, Vec<i64>) = (sessions(6), sessions(3));
    let of = |calibrate: &[i64]| {
        let filter = Filter { sessions: taught.clone(), calibrate: calibrate.to_vec(), ..Filter::default() };
        report(&recording, &filter).unwrap().trained.remove(0)
    };
    let (alone, with) = (of(&[]), of(&aside));
    assert_eq!((&with.used, &with.calibrated), (&taught, &aside));
    assert_eq!(with.baseline.models, alone.baseline.models);
    assert_eq!(with.baseline.calibration.sessions(), alone.baseline.calibration.sessions() + 3);
    assert!(with.smallest_provable < alone.smallest_provable);
    let too_few = of(&aside[..2]);
    assert_eq!((too_few.calibrated.len(), too_few.left_out.len()), (0, 2));
    assert!(too_few.left_out[0].1.contains("takes 3 sessions"), "{:?}", too_few.left_out);
    assert_eq!(too_few.baseline, alone.baseline);
    // A session is for one thing: what calibrates does not teach, also where everything else does.
    let filter = Filter { calibrate: aside.clone(), ..Filter::default() };
    assert_eq!(report(&recording, &filter).unwrap().trained[0].used, taught);
}

#[test]
fn a_session_that_changed_its_task_teaches_each_task_its_part() {
    let mut recording = Recording::new();
    for n in 0..4 {
        recording.session("codex", &["summarize", "edit"], Kind::Clean, n);
    }
    let report = report(&recording, &Filter::default()).unwrap();
    assert_eq!(report.trained.len(), 2);
    let [edit, summarize] = [&report.trained[0].baseline, &report.trained[1].baseline];
    assert_eq!([&edit.task, &summarize.task].map(ToString::to_string), ["edit", "summarize"]);
    let writes = |baseline: &models::Baseline| {
        baseline.models.novelty.is_open(event::Reach::Write, &[bstr::BStr::new("$workspace")])
    };
    assert!(writes(edit) && !writes(summarize));
}

#[test]
fn a_baseline_leans_on_the_other_tasks_of_its_agent_and_on_no_other_agents() {
    let mut recording = Recording::new();
    for n in 0..3 {
        recording.session("codex", &["edit"], Kind::Clean, n);
        recording.session("codex", &["summarize"], Kind::Clean, 100 + n);
        recording.session("opencode", &["edit"], Kind::Clean, 200 + n);
    }
    let leans_on = |filter: &Filter| -> Vec<(String, Option<u64>)> {
        let tokens = |baseline: &models::Baseline| {
            baseline.models.background.as_ref().map(|background| background.tokens.observations())
        };
        let report = report(&recording, filter).unwrap();
        let of = |trained: &profiler::Trained| {
            (format!("{}/{}", trained.baseline.agent, trained.baseline.task), tokens(&trained.baseline))
        };
        report.trained.iter().map(of).collect()
    };
    let all = leans_on(&Filter::default());
    let taught = |name: &str| {
        let report = report(&recording, &Filter::default()).unwrap();
        let of = |trained: &&profiler::Trained| trained.baseline.task.to_string() == name;
        report.trained.iter().find(of).map(|trained| trained.baseline.tokens)
    };
    let expected = [
        ("codex/edit".to_owned(), taught("summarize")),
        ("codex/summarize".to_owned(), taught("edit")),
        ("opencode/edit".to_owned(), None),
    ];
    assert_eq!(all, expected);
    let one = leans_on(&Filter { task: Some("edit".parse().unwrap()), ..Filter::default() });
    assert_eq!(one, [expected[0].clone(), expected[2].clone()], "also when only one task is trained");
}

#[test]
fn nothing_to_train_on_is_an_error_that_says_what_to_do() {
    let mut recording = Recording::new();
    recording.session("codex", &["edit"], Kind::Clean, 1);
    let filter = Filter { agent: Some("claude-code".parse().unwrap()), ..Filter::default() };
    let error = report(&recording, &filter).unwrap_err().to_string();
    assert!(error.contains("claude-code") && error.contains("wardline record"), "{error}");
}

#[test]
fn a_trained_baseline_comes_back_from_the_library_unchanged_and_training_is_deterministic() {
    let mut recording = Recording::new();
    for n in 0..5 {
        recording.session("codex", &["edit"], Kind::Clean, n);
    }
    let [a, b] = [0, 1].map(|_| report(&recording, &Filter::default()).unwrap().trained.remove(0).baseline);
    assert_eq!(a, b);
    let directory = tempfile::tempdir().unwrap();
    let library = Library::new(directory.path());
    library.save(&a).unwrap();
    assert_eq!(library.load(&a.agent, &a.task).unwrap(), a);
}

#[test]
fn an_update_makes_what_training_on_everything_makes_and_leaves_the_rest() {
    let mut recording = Recording::new();
    for n in 0..4 {
        recording.session("codex", &["edit"], Kind::Clean, n);
        recording.session("codex", &["summarize"], Kind::Clean, 100 + n);
        recording.session("aider", &["edit"], Kind::Clean, 200 + n);
    }
    let directory = tempfile::tempdir().unwrap();
    let library = Library::new(directory.path());
    for trained in report(&recording, &Filter::default()).unwrap().trained {
        library.save(&trained.baseline).unwrap();
    }
    let update = |recording: &Recording| {
        let known = library.known().unwrap();
        report(recording, &Filter { known, update: true, ..Filter::default() }).unwrap()
    };
    let made = |report: &Report| -> Vec<String> {
        report.trained.iter().map(|made| format!("{}/{}", made.baseline.agent, made.baseline.task)).collect()
    };
    let kept = |agent: &str, task: &str, gone| Kept {
        agent: agent.parse().unwrap(),
        task: task.parse().unwrap(),
        gone,
    };
    let nothing = update(&recording);
    assert_eq!(made(&nothing), <[&str; 0]>::default());
    assert_eq!(
        nothing.kept,
        [kept("aider", "edit", 0), kept("codex", "edit", 0), kept("codex", "summarize", 0)]
    );
    // A further session changes its own baseline and the one that leans on it.
    recording.session("codex", &["edit"], Kind::Clean, 9);
    recording.session("aider", &["edit"], Kind::MetT0, 300);
    let updated = update(&recording);
    assert_eq!(made(&updated), ["codex/edit", "codex/summarize"]);
    assert_eq!(updated.kept, [kept("aider", "edit", 0)]);
    let all = report(&recording, &Filter::default()).unwrap();
    for (updated, afresh) in updated.trained.iter().zip(&all.trained[1..]) {
        let bytes = [updated, afresh].map(|made| encode(&made.baseline, &[7; 32], 1).unwrap());
        assert!(bytes[0] == bytes[1], "{}", afresh.baseline.task);
    }
    assert_eq!((updated.trained[0].used.len(), updated.trained[1].used.len()), (5, 4));
    // So does what was answered since.
    let newer = Answer { said_unix_ns: 6, ..answer("aider", "x") };
    let known = library.known().unwrap();
    let answered = Filter { known: known.clone(), answers: vec![newer], update: true, ..Filter::default() };
    assert!(made(&report(&recording, &answered).unwrap()).contains(&"aider/edit".to_owned()));
    // What only a baseline remembers is not taken from it.
    let mut known = known;
    known[1].used.insert(99);
    let filter = Filter { known, update: true, ..Filter::default() };
    let gone = report(&recording, &filter).unwrap();
    assert_eq!(gone.kept, [kept("aider", "edit", 0), kept("codex", "edit", 1)]);
    assert_eq!(made(&gone), ["codex/summarize"]);
    // Unless something was taken back, which it may have been taught by.
    let forgotten = Answer { taken_back_unix_ns: Some(6), ..answer("codex", "x") };
    let forgot = report(&recording, &Filter { answers: vec![forgotten], ..filter }).unwrap();
    assert_eq!(forgot.kept, [kept("aider", "edit", 0)]);
    assert_eq!(made(&forgot), ["codex/edit", "codex/summarize"]);
}

/// That something below the home may be made and changed, said before anything is trained.
fn answer(agent: &str, name: &str) -> Answer {
    let components = ["$home".into(), name.into()];
    let place = |reach| event::Place { reach, components: components.clone().into() };
    let allowed = |reach| models::Allowed { place: place(reach), below: false };
    Answer {
        number: 1,
        agent: agent.parse().unwrap(),
        session: 1,
        said_unix_ns: 1,
        about: format!("open ~/{name}"),
        says: Says::Always,
        places: [event::Reach::Create, event::Reach::Write].map(allowed).into(),
        taken_back_unix_ns: None,
    }
}

#[test]
fn what_was_taken_back_is_taught_no_more_and_what_was_recorded_is() {
    let opens = |recorded: usize, answer: &Answer| {
        let mut recording = Recording::new();
        for n in 0..4 {
            recording.session("codex", &["edit"], Kind::Clean, n);
            recording.guarded("codex", "edit", "/home/u/.toolrc", 10 + n);
        }
        for n in 0..recorded as u64 {
            recording.changed("codex", "edit", "/home/u/.toolrc", 20 + n);
        }
        let filter = Filter { answers: vec![answer.clone()], ..Filter::default() };
        let made = report(&recording, &filter).unwrap().trained.remove(0);
        assert_eq!(made.used.len(), 8 + recorded, "the rest of those sessions teaches");
        let names = ["$home", ".toolrc"].map(|name| name.into());
        let place = event::Place { reach: event::Reach::Write, components: names.into() };
        made.baseline.models.novelty.first_touch_bits(&place) < models::DENIAL_BUDGET_BITS
    };
    let allowed = answer("codex", ".toolrc");
    let forgotten = Answer { taken_back_unix_ns: Some(3), ..allowed.clone() };
    assert!(opens(0, &allowed), "what was allowed and done is learned");
    assert!(!opens(0, &forgotten));
    assert!(opens(2, &forgotten), "two recordings of it say that it is normal");
    assert!(opens(0, &Answer { agent: "aider".parse().unwrap(), ..forgotten }), "another agent's");
}

#[test]
fn a_baseline_of_too_few_sessions_that_was_taught_by_what_was_taken_back_is_outdated() {
    let mut recording = Recording::new();
    for n in 0..2 {
        recording.session("codex", &["edit"], Kind::Clean, n);
    }
    recording.session("codex", &["edit"], Kind::MetT0, 9);
    let known = vec![profiler::Known {
        agent: "codex".parse().unwrap(),
        task: "edit".parse().unwrap(),
        used: [1, 2, 3].into(),
        trained_at_unix_ns: 2,
    }];
    let outdated = |taken_back, filter: &Filter| {
        let answers = vec![Answer { taken_back_unix_ns: taken_back, ..answer("codex", "x") }];
        let report = report(&recording, &Filter { answers, known: known.clone(), ..filter.clone() }).unwrap();
        let stays = filter.update && taken_back != Some(3);
        assert_eq!((report.trained.len(), report.kept.len()), (0, usize::from(stays)));
        report.outdated
    };
    let gone = [("codex".parse().unwrap(), "edit".parse().unwrap())];
    for update in [true, false] {
        let filter = Filter { update, ..Filter::default() };
        assert_eq!(outdated(Some(3), &filter), gone);
        assert_eq!(outdated(Some(1), &filter), [], "before it was made");
        assert_eq!(outdated(None, &filter), []);
    }
    let chosen = Filter { sessions: vec![1], ..Filter::default() };
    assert_eq!(outdated(Some(3), &chosen), []);
}
