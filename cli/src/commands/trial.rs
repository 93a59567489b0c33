//! The result of a baseline's trial, in words.

use command::add_text;
use event::{AgentName, Reach, TaskName, Tasks};
use models::Trial;
use text::count;

/// Places that are said; `--json` has more.
const SAID: usize = 4;

/// What came of the trial of a baseline, what that means, and what to do.
pub fn text(trial: &Trial, agent: &AgentName, task: &Tasks) -> String {
    let mut out = String::new();
    let left_out =
        if trial.by_workspace { "each repository left out in turn" } else { "each session left out in turn" };
    if trial.sessions == 0 {
        return out;
    }
    if trial.refused == 0 {
        add_text!(
            out,
            "\n  of {} none would have been refused anything ({left_out})",
            sessions(trial.sessions)
        );
    } else {
        add_text!(
            out,
            "\n  {} of {} would have had a refusal ({left_out}):",
            trial.refused,
            sessions(trial.sessions)
        );
        for at in trial.places.iter().take(SAID) {
            let places = if at.places > 1 { format!(", {} places", at.places) } else { String::new() };
            add_text!(out, "\n    {:<8} `{}`  ({}{places})", verb(at.reach), at.place, sessions(at.sessions));
        }
        let more = trial.places.len().saturating_sub(SAID) + trial.more;
        if more > 0 {
            add_text!(out, "\n    and {}: `--json` names more", count(more as u64, "more place"));
        }
    }
    if trial.unstarted > 0 {
        add_text!(out, "\n  {} could not have started its own program", sessions(trial.unstarted));
    }
    if !trial.is_passed() {
        let more = if trial.by_workspace {
            "more sessions, and in more repositories,"
        } else {
            "sessions in other repositories"
        };
        add_text!(
            out,
            "\n  the baseline only watches: `enforce` reports what it would refuse. Record {more} with `wardline record --agent {agent} \
             --task {task}`, and train again; `enforce --force-baseline` enforces it now"
        );
    }
    out
}

/// The same in a few words, for a table.
pub fn short(trial: &Trial) -> String {
    match trial.refused {
        0 => String::new(),
        refused => format!("would have refused something to {refused} of {}", sessions(trial.sessions)),
    }
}

/// What becomes of recordings of which nobody said the task.
pub fn untasked(agent: &AgentName, recorded: usize) -> String {
    format!(
        "{} without a task teach the tasks of `{agent}` where it keeps its files, and make no baseline of their own: record \
         with `--task`, or make one with `wardline train --agent {agent} --task {}`",
        sessions(recorded),
        TaskName::default()
    )
}

fn sessions(number: usize) -> String {
    count(number as u64, "session")
}

pub fn verb(reach: Reach) -> &'static str {
    match reach {
        Reach::Read => "read",
        Reach::Write => "change",
        Reach::Create => "make",
        Reach::Remove => "remove",
        Reach::Exec => "run",
        Reach::Connect | Reach::Unix => "connect",
        Reach::Listen => "listen",
        Reach::Name => "ask for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::trial::Refused;

    #[test]
    fn a_trial_says_how_many_where_and_what_to_do() {
        let at =
            |reach, place: &str, places, sessions| Refused { reach, place: place.into(), places, sessions };
        let places = vec![
            at(Reach::Create, "$home/.claude/projects", 12, 9),
            at(Reach::Read, "$home/.toolrc", 1, 3),
            at(Reach::Exec, "$home/bin/x", 1, 2),
            at(Reach::Connect, "api.example.org:443", 1, 1),
            at(Reach::Remove, "$home/.cache/x", 2, 1),
        ];
        let failed = Trial { by_workspace: true, sessions: 12, refused: 9, unstarted: 1, places, more: 3 };
        insta::assert_snapshot!(text(&failed, &"codex".parse().unwrap(), &"edit".parse().unwrap()));
        let one = Trial { sessions: 3, refused: 1, places: failed.places[1..2].to_vec(), ..Trial::default() };
        insta::assert_snapshot!(
            "of_one_repository",
            text(&one, &"codex".parse().unwrap(), &"edit".parse().unwrap())
        );
        let none = Trial { by_workspace: true, sessions: 12, ..Trial::default() };
        insta::assert_snapshot!(
            "of_nothing",
            text(&none, &"codex".parse().unwrap(), &"edit".parse().unwrap())
        );
    }
}
