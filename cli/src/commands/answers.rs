//! A user's answers to refusals, from outside of every session: permission, storage, and messages.

use super::denials::{Denial, short};
use super::reading;
use crate::client::connect;
use anyhow::Result;
use bstr::BStr;
use command::{Exit, State, table, user};
use event::{AgentName, Mode, SessionRef, Stage};
use models::{Allowed, Baseline, words};
use nix::unistd::Uid;
use profiler::{Answer, Library, Says};
use std::collections::BTreeSet;
use std::time::Duration;
use wire::Request;

/// The library of the user whose sessions are meant, for who may answer: root, and nobody inside a session.
pub(super) fn library(state: &State, whose: Option<&str>) -> Result<(u32, Library)> {
    connect::is_served(state)?;
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect
            .error("answers are written by root, since no session can be: use `sudo wardline`"));
    }
    let uid = user::owner(whose, state)?;
    Ok((uid, Library::new(state.user(uid))))
}

/// Now, ns since 1970.
pub(super) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Until so long from now.
pub(super) fn until(time: Duration) -> Says {
    Says::Until(now().saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)))
}

/// What would be opened by allowing a denial; an error says why nothing can be.
pub(super) fn opened_by(denial: &Denial, baseline: Option<&Baseline>) -> Result<Vec<Allowed>> {
    let refused = |why: String| Err(Exit::Refused.error(format!("nothing was opened: {why}")));
    match denial.stage {
        Stage::T0 => {
            return refused(format!(
                "`{}` is closed by a rule: `wardline policy explain PLACE` names it, and `sudo wardline policy allow PLACE` \
                 opens one that is not final",
                denial.what
            ));
        }
        Stage::T2 => {
            return refused("the score decides about what was done before, not about a place".into());
        }
        Stage::T1 if denial.opens.is_empty() => {
            return refused(format!(
                "`{} {}` is no place that an answer opens, or has a name that stands for many (a number, a date); `--below DIR` \
                 opens a whole directory",
                denial.op, denial.what
            ));
        }
        Stage::T1 => {}
    }
    is_free(&denial.opens, denial, baseline)?;
    Ok(denial.opens.clone())
}

/// An error where an answer would open what is obeyed in the agent's own state.
pub(super) fn is_free(opened: &[Allowed], denial: &Denial, baseline: Option<&Baseline>) -> Result<()> {
    let closes = |allowed: &Allowed| {
        let names: Vec<&BStr> = allowed.place.components.iter().map(BStr::new).collect();
        baseline.is_some_and(|baseline| baseline.models.novelty.state().closes(allowed.place.reach, &names))
    };
    if opened.iter().any(closes) {
        return Err(Exit::Refused.error(format!(
            "nothing was opened: programs outside of sessions run or obey `{}`, so that only sessions that did it teach it: \
             `wardline record` two of them, and `wardline train`",
            denial.what
        )));
    }
    Ok(())
}

/// Keeps an answer to a denial.
pub(super) fn keep(
    library: &Library,
    (session, denial): (&store::Session, &Denial),
    says: Says,
    places: Vec<Allowed>,
) -> Result<Answer> {
    let answer = Answer {
        number: 0,
        agent: session.meta.agent.clone(),
        session: session.id.0,
        said_unix_ns: now(),
        about: short(&format!("{} {}", denial.op, denial.what)),
        says,
        places,
        taken_back_unix_ns: None,
    };
    Ok(library.answer(answer)?)
}

/// Has the running sessions of an agent, or one of them, take in what was answered. What was said of each.
pub(super) fn take_in(state: &State, uid: u32, agent: &AgentName, only: Option<i64>) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for running in reading::running(state)? {
        let is_meant = only.is_none_or(|only| running.session == only.to_string());
        if running.uid != uid || running.agent != *agent || running.mode == Mode::Record || !is_meant {
            continue;
        }
        let Ok(session) = running.session.parse::<SessionRef>() else { continue };
        let (owner, task) = (Some(uid), running.task.clone());
        let Some(supervisor) = connect::running(state)? else { break };
        match connect::ask(&supervisor, &Request::Task { session, owner, task }, &[]) {
            Ok(_) => said.push(format!("session {session} goes by it from now on")),
            Err(error) => said.push(format!("session {session} goes on as before: {error}")),
        }
    }
    Ok(said)
}

/// How long an answer holds, in words.
pub(super) fn how_long(answer: &Answer) -> String {
    match answer.says {
        Says::Always => "always".to_owned(),
        Says::Until(end) if end < now() => format!("until {}, which is over", table::time(end)),
        Says::Until(end) => format!("until {}", table::time(end)),
        Says::Session => format!("in session {} alone", answer.session),
        Says::No => "never".to_owned(),
    }
}

/// The places that an answer is about, each once.
pub(super) fn places(answer: &[Allowed]) -> String {
    let each: BTreeSet<String> = answer
        .iter()
        .map(|allowed| {
            let below = if allowed.below { " and all below it" } else { "" };
            format!("`{}`{below}", shown(allowed))
        })
        .collect();
    each.into_iter().collect::<Vec<_>>().join(", ")
}

/// A place as people write it.
pub(super) fn shown(allowed: &Allowed) -> String {
    let words = words(&allowed.place);
    words.strip_prefix("$home").map(|below| format!("~{below}")).unwrap_or(words)
}
