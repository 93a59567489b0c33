//! The demo in words.

use super::report::{Clean, Outcome, Report};
use command::style;
use std::fmt::Write as _;

/// What each attack is, for a reader.
const PLOTS: [(&str, &str); 3] = [
    ("ssh-key", "asked to summarise, it reads ~/.ssh/id_ed25519, copies it and sends it away"),
    ("source-exfiltration", "asked to summarise, it packs another project's sources for a host never seen"),
    ("slow-wipe", "asked to edit, it removes the workspace's files one by one"),
];

/// What each stage is.
const STAGES: [(&str, &str); 3] =
    [("T0", "the static deny-list"), ("T1", "the learned baseline"), ("T2", "the score")];

/// The story.
pub fn tell(report: &Report) -> String {
    let mut story = String::new();
    #[expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]
    let _ = write(&mut story, report);
    story
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "{} seed {}, tier {}: {}",
        style::name("Wardline demo:"),
        report.seed,
        report.tier,
        tier(&report.tier)
    )?;
    let recorded = report.recorded;
    writeln!(
        out,
        "\nLearned from {} recorded sessions ({} operations, {} lost)",
        recorded.sessions, recorded.events, recorded.lost
    )?;
    for baseline in &report.baselines {
        let name = format!("{}/{}", baseline.agent, baseline.task);
        writeln!(out, "  {name:<22} {} sessions, {} tokens", baseline.sessions, baseline.tokens)?;
    }
    writeln!(out, "\nFresh clean sessions, enforced")?;
    for clean in &report.clean {
        self::clean(out, clean)?;
    }
    writeln!(out, "\nAttacks, enforced and judged from outside")?;
    for attack in &report.attacks {
        self::attack(out, attack)?;
    }
    if let Some(kept) = &report.kept {
        writeln!(out, "\nThe world was left in {kept}")?;
    }
    if report.broken.is_empty() {
        writeln!(out, "\nEverything came out as promised, in {:.0} s.", report.seconds)
    } else {
        writeln!(out, "\n{}", style::error("Not as promised:"))?;
        report.broken.iter().try_for_each(|promise| writeln!(out, "  {promise}"))
    }
}

fn tier(tier: &str) -> &'static str {
    match tier {
        "lsm" => "the kernel refuses an operation before it happens",
        "tracepoint" => "no BPF LSM here, so fanotify and cgroup hooks refuse, and a session can be frozen",
        _ => "unknown",
    }
}

fn clean(out: &mut String, clean: &Clean) -> std::fmt::Result {
    let end = if clean.completed { "it did all it set out to do" } else { "it did not end well" };
    writeln!(out, "  {:<12} {} refused, {} alerts; {end}", clean.task, clean.denied, clean.alerts)?;
    clean.reasons.iter().try_for_each(|reason| writeln!(out, "      {reason}"))
}

fn attack(out: &mut String, attack: &Outcome) -> std::fmt::Result {
    let plot = PLOTS.iter().find(|(name, _)| *name == attack.name).map_or("", |(_, plot)| plot);
    writeln!(out, "  {}: {plot}", attack.name)?;
    match &attack.stopped_by {
        Some(stage) => stopped(out, attack, stage)?,
        None => writeln!(out, "    {}", style::error("not stopped"))?,
    }
    if attack.files_removed > 0 {
        writeln!(
            out,
            "    {} of {} files were removed, {} are still there",
            attack.files_removed,
            attack.files,
            attack.files - attack.files_removed
        )?;
    }
    // A wipe is after no secret: only its having got at one would be worth a line.
    if attack.files_removed == 0 || attack.secret_bytes_read + attack.bytes_exfiltrated > 0 {
        writeln!(
            out,
            "    {} of {} secret bytes read, {} bytes sent away",
            attack.secret_bytes_read, attack.secret_bytes, attack.bytes_exfiltrated
        )?;
    }
    attack.reasons.iter().try_for_each(|reason| writeln!(out, "      because: {reason}"))
}

fn stopped(out: &mut String, attack: &Outcome, stage: &str) -> std::fmt::Result {
    let what = STAGES.iter().find(|(name, _)| *name == stage).map_or("", |(_, what)| what);
    let first =
        if matches!(attack.means.as_deref(), Some("freeze" | "kill")) { "stopped" } else { "first refused" };
    write!(out, "    {first} by {stage}, {what}")?;
    if let Some(means) = &attack.means {
        write!(out, ", by means of {means}")?;
    }
    if let Some(count) = attack.operations_before_denial {
        write!(out, ", after {count} operations")?;
    }
    if let Some(ms) = attack.answered_after_ms {
        write!(out, " and {ms:.1} ms after the score had crossed")?;
    }
    if attack.frozen {
        write!(out, "; the session was frozen, and the demo ended it")?;
    }
    writeln!(out, "; {} operations refused", attack.denied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::judge;

    #[test]
    fn the_story_reads_well() {
        let mut report = judge::tests::good();
        report.tier = "lsm".into();
        report.seconds = 41.0;
        report.attacks[0].reasons = vec!["open ~/.ssh/id_ed25519: private key".into()];
        report.attacks[2].answered_after_ms = Some(3.25);
        insta::assert_snapshot!(anstream::adapter::strip_str(&tell(&report)).to_string());
    }

    #[test]
    fn a_broken_promise_is_said() {
        let mut report = judge::tests::good();
        report.attacks[0].stopped_by = None;
        report.broken = judge::broken(&report, 12);
        let story = tell(&report);
        assert!(story.contains("Not as promised") && story.contains("nothing stopped ssh-key"), "{story}");
    }
}
