//! `wardline-lab corpus stats`: how many sessions there are, and how much is new in each.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON has null where it has nothing, and places are counted within the table"
)]

use super::directory::Directory;
use anyhow::{Context, Result};
use command::print_line;
use command::table;
use datasets::corpus::{Corpus, Kind, Mode, Run, Split};
use event::{Place, Token};
use profiler::Reading;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use store::{Reader, SessionId};

/// What is told of a corpus.
#[derive(Debug, Serialize)]
struct Told<'c> {
    /// BLAKE3 of the `wardline` that recorded it, hex.
    build: Option<&'c str>,
    /// How long the making took.
    making_seconds: u64,
    groups: Vec<Stats>,
}

/// What is told of an agent at a task.
#[derive(Debug, Default, Serialize)]
struct Stats {
    agent: String,
    task: String,
    train: usize,
    calibrate: usize,
    test: usize,
    attacks: usize,
    /// Of the last two, those that ran once more, guarded.
    live: usize,
    /// Sessions in which the static deny-list refused something: they teach nothing.
    denied: usize,
    /// Records lost, all sessions together.
    lost: u64,
    /// Operations of a clean session, the median.
    events: u64,
    /// Places of each clean session of the other splits that no session of the training split reached for.
    new_objects: Vec<usize>,
    /// Distinct tokens after the first, second, ... session of the training split.
    vocabulary: Vec<usize>,
}

/// What one session holds.
#[derive(Default)]
struct Held {
    places: HashSet<Place>,
    tokens: HashSet<Token>,
}

/// Prints them.
pub fn run(args: &Directory) -> Result<()> {
    let corpus = Corpus::open(&args.dir)?;
    let runs = corpus.runs()?;
    let reader = Reader::open(corpus.store()).context("the recordings of the corpus cannot be read")?;
    let mut groups: BTreeMap<(&str, &str), Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        groups.entry((&run.agent, &run.task)).or_default().push(run);
    }
    let groups = groups.into_values().map(|runs| stats(&reader, &runs)).collect::<Result<Vec<_>>>()?;
    let description = &corpus.description;
    let told =
        Told { build: description.build.as_deref(), making_seconds: description.making_seconds, groups };
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    let mut rows = table::table(&[
        "agent",
        "task",
        "train",
        "calibrate",
        "test",
        "attacks",
        "live",
        "denied",
        "lost",
        "operations",
        "new objects",
        "vocabulary",
    ]);
    for stats in &told.groups {
        rows.add_row([
            stats.agent.clone(),
            stats.task.clone(),
            stats.train.to_string(),
            stats.calibrate.to_string(),
            stats.test.to_string(),
            stats.attacks.to_string(),
            stats.live.to_string(),
            stats.denied.to_string(),
            stats.lost.to_string(),
            stats.events.to_string(),
            spread(&stats.new_objects),
            growth(&stats.vocabulary),
        ]);
    }
    print_line!("{rows}");
    print_line!("recorded by the build {}, in {} s", told.build.unwrap_or("-"), told.making_seconds);
    print_line!(
        "new objects: places of a held-out clean session that no training session reached for: median (least to most)\n\
         vocabulary: distinct tokens after 1, 2, 4, ... training sessions"
    );
    Ok(())
}

fn stats(reader: &Reader, runs: &[&Run]) -> Result<Stats> {
    let (runs, live): (Vec<&Run>, Vec<&Run>) =
        runs.iter().copied().partition(|run: &&Run| run.mode == Mode::Record);
    let clean = |split| runs.iter().filter(move |run| run.kind == Kind::Clean && run.split == split);
    let mut stats = Stats {
        train: clean(Split::Train).count(),
        calibrate: clean(Split::Calibrate).count(),
        test: clean(Split::Test).count(),
        attacks: runs.iter().filter(|run| run.kind != Kind::Clean).count(),
        live: live.len(),
        ..Stats::default()
    };
    if let Some(run) = runs.first().or(live.first()) {
        (stats.agent, stats.task) = (run.agent.clone(), run.task.clone());
    }
    let number = |run: &Run, name: &str| run.summary[name].as_u64().unwrap_or_default();
    let normal = || runs.iter().filter(|run| run.kind == Kind::Clean);
    stats.denied = normal().filter(|run| number(run, "denied") + number(run, "stopped") > 0).count();
    stats.lost = normal().map(|run| number(run, "lost")).sum();
    let mut events: Vec<u64> = normal().map(|run| number(run, "events")).collect();
    events.sort_unstable();
    stats.events = events.get(events.len() / 2).copied().unwrap_or_default();
    let mut known = Held::default();
    for run in clean(Split::Train) {
        let held = held(reader, run)?;
        known.places.extend(held.places);
        known.tokens.extend(held.tokens);
        stats.vocabulary.push(known.tokens.len());
    }
    for run in clean(Split::Calibrate).chain(clean(Split::Test)) {
        stats.new_objects.push(held(reader, run)?.places.difference(&known.places).count());
    }
    stats.new_objects.sort_unstable();
    Ok(stats)
}

fn held(reader: &Reader, run: &Run) -> Result<Held> {
    let session =
        reader.session(SessionId(run.session)).with_context(|| format!("{} has no recording", run.id))?;
    let mut held = Held::default();
    profiler::replay(reader, &session, &mut |_, reading| {
        if let Reading::Step(step) | Reading::Refused(step) = reading {
            held.tokens.insert(step.token);
            held.places.extend(step.touches().map(|touch| touch.place.clone()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(held)
}

fn spread(sorted: &[usize]) -> String {
    match sorted {
        [] => "-".into(),
        [least, .., most] => format!("{} ({least} to {most})", sorted[sorted.len() / 2]),
        [only] => only.to_string(),
    }
}

fn growth(vocabulary: &[usize]) -> String {
    let steps = (0..).map(|power| (1_usize << power) - 1).take_while(|index| *index < vocabulary.len());
    steps.map(|index| vocabulary[index].to_string()).collect::<Vec<_>>().join(", ")
}
