//! `wardline baseline diff`: what one baseline allows and another does not.

use super::which::Which;
use crate::commands::trial;
use anyhow::Result;
use command::{Exit, add_line};
use models::Baseline;
use profiler::{Difference, Differing, Library};
use serde::Serialize;
use text::count;

/// Places of each kind that are listed for people; `--json` has all.
const LISTED: usize = 20;

/// Two baselines side by side.
#[derive(Debug, Serialize)]
pub struct Compared {
    first: Side,
    second: Side,
    #[serde(flatten)]
    difference: Difference,
}

/// What one of them rests on.
#[derive(Debug, Serialize)]
struct Side {
    baseline: String,
    trained_at_unix_ns: i64,
    sessions: usize,
    workspaces: usize,
    held_out: usize,
    refused: usize,
    state: models::State,
}

impl Side {
    fn of(baseline: &Baseline) -> Side {
        Side {
            baseline: format!("{}/{}", baseline.agent, baseline.task),
            trained_at_unix_ns: baseline.trained_at_unix_ns,
            sessions: baseline.sessions,
            workspaces: baseline.workspaces,
            held_out: baseline.trial.sessions,
            refused: baseline.trial.refused,
            state: baseline.state(),
        }
    }
}

impl Compared {
    /// A baseline and another one, or the one whose place it took.
    pub fn of(library: &Library, which: &Which, other: Option<&Which>) -> Result<Compared> {
        let named = which.load(library)?;
        let (first, second) = match other {
            Some(other) => (named, other.load(library)?),
            None => {
                let former = library.former(&which.agent, &which.task)?.ok_or_else(|| {
                    Exit::Usage.error(format!(
                        "{which} took the place of no earlier baseline that is kept: name a second one to compare it with"
                    ))
                })?;
                (former, named)
            }
        };
        Ok(Compared {
            difference: Difference::between(&first, &second),
            first: Side::of(&first),
            second: Side::of(&second),
        })
    }
}

/// For people.
pub fn text(compared: &Compared) -> String {
    let mut out = String::new();
    for side in [&compared.first, &compared.second] {
        add_line!(
            out,
            "{}, trained {}: {} in {}, {}{}",
            side.baseline,
            command::table::time(side.trained_at_unix_ns),
            count(side.sessions as u64, "session"),
            count(side.workspaces as u64, "repository"),
            side.state.name(),
            match side.held_out {
                0 => String::new(),
                held_out => format!(", refuses something to {} of {held_out} held out", side.refused),
            }
        );
    }
    if compared.difference.is_none() {
        add_line!(out, "\nboth allow the same places");
        return out;
    }
    for (title, places) in [
        ("only the second allows", &compared.difference.added),
        ("only the first allows", &compared.difference.removed),
    ] {
        section(&mut out, title, places);
    }
    out
}

fn section(out: &mut String, title: &str, places: &[Differing]) {
    if places.is_empty() {
        return;
    }
    add_line!(out, "\n{title}");
    for place in places.iter().take(LISTED) {
        let below = if place.open { "  and what is new below" } else { "" };
        let line = format!("  {:<9} {:<40}{below}", trial::verb(place.reach), place.place);
        add_line!(out, "{}", line.trim_end());
    }
    if places.len() > LISTED {
        add_line!(out, "  and {} more: `--json` has them", places.len() - LISTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Reach;

    #[test]
    fn a_difference_is_told_by_places() {
        let side = |sessions, refused| Side {
            baseline: "codex/edit".into(),
            trained_at_unix_ns: 0,
            sessions,
            workspaces: sessions / 6,
            held_out: sessions,
            refused,
            state: if refused > 0 { models::State::Shadow } else { models::State::Enforcing },
        };
        let place = |reach, place: &str, open| Differing { reach, place: place.into(), open };
        let difference = Difference {
            added: vec![
                place(Reach::Read, "$home/.cache/uv", true),
                place(Reach::Exec, "$home/.local/bin/uv", false),
            ],
            removed: vec![place(Reach::Connect, "api.example.org:443", false)],
        };
        let mut compared = Compared { first: side(6, 2), second: side(12, 0), difference };
        let shown = |compared: &Compared| {
            let when = command::table::time(0);
            text(compared).replace(&when, "WHEN")
        };
        insta::assert_snapshot!(shown(&compared));
        compared.difference = Difference::default();
        assert!(shown(&compared).ends_with("\nboth allow the same places\n"));
    }
}
