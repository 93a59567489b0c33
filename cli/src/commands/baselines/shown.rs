//! Shows the content of one baseline.

use crate::commands::trial;
use command::add_line;
use command::table;
use event::{AgentName, Reach, Tasks, Tier};
use models::{Baseline, Region};
use serde::Serialize;
use text::count;

/// Regions of one kind that are listed for people; `--json` has all.
const LISTED: usize = 12;

/// A baseline as it is shown.
#[derive(Debug, Serialize)]
pub struct Learned<'b> {
    agent: &'b AgentName,
    task: &'b Tasks,
    sessions: usize,
    tokens: u64,
    syscalls: u64,
    workspaces: usize,
    trained_at_unix_ns: i64,
    tier: Tier,
    partial: bool,
    used: &'b [i64],
    left_out: &'b [(i64, String)],
    denial_budget_bits: f64,
    regions: Vec<Learnt>,
    clusters: Vec<usize>,
    calibration: Calibration,
    state: models::State,
    trial: &'b models::Trial,
}

/// A region of the novelty model.
#[derive(Debug, Serialize)]
struct Learnt {
    reach: Reach,
    place: String,
    support: usize,
    known: bool,
    open: bool,
    fresh_bits: f64,
}

#[derive(Debug, Serialize)]
struct Calibration {
    sessions: usize,
    actions: u64,
    smallest_provable: f64,
    channels: Vec<ChannelScale>,
}

#[derive(Debug, Serialize)]
struct ChannelScale {
    name: &'static str,
    usual: f64,
    unit: f64,
    highest: f64,
}

impl<'b> Learned<'b> {
    /// Of a baseline.
    pub fn of(baseline: &'b Baseline) -> Self {
        Self {
            agent: &baseline.agent,
            task: &baseline.task,
            sessions: baseline.sessions,
            tokens: baseline.tokens,
            syscalls: baseline.syscalls,
            workspaces: baseline.workspaces,
            trained_at_unix_ns: baseline.trained_at_unix_ns,
            tier: baseline.tier,
            partial: baseline.partial,
            used: &baseline.provenance.used,
            left_out: &baseline.provenance.left_out,
            denial_budget_bits: models::DENIAL_BUDGET_BITS,
            regions: baseline.models.novelty.regions().map(|region| learnt(&region)).collect(),
            clusters: baseline.models.clusters.iter().map(models::cluster::Clusters::len).collect(),
            calibration: calibration(baseline),
            state: baseline.state(),
            trial: &baseline.trial,
        }
    }
}

fn learnt(region: &Region<'_>) -> Learnt {
    let components = region.components.iter().map(|&name| name.to_owned()).collect();
    Learnt {
        reach: region.reach,
        place: models::words(&event::Place { reach: region.reach, components }),
        support: region.support,
        known: region.known,
        open: region.open,
        fresh_bits: region.fresh_bits,
    }
}

fn calibration(baseline: &Baseline) -> Calibration {
    let calibration = &baseline.calibration;
    let channels = calibration.usual().map(|(channel, usual, highest)| ChannelScale {
        name: channel.name,
        usual,
        unit: channel.unit,
        highest,
    });
    Calibration {
        sessions: calibration.sessions(),
        actions: calibration.actions(),
        smallest_provable: calibration.smallest_provable(),
        channels: channels.collect(),
    }
}

/// It for people.
pub fn text(learned: &Learned<'_>) -> String {
    let mut out = String::new();
    add_line!(out, "baseline {}/{}", learned.agent, learned.task);
    add_line!(
        out,
        "  learned from {} in {}, {}, {}, trained {}",
        count(learned.sessions as u64, "session"),
        count(learned.workspaces as u64, "workspace"),
        count(learned.tokens, "operation"),
        count(learned.syscalls, "system call"),
        table::time(learned.trained_at_unix_ns),
    );
    if learned.partial {
        add_line!(out, "  partial: it may be looked at, and arms nothing");
    }
    for (title, reaches) in [
        ("reads", &[Reach::Read][..]),
        ("changes", &[Reach::Write, Reach::Create, Reach::Remove]),
        ("programs", &[Reach::Exec]),
        ("hosts and sockets", &[Reach::Connect, Reach::Unix, Reach::Listen]),
        ("servers asked for by name", &[Reach::Name]),
    ] {
        section(&mut out, title, &learned.regions, reaches);
    }
    let clusters: usize = learned.clusters.iter().sum();
    add_line!(out, "\n{} of work", count(clusters as u64, "kind"));
    let calibration = &learned.calibration;
    add_line!(
        out,
        "\nstate: {}{}",
        learned.state.name(),
        trial::text(learned.trial, learned.agent, learned.task),
    );
    add_line!(
        out,
        "\ncalibration: {} held out, {}",
        count(calibration.sessions as u64, "session"),
        count(calibration.actions, "action"),
    );
    let said = table::false_alarms(calibration.sessions, calibration.smallest_provable);
    add_line!(out, "  {said}");
    for channel in &calibration.channels {
        add_line!(
            out,
            "  {:<14} usually {:.2}, highest {:.2}, a unit is {:.2}",
            channel.name,
            channel.usual,
            channel.highest,
            channel.unit
        );
    }
    out
}

/// The topmost places of a kind that are known or open, those that most sessions touched first.
fn section(out: &mut String, title: &str, regions: &[Learnt], reaches: &[Reach]) {
    let mut wanted: Vec<&Learnt> =
        regions.iter().filter(|r| reaches.contains(&r.reach) && (r.open || r.known)).collect();
    let below_an_open_one = |region: &Learnt| {
        regions.iter().any(|other| {
            other.open
                && other.reach == region.reach
                && region.place.strip_prefix(&other.place).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    wanted.retain(|region| !below_an_open_one(region));
    wanted.sort_by(|a, b| b.support.cmp(&a.support).then_with(|| a.place.cmp(&b.place)));
    add_line!(out, "\n{title}");
    if wanted.is_empty() {
        add_line!(out, "  none");
    }
    for region in wanted.iter().take(LISTED) {
        let how = if region.open {
            format!("open: something new below costs {:.1} bits", region.fresh_bits)
        } else {
            "itself".to_owned()
        };
        let reach = format!("{:?}", region.reach).to_lowercase();
        add_line!(out, "  {reach:<8} {:<40} {:>3} sessions  {how}", region.place, region.support);
    }
    if wanted.len() > LISTED {
        add_line!(out, "  and {} more: `--json` has them", wanted.len() - LISTED);
    }
}
