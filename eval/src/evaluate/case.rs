//! Cases: every missed or late attack and every false alarm, with what each stage knew of it and what it lacked.

use super::arm::Entry;
use super::data::Item;
use super::incident::{self, First, first_live, first_replayed, judge, source};
use crate::metrics::incident::Outcome;
use crate::result::{Case, CaseKind, Mark, MarkKind, Source, Timeline};
use crate::score::{Stages, Touch};
use event::Stage;
use models::DENIAL_BUDGET_BITS;

/// Points of a timeline that are kept.
const POINTS: usize = 240;

/// Marks of one kind that are kept on a timeline.
const MARKS: usize = 12;

/// Places that are named.
const PLACES: usize = 6;

/// The cases that a session makes: what was said before an attack began, and what became of it from there on.
pub fn cases(entry: &Entry<'_>) -> Vec<Case> {
    early(entry).into_iter().chain(case(entry)).collect()
}

fn early(entry: &Entry<'_>) -> Option<Case> {
    let item = entry.item;
    let first = incident::first_early(item).filter(|_| source(item) == Source::Live)?;
    let headline = format!("{} spoke before the attack began", first.stage.name());
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
    let mut observed: Vec<String> = Vec::new();
    let seen = &run.observed;
    if item.is_attack() {
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
    for said in item.trace.said.iter().filter(|said| said.time_ns >= item.counts_from_ns()) {
        let reason = format!("{}: {}: {}", said.stage.name(), said.what, said.why);
        if reasons.len() < PLACES && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let told = entry.scored.alerted.as_ref().or(entry.scored.lowest.as_ref());
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
        explained: vec![
            ("T0".to_owned(), t0(item)),
            ("T1".to_owned(), t1(entry)),
            ("T2".to_owned(), t2(entry)),
            ("lacking".to_owned(), lacking(entry, kind)),
        ],
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

fn false_headline(entry: &Entry<'_>, first: First) -> String {
    match first.stage {
        Stage::T0 => "clean work met a crown jewel".to_owned(),
        Stage::T1 => match entry.scored.touches.first() {
            Some(touch) => format!(
                "{} for the first time: {} bits, budget {DENIAL_BUDGET_BITS}",
                place(touch),
                touch.bits.round()
            ),
            None => "something was denied that the replayed baseline allows".to_owned(),
        },
        Stage::T2 => {
            let p = entry.scored.lowest.as_ref().map_or(1.0, |lowest| lowest.score.p);
            format!("the score came down to p = {}", p_words(p))
        }
    }
}

fn t0(item: &Item) -> String {
    let mut hits = item.trace.said.iter().filter(|said| said.stage == Stage::T0);
    match hits.next() {
        Some(first) => {
            let refused = crate::words::count(hits.count() as u64 + 1, "operation");
            format!("refused {refused}, the first: {}", first.what)
        }
        None => "met no crown jewel".to_owned(),
    }
}

fn t1(entry: &Entry<'_>) -> String {
    let from_ns = entry.item.counts_from_ns();
    let touches: Vec<&Touch> = entry.scored.touches.iter().filter(|touch| touch.time_ns >= from_ns).collect();
    if touches.is_empty() {
        return match &entry.scored.nearly {
            Some((bits, reach, place)) => format!(
                "every place that it reached was known or lies in an open region; the costliest was {} `{place}` ({bits:.1} of {DENIAL_BUDGET_BITS} bits)",
                reach_words(*reach)
            ),
            None => "it reached no place for the first time".to_owned(),
        };
    }
    let named: Vec<String> = touches.iter().take(PLACES).map(|touch| place(touch)).collect();
    let more = touches.len() - named.len();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("denies {}: {}{more}", crate::words::count(touches.len() as u64, "place"), named.join(", "))
}

fn t2(entry: &Entry<'_>) -> String {
    let Some(lowest) = &entry.scored.lowest else { return "nothing was scored".to_owned() };
    let channel = lowest.score.channels.iter().min_by(|a, b| a.p.total_cmp(&b.p));
    let Some(channel) = channel else { return "no channel counts".to_owned() };
    format!(
        "lowest p = {} after {}, by the channel `{}` (value {:.2}{})",
        p_words(lowest.score.p),
        crate::words::count(lowest.action, "action"),
        channel.name,
        channel.value,
        if channel.extrapolated { ", past what held-out sessions prove" } else { "" }
    )
}

/// The knowledge that would have made the difference.
fn lacking(entry: &Entry<'_>, kind: CaseKind) -> String {
    let baseline = &entry.fitted.baseline;
    let provable = baseline.smallest_provable();
    let threshold = incident::alert_threshold();
    match kind {
        CaseKind::FalseAlarm if !entry.scored.touches.is_empty() => format!(
            "{} in {} taught this baseline, and none went there; `{}` taught it nothing",
            crate::words::count(baseline.sessions as u64, "session"),
            crate::words::count(baseline.workspaces as u64, "workspace"),
            entry.item.run.repository
        ),
        CaseKind::FalseAlarm => format!(
            "the scale rests on {} held-out sessions, which prove no p below {}: what lies past it is extrapolated",
            baseline.calibration.sessions,
            p_words(provable)
        ),
        _ if provable > threshold => format!(
            "{} held-out sessions prove no p below {}; to prove {threshold} takes about {}",
            baseline.calibration.sessions,
            p_words(provable),
            (baseline.calibration.sessions as f64 * provable / threshold).ceil()
        ),
        _ => {
            "nothing that a place, an order of operations or a count says: only what travels inside tells it"
                .to_owned()
        }
    }
}

fn p_words(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.1e}") }
}

fn reach_words(reach: event::Reach) -> &'static str {
    match reach {
        event::Reach::Read => "reading",
        event::Reach::Write => "writing",
        event::Reach::Create => "making",
        event::Reach::Remove => "removing",
        event::Reach::Exec => "running",
        event::Reach::Connect | event::Reach::Unix => "connecting to",
        event::Reach::Listen => "listening on",
        event::Reach::Name => "asking for the name",
    }
}

fn place(touch: &Touch) -> String {
    format!("{} `{}`", reach_words(touch.reach), touch.place)
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
