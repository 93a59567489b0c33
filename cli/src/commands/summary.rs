//! The summary of `record` and `enforce`.

use command::add_line;
use command::style;
use command::table::duration;
use event::{Fate, Means, Mode};
use models::State;
use text::count;
use wire::{Finished, GoOn, KeyUse, Peer, PeerKind, Report};

/// Denials that are printed; `wardline why` has them all.
const SHOWN_DENIALS: usize = 10;

/// The summary of a session. `said` are the notes that the user read before the command started.
pub fn text(mode: Mode, verbose: u8, finished: &Finished, said: &[String]) -> String {
    let report = &finished.report;
    let mut out = String::new();
    add_line!(
        out,
        "{} session {} of `{}` at `{}`, {}: {}",
        style::name("wardline:"),
        report.session,
        report.agent,
        report.task,
        duration(report.duration_ns),
        headline(report),
    );
    add_line!(
        out,
        "  saw        {}, {}, {}, {}, {}",
        count(report.events, "operation"),
        count(report.syscalls, "system call"),
        count(report.files, "file"),
        count(report.hosts, "host"),
        count(report.programs, "program"),
    );
    if mode != Mode::Record {
        add_line!(out, "  verdict    `{}`", report.verdict);
        if verbose > 0 {
            let score =
                report.score.map_or_else(|| "none without a baseline".to_owned(), |p| format!("p = {p:.2e}"));
            add_line!(out, "  score      {score}");
        }
    }
    if mode == Mode::Enforce && report.baseline == Some(State::Shadow) {
        add_line!(out, "  {} only watched: T1 and T2 refused nothing", style::warning("baseline  "));
    }
    denials(&mut out, report);
    keys(&mut out, report);
    if let (Some(stage), Some(means)) = (report.stopped_by, report.means) {
        let passed = count(report.operations_before_denial, "operation");
        match means {
            Means::Kill | Means::Freeze => {
                add_line!(out, "  stopped    by {} ({}), after {passed}", stage.name(), means.name());
            }
            _ => {
                add_line!(out, "  first      refusal after {passed}, by {}; the agent went on", stage.name())
            }
        }
    }
    for freeze in &report.freezes {
        let by = freeze.stage.map_or_else(String::new, |stage| format!(" by {}", stage.name()));
        let ended = match freeze.went_on {
            None => "it did not go on",
            Some(GoOn::Once) => "its user thaw it",
            Some(GoOn::Session) => "its user let it go on, and be frozen no more",
        };
        let what = if freeze.what.is_empty() { &freeze.reason } else { &freeze.what };
        add_line!(out, "  frozen    {by}, and {ended}: {what}");
    }
    for reason in report.reasons.iter().filter(|reason| !report.denials.iter().any(|d| d.reason == **reason))
    {
        add_line!(out, "  why        {reason}");
    }
    peers(&mut out, report);
    if let Some(delegate) = &report.delegate {
        let agent = style::warning("agent     ");
        add_line!(out, "  {agent} reached outside: `{}` (process {})", delegate.command, delegate.pid);
    }
    if let Some(unseen) = report.unseen {
        add_line!(
            out,
            "  {} attached: what {} did before, for up to {}, was not seen, nor what they had open",
            style::warning("unseen    "),
            count(u64::from(unseen.processes), "process"),
            duration(unseen.since_ns),
        );
    }
    if report.lost > 0 || report.unresolved > 0 {
        add_line!(
            out,
            "  {} {} lost, {} without a path: unseen operations were not judged",
            style::warning("blind     "),
            count(report.lost, "record"),
            count(report.unresolved, "operation"),
        );
    }
    if finished.left_behind > 0 {
        let left = count(u64::from(finished.left_behind), "process");
        add_line!(out, "  ended      {left} that the command left behind");
    }
    for note in unsaid(&report.notes, said) {
        add_line!(out, "  note       {note}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// The notes that were not said yet, each once.
pub fn unsaid<'n>(notes: &'n [String], said: &[String]) -> Vec<&'n String> {
    let mut unsaid: Vec<&String> = Vec::new();
    for note in notes {
        if !said.contains(note) && !unsaid.contains(&note) {
            unsaid.push(note);
        }
    }
    unsaid
}

/// What became of what a stage spoke against, in one line.
fn headline(report: &Report) -> String {
    let fates =
        [(report.denied, Fate::Refused), (report.stopped, Fate::Stopped), (report.happened, Fate::Happened)];
    let said: Vec<String> = fates
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, fate)| match fate {
            Fate::Happened => format!("{} happened against the policy", count(number, "operation")),
            fate => format!("{} {}", count(number, "operation"), fate.name()),
        })
        .collect();
    if said.is_empty() { "nothing was refused".to_owned() } else { said.join(", ") }
}

fn denials(out: &mut String, report: &Report) {
    let mut reason = "";
    for denial in report.denials.iter().take(SHOWN_DENIALS) {
        add_line!(out, "  {}", denial.told());
        // Neighbours with one reason have it said once.
        if denial.reason != reason {
            add_line!(out, "             {}", denial.reason);
        }
        reason = &denial.reason;
    }
    let shown: u64 = report.denials.iter().take(SHOWN_DENIALS).map(|denial| denial.times).sum();
    let more = (report.denied + report.stopped + report.happened).saturating_sub(shown);
    if more > 0 {
        add_line!(out, "             and {more} more");
    }
    if !report.denials.is_empty() {
        let session = &report.session;
        add_line!(out, "             program and remedy: `wardline why {session}`");
    }
}

/// What the user's keys were used for.
fn keys(out: &mut String, report: &Report) {
    for KeyUse { used, count: times } in report.keys.iter().take(SHOWN_DENIALS) {
        let times = if *times > 1 { format!(", {times} times") } else { String::new() };
        let verb = if used.refused.is_some() { "not signed" } else { "signed" };
        add_line!(out, "  {verb:<10} {} with {}{times}", used.purpose, used.about());
        if let Some(why) = &used.refused {
            add_line!(out, "             {why}");
        }
    }
    if report.looks > 0 {
        let times = count(report.looks, "time");
        add_line!(
            out,
            "  looked     ssh looked for its keys or its list of hosts {times}, and was refused: the keys are used for it outside the session"
        );
    }
}

/// Who listens outside of the session where it has connected to, or was kept from. What the system runs for everybody is not
/// said.
fn peers(out: &mut String, report: &Report) {
    let told = |peer: &&Peer| !matches!(peer.kind, Some(PeerKind::System | PeerKind::Own));
    for peer in report.peers.iter().filter(told).take(SHOWN_DENIALS) {
        let verb = match peer.fate {
            Fate::Refused => "kept from",
            Fate::Stopped => "stopped at",
            Fate::Happened => "reached",
        };
        let times = if peer.times > 1 { format!(", {} times", peer.times) } else { String::new() };
        add_line!(out, "  {verb:<10} outside: {}{times}", peer.told());
    }
    let more = report.peers.iter().filter(told).count().saturating_sub(SHOWN_DENIALS);
    if more > 0 {
        add_line!(out, "             and {more} more outside: `--summary-file FILE` has them all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Stage;
    use wire::Delegate;
    use wire::Denial;

    fn plain(mode: Mode, finished: &Finished) -> String {
        anstream::adapter::strip_str(&text(mode, 0, finished, &["known".into()])).to_string()
    }

    fn report() -> Report {
        Report {
            session: "17".into(),
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            tier: event::Tier::Lsm,
            events: 1234,
            syscalls: 45_678,
            files: 56,
            hosts: 1,
            programs: 7,
            duration_ns: 2_500_000_000,
            verdict: "allow".into(),
            ..Report::default()
        }
    }

    #[test]
    fn a_recording_is_short() {
        insta::assert_snapshot!(plain(Mode::Record, &Finished { report: report(), left_behind: 1 }));
    }

    #[test]
    fn a_denial_is_explained() {
        let denial = Denial {
            time_ns: 1,
            stage: Stage::T0,
            means: Means::Lsm,
            op: "open".into(),
            object: "/home/u/.ssh/id_ed25519".into(),
            pid: 7,
            fate: Fate::Refused,
            times: 12,
            number: 1,
            reason: "`~/.ssh` is a crown jewel (private key)".into(),
        };
        let report = Report {
            denied: 12,
            score: Some(0.004),
            verdict: "alert".into(),
            stopped_by: Some(Stage::T0),
            means: Some(Means::Lsm),
            operations_before_denial: 9,
            reasons: vec![denial.reason.clone(), "T2: much deleted".into()],
            denials: vec![denial],
            lost: 3,
            delegate: Some(Delegate {
                pid: 4711,
                agent: "codex".parse().ok(),
                command: "codex app-server --listen unix://".into(),
            }),
            notes: vec!["known".into(), "a note".into(), "a note".into()],
            ..report()
        };
        insta::assert_snapshot!(plain(Mode::Enforce, &Finished { report: report.clone(), left_behind: 0 }));
        let mut shadow = Report { happened: report.denied, denied: 0, stopped_by: None, ..report };
        shadow.denials[0].fate = Fate::Happened;
        insta::assert_snapshot!(
            "a_shadow_says_would",
            plain(Mode::Shadow, &Finished { report: shadow, left_behind: 2 })
        );
    }
}
