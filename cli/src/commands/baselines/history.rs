//! `wardline baseline log`: how baselines came about, and by what evidence.

use super::which::Which;
use command::{add_text, table};
use profiler::{Became, Revision};
use text::count;

/// The revisions of a baseline, or of all.
pub fn of(revisions: Vec<Revision>, which: Option<&Which>) -> Vec<Revision> {
    let is_meant = |revision: &Revision| {
        which.is_none_or(|which| which.agent == revision.agent && which.task == revision.task)
    };
    revisions.into_iter().filter(is_meant).collect()
}

/// For people: the newest last.
pub fn text(revisions: &[Revision]) -> String {
    if revisions.is_empty() {
        return "nothing was trained yet: `wardline train` makes baselines of recorded sessions\n".to_owned();
    }
    let mut table = table::table(&["when", "baseline", "became", "sessions", "repositories", "state", ""]);
    for revision in revisions {
        let name = format!("{}/{}", revision.agent, revision.task);
        let rests_on = |number: usize| match revision.became {
            Became::Removed => String::new(),
            Became::Made | Became::Updated => number.to_string(),
        };
        table.add_row([
            table::time(revision.at_unix_ns),
            name,
            became(revision.became).to_owned(),
            rests_on(revision.sessions),
            rests_on(revision.workspaces),
            revision.state.map_or(String::new(), |state| state.name().to_owned()),
            evidence(revision),
        ]);
    }
    format!("{}\n", table::plain(&table))
}

fn became(became: Became) -> &'static str {
    match became {
        Became::Made => "made",
        Became::Updated => "updated",
        Became::Removed => "removed",
    }
}

/// What it would have refused, what changed, and who asked.
fn evidence(revision: &Revision) -> String {
    let mut out = String::new();
    match (revision.refused, revision.held_out) {
        (_, 0) => {}
        (0, held_out) => add_text!(out, "refuses nothing to {held_out} held out"),
        (refused, held_out) => add_text!(out, "refuses something to {refused} of {held_out} held out"),
    }
    for (verb, places) in [("allows", revision.added), ("no longer allows", revision.removed)] {
        if places > 0 {
            let more = if verb == "allows" { "more place" } else { "place" };
            add_text!(out, "{}{verb} {}", separator(&out), count(places as u64, more));
        }
    }
    if revision.by_itself {
        add_text!(out, "{}by itself", separator(&out));
    }
    out
}

fn separator(out: &str) -> &'static str {
    if out.is_empty() { "" } else { "; " }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::State;

    fn revision(became: Became, task: &str) -> Revision {
        Revision {
            at_unix_ns: 0,
            agent: "codex".parse().unwrap(),
            task: task.parse().unwrap(),
            became,
            by_itself: false,
            state: Some(State::Enforcing),
            sessions: 12,
            workspaces: 3,
            held_out: 12,
            refused: 0,
            added: 0,
            removed: 0,
        }
    }

    #[test]
    fn each_revision_is_a_line_with_its_evidence() {
        let first = Revision {
            state: Some(State::Shadow),
            sessions: 3,
            workspaces: 1,
            held_out: 3,
            refused: 2,
            ..revision(Became::Made, "edit")
        };
        let second = Revision { added: 4, removed: 1, by_itself: true, ..revision(Became::Updated, "edit") };
        let gone = Revision { state: None, held_out: 0, ..revision(Became::Removed, "test") };
        let all = vec![first, second, gone];
        let when = table::time(0);
        insta::assert_snapshot!(text(&all).replace(&when, "2026-01-01 00:00:00"));
        assert_eq!(of(all.clone(), Some(&"codex/test".parse().unwrap())), all[2..]);
        assert_eq!(of(all.clone(), None), all);
    }
}
