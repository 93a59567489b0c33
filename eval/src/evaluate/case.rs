//! Cases: every missed or late attack and every false alarm, with what each stage knew of it and what it lacked.

use super::arm::Entry;
use super::data::Item;
use super::explain::{PLACES, Stretch, explained, p_words, place};
use super::incident::{self, First, first_live, first_replayed, judge, source};
use crate::metrics::incident::Outcome;
use crate::result::{Case, CaseKind, Mark, MarkKind, Source, Timeline};
use crate::score::Stages;
use crate::trace::Said;
use event::Stage;
use models::DENIAL_BUDGET_BITS;

/// Points of a timeline that are kept.
const POINTS: usize = 240;

/// Marks of one kind that are kept on a timeline.
const MARKS: usize = 12;

/// The cases that a session makes: what was said before an attack began, and what became of it from there on.
pub fn cases(entry: &Entry<'_>) -> Vec<Case> {
    early(entry).into_iter().chain(case(entry)).collect()
}

fn early(entry: &Entry<'_>) -> Option<Case> {
    let item = entry.item;
    let first = incident::first_early(item).filter(|_| source(item) == Source::Live)?;
    let said = item.trace.said.first()?;
    let headline = format!("before the attack began, {}", said_headline(said));
    Some(of(entry, CaseKind::FalseAlarm, Some(first), headline))
}

fn case(entry: &Entry<'_>) -> Option<Case> {
    let item = entry.item;
    if !item.counts() {
        return None;
    }
    let live = source(item) == Source::Live;
    let first = if live { first_live(item, item.counts_from_ns()) } else { first_replayed(entry) };
    if !item.is_attack() {
        let first = first?;
        return Some(of(entry, CaseKind::FalseAlarm, Some(first), false_headline(entry, first)));
    }
    match judge(item, first) {
        Outcome::Missed => Some(of(entry, CaseKind::Missed, first, missed_headline(entry))),
        Outcome::DetectedAfter => Some(of(entry, CaseKind::Late, first, late_headline(item, first))),
        Outcome::Prevented | Outcome::DetectedBefore | Outcome::Inert => None,
    }
}

fn of(entry: &Entry<'_>, kind: CaseKind, first: Option<First>, headline: String) -> Case {
    let item = entry.item;
    let run = &item.run;
    let stretch = Stretch::of(entry, kind);
    let mut observed: Vec<String> = Vec::new();
    let seen = &run.observed;
    if item.is_attack() && !stretch.early {
        observed.push(format!(
            "{} secret bytes read, {} bytes sent away",
            seen.secret_bytes_read, seen.bytes_sent
        ));
        observed.extend(seen.changes.iter().map(|change| format!("changed: {change}")));
        observed.push(
            if seen.succeeded {
                "it reached what it was after"
            } else {
                "it did not reach what it was after"
            }
            .to_owned(),
        );
    }
    let mut reasons: Vec<String> = Vec::new();
    for said in &stretch.said {
        let reason = format!("{}: {}: {}", said.stage.name(), said.what, said.why);
        if reasons.len() < PLACES && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let told = entry.scored.alerted.as_ref().or(entry.scored.lowest.as_ref()).filter(|_| !stretch.early);
    reasons.extend(
        told.into_iter().flat_map(|moment| &moment.score.reasons).map(|reason| format!("score: {reason}")),
    );
    Case {
        kind,
        source: source(item),
        run: run.id.clone(),
        session: run.session,
        agent: run.agent.clone(),
        task: run.task.clone(),
        repository: run.repository.clone(),
        attack: item.attack().map(|(scenario, variant)| (scenario.to_owned(), variant.to_owned())),
        headline,
        stage: first.map(|first| first.stage.name().to_owned()),
        means: first.as_ref().map(incident::means_words),
        explained: explained(entry, kind, first, &stretch),
        reasons,
        observed,
        timeline: timeline(entry),
    }
}

/// Makes the directory that the sessions' world lay in symbolic: where that was says nothing, and is nobody's business.
pub fn hide(case: &mut Case, world: &str) {
    if world.len() < 2 {
        return;
    }
    let explained = case.explained.iter_mut().map(|(_, said)| said);
    let marks = case.timeline.marks.iter_mut().map(|mark| &mut mark.words);
    let texts = explained.chain(marks).chain(&mut case.reasons).chain(&mut case.observed);
    for text in texts.chain([&mut case.headline]) {
        if text.contains(world) {
            *text = text.replace(world, "$world");
        }
    }
}

fn missed_headline(entry: &Entry<'_>) -> String {
    let p = entry.scored.lowest.as_ref().map_or(1.0, |lowest| lowest.score.p);
    if source(entry.item) == Source::Live {
        return format!(
            "met no jewel, was refused nothing by the baseline, and raised no alert; replayed, its lowest score is p = {} (alerts begin at {})",
            p_words(p),
            incident::alert_threshold()
        );
    }
    format!(
        "met no jewel, reached no place that the baseline denies, and never scored below p = {} (alerts begin at {})",
        p_words(p),
        incident::alert_threshold()
    )
}

fn late_headline(item: &Item, first: Option<First>) -> String {
    let Some(first) = first else { return String::new() };
    match item.run.impact_ns {
        Some(impact) => format!(
            "{} spoke {:.0} ms after the harm was done",
            first.stage.name(),
            first.time_ns.saturating_sub(impact) as f64 / 1e6
        ),
        None => {
            format!("{} spoke, but harm was done, and the observer could not tell when", first.stage.name())
        }
    }
}

/// What was said live, as a headline.
fn said_headline(said: &Said) -> String {
    match said.stage {
        Stage::T0 => "work met a crown jewel".to_owned(),
        Stage::T1 => format!("the baseline refused `{}`", said.what),
        Stage::T2 => format!("the score led to `{}`", said.what),
    }
}

fn false_headline(entry: &Entry<'_>, first: First) -> String {
    if let Some(said) = entry.item.trace.said.first().filter(|_| source(entry.item) == Source::Live) {
        return said_headline(said);
    }
    match first.stage {
        Stage::T0 => "clean work met a crown jewel".to_owned(),
        Stage::T1 => match entry.scored.touches.first() {
            Some(touch) => format!(
                "{} for the first time: {} bits, budget {DENIAL_BUDGET_BITS}",
                place(touch),
                touch.bits.round()
            ),
            None => String::new(),
        },
        Stage::T2 => {
            let p = entry.scored.lowest.as_ref().map_or(1.0, |lowest| lowest.score.p);
            format!("the score came down to p = {}", p_words(p))
        }
    }
}

fn timeline(entry: &Entry<'_>) -> Timeline {
    let item = entry.item;
    let (start, end) = item.trace.span_ns;
    let ms = |time_ns: u64| time_ns.saturating_sub(start) as f64 / 1e6;
    let mut marks = Vec::new();
    let mut mark =
        |time_ns: u64, kind: MarkKind, words: String| marks.push(Mark { at_ms: ms(time_ns), kind, words });
    if let Some(onset) = item.run.onset_ns.filter(|_| item.is_attack()) {
        mark(onset, MarkKind::Onset, "the attack begins".to_owned());
    }
    if let Some(impact) = item.run.impact_ns {
        mark(impact, MarkKind::Impact, "the first harm".to_owned());
    }
    for said in item.trace.said.iter().take(3 * MARKS) {
        let kind = match said.stage {
            Stage::T0 => MarkKind::T0,
            Stage::T1 => MarkKind::T1,
            Stage::T2 => MarkKind::T2,
        };
        mark(said.time_ns, kind, format!("{}: {}", said.stage.name(), said.what));
    }
    if source(item) == Source::Offline {
        for touch in entry.scored.touches.iter().take(MARKS) {
            mark(touch.time_ns, MarkKind::T1, format!("T1 would deny {}", place(touch)));
        }
        if let Some(alerted) = &entry.scored.alerted {
            mark(alerted.time_ns, MarkKind::T2, format!("T2: {}", alerted.verdict.name()));
        }
    }
    marks.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let points = entry.shipped(Stages::T2).points;
    // Of each stretch the lowest point: what must be seen is how far down it came.
    let stretch = points.len().div_ceil(POINTS).max(1);
    let lowest = |points: &[crate::metrics::alarm::Point]| {
        points.iter().min_by(|a, b| a.p.total_cmp(&b.p)).map(|point| (ms(point.time_ns), point.p))
    };
    let p = points.chunks(stretch).filter_map(lowest).collect();
    Timeline { length_ms: ms(end), p, marks }
}
