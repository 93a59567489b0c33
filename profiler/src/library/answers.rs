//! A user's answers to refusals of a baseline. They belong to the user's agent and not to a baseline: training anew takes
//! nothing of it away.
//!
//! `ROOT/answers`, a list in MessagePack, replaced whole.

use crate::{Error, Library, file};
use event::{AgentName, Stage, Tokeniser};
use models::Allowed;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use store::{Reader, Session};

/// Bytes of the file.
const BYTES_MAX: usize = 4 << 20;

/// Answers that are kept, and as many of those that were taken back.
const ANSWERS_MAX: usize = 512;

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It is normal.
    Always,
    /// It is normal until then, ns since 1970.
    Until(i64),
    /// It is normal in the session in which it was refused, as long as that runs.
    Session,
    /// It is rightly refused.
    No,
}

/// An answer to a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Counted from 1, and never given again while a later one is there.
    pub number: u64,
    /// The agent.
    pub agent: AgentName,
    /// The session in which it was refused.
    pub session: i64,
    /// When it was answered, ns since 1970.
    pub said_unix_ns: i64,
    /// What was refused, in words.
    pub about: String,
    /// The answer.
    pub says: Says,
    /// What it is about, or opens.
    pub places: Vec<Allowed>,
    /// When it was taken back, ns since 1970: it opens nothing any more, and is kept so that what it opened is not taught.
    #[serde(default)]
    pub taken_back_unix_ns: Option<i64>,
}

impl Answer {
    /// Whether it opens its places in a session, at a time in ns since 1970.
    pub fn opens_in(&self, session: Option<i64>, now: i64) -> bool {
        self.stands()
            && match self.says {
                Says::Always => true,
                Says::Until(end) => now < end,
                Says::Session => session == Some(self.session),
                Says::No => false,
            }
    }

    /// Whether nobody has taken it back.
    fn stands(&self) -> bool {
        self.taken_back_unix_ns.is_none()
    }

    /// When it was last changed, ns since 1970.
    pub(crate) fn changed_unix_ns(&self) -> i64 {
        self.taken_back_unix_ns.unwrap_or(self.said_unix_ns)
    }

    /// Takes it back; whether something must remember it.
    fn take_back(&mut self, now: i64) -> bool {
        self.taken_back_unix_ns = Some(now);
        self.says != Says::No
    }
}

/// What answers open for an agent in a session, at a time in ns since 1970.
pub(crate) fn allowed(answers: &[Answer], agent: &AgentName, session: Option<i64>, now: i64) -> Vec<Allowed> {
    let of_agent = answers.iter().filter(|answer| answer.agent == *agent && answer.opens_in(session, now));
    of_agent.flat_map(|answer| answer.places.iter().cloned()).collect()
}

/// What a person allowed an agent at any time: that it is refused later is what was said.
pub(crate) fn decided(answers: &[Answer], agent: &AgentName) -> Vec<Allowed> {
    let opened = |answer: &&Answer| answer.agent == *agent && answer.stands() && answer.says != Says::No;
    answers.iter().filter(opened).flat_map(|answer| answer.places.iter().cloned()).collect()
}

/// What an agent was allowed and is no more, since that was taken back.
pub(crate) fn taken_back(answers: &[Answer], agent: &AgentName) -> Vec<Allowed> {
    let decided = decided(answers, agent);
    let of_agent = answers.iter().filter(|answer| answer.agent == *agent && !answer.stands());
    let places = of_agent.flat_map(|answer| answer.places.iter().cloned());
    places.filter(|place| !decided.iter().any(|decided| decided.covers(place))).collect()
}

/// Whether somebody answered to what was refused in a session, and is not to be asked again.
pub fn is_answered(answers: &[Answer], session: &Session, opens: &[Allowed], now: i64) -> bool {
    let counts = |answer: &Answer| {
        answer.stands() && (answer.says == Says::No || answer.opens_in(Some(session.id.0), now))
    };
    covers(answers, session, opens, counts)
}

/// Whether answers of an agent that count cover all of it.
fn covers(
    answers: &[Answer],
    session: &Session,
    opens: &[Allowed],
    counts: impl Fn(&Answer) -> bool,
) -> bool {
    let of_agent = || answers.iter().filter(|answer| session.meta.agent == answer.agent && counts(answer));
    let covers =
        |opened: &Allowed| of_agent().any(|answer| answer.places.iter().any(|place| place.covers(opened)));
    !opens.is_empty() && opens.iter().all(covers)
}

/// Whether all that was refused in a session is allowed now, whatever session asks. What was rightly refused was an attempt of
/// somebody who may have done more.
pub(crate) fn is_reviewed(
    reader: &Reader,
    session: &Session,
    answers: &[Answer],
    now: i64,
) -> Result<bool, Error> {
    let tokeniser = Tokeniser::new(session.meta.context.clone());
    let mut is_allowed = true;
    let mut refused = 0;
    reader.events_only(session.id, &mut |event| {
        if let Some(decision) = event.decision {
            refused += 1;
            is_allowed &= decision.stage == Stage::T1
                && covers(answers, session, &Allowed::of(&event, &tokeniser), |answer| {
                    answer.opens_in(None, now)
                });
        }
        if is_allowed { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // One that is not in the store was answered by nobody.
    let told = session.summary.as_ref().map_or(0, |summary| summary.denied + summary.stopped);
    Ok(is_allowed && refused > 0 && refused >= told)
}

impl Library {
    fn answers_path(&self) -> PathBuf {
        self.root().join("answers")
    }

    /// Everything that was answered and was not taken back.
    pub fn answers(&self) -> Result<Vec<Answer>, Error> {
        let mut answers = self.ever_answered()?;
        answers.retain(Answer::stands);
        Ok(answers)
    }

    /// The same with what was taken back: what training is to know.
    pub fn ever_answered(&self) -> Result<Vec<Answer>, Error> {
        read(&self.answers_path())
    }

    /// What the answers open for an agent.
    pub fn allowed(&self, agent: &AgentName, session: Option<i64>, now: i64) -> Result<Vec<Allowed>, Error> {
        Ok(allowed(&self.answers()?, agent, session, now))
    }

    /// Keeps an answer in the place of the one that was given to the same, and gives it its number. One that says no takes the
    /// other back.
    pub fn answer(&self, mut answer: Answer) -> Result<Answer, Error> {
        let _lock = file::lock(self.root())?;
        let mut answers = self.ever_answered()?;
        answers.retain_mut(|other| {
            let is_other = other.agent != answer.agent || other.places != answer.places;
            is_other || answer.says == Says::No && other.take_back(answer.said_unix_ns)
        });
        if answers.iter().filter(|answer| answer.stands()).count() >= ANSWERS_MAX {
            return Err(Error::Unsafe {
                path: self.answers_path(),
                problem: "full: `wardline forget` makes room",
            });
        }
        answer.number = answers.iter().map(|answer| answer.number).max().unwrap_or(0) + 1;
        answers.push(answer.clone());
        self.write_answers(answers)?;
        Ok(answer)
    }

    /// Takes an answer back at a time in ns since 1970; `None` where there is none of that number.
    pub fn forget(&self, number: u64, now: i64) -> Result<Option<Answer>, Error> {
        let _lock = file::lock(self.root())?;
        let mut answers = self.ever_answered()?;
        let found = answers.iter().position(|answer| answer.number == number && answer.stands());
        let Some(mut forgotten) = found.map(|at| answers.remove(at)) else { return Ok(None) };
        let answered = forgotten.clone();
        if forgotten.take_back(now) {
            answers.push(forgotten);
        }
        self.write_answers(answers)?;
        Ok(Some(answered))
    }

    /// Of those that were taken back the last are remembered, as far as there is room: taking one back succeeds.
    fn write_answers(&self, mut answers: Vec<Answer>) -> Result<(), Error> {
        let path = self.answers_path();
        answers.sort_by_key(|answer| (answer.taken_back_unix_ns, answer.number));
        let standing = answers.iter().filter(|answer| answer.stands()).count();
        let past = answers.len().saturating_sub(standing + ANSWERS_MAX);
        answers.drain(standing..standing + past);
        let encoded = |answers: &[Answer]| {
            let bytes = rmp_serde::to_vec_named(answers);
            bytes.map_err(|_| Error::Unsafe { path: path.clone(), problem: "not to be written down" })
        };
        let mut bytes = encoded(&answers)?;
        while bytes.len() > BYTES_MAX && answers.len() > standing {
            let older = (answers.len() - standing).div_ceil(2);
            answers.drain(standing..standing + older);
            bytes = encoded(&answers)?;
        }
        if bytes.len() > BYTES_MAX {
            return Err(Error::Unsafe { path, problem: "full: `wardline forget` makes room" });
        }
        file::replace(&path, &bytes)
    }
}

fn read(path: &Path) -> Result<Vec<Answer>, Error> {
    let Some(bytes) = file::read_private(path, BYTES_MAX)? else { return Ok(Vec::new()) };
    rmp_serde::from_slice(&bytes).map_err(|_| Error::Unsafe { path: path.to_owned(), problem: "malformed" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Place, Reach};

    const NOW: i64 = 1_000;

    fn agent(name: &str) -> AgentName {
        name.parse().unwrap()
    }

    fn answer(of: &str, name: &str, says: Says) -> Answer {
        let place = Place { reach: Reach::Read, components: ["$home".into(), name.into()].into() };
        Answer {
            number: 0,
            agent: agent(of),
            session: 7,
            said_unix_ns: NOW,
            about: format!("open ~/{name}"),
            says,
            places: vec![Allowed { place, below: false }],
            taken_back_unix_ns: None,
        }
    }

    #[test]
    fn an_answer_holds_for_its_agent_as_long_as_it_was_given_for() {
        let directory = tempfile::tempdir().unwrap();
        let library = Library::new(directory.path().join("1000"));
        assert_eq!(library.answers().unwrap(), []);
        for (name, says) in
            [("a", Says::Always), ("b", Says::Until(2_000)), ("c", Says::Session), ("d", Says::No)]
        {
            library.answer(answer("codex", name, says)).unwrap();
        }
        let open = |of: &str, session, now| {
            let allowed = library.allowed(&agent(of), session, now).unwrap();
            allowed.iter().map(|allowed| allowed.place.components[1].to_string()).collect::<String>()
        };
        assert_eq!(open("codex", Some(7), NOW), "abc");
        assert_eq!(open("codex", Some(8), NOW), "ab");
        assert_eq!(open("codex", None, 2_000), "a");
        assert_eq!(open("aider", Some(7), NOW), "");
    }

    #[test]
    fn as_many_are_remembered_that_were_taken_back_as_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let library = Library::new(directory.path());
        let made: Vec<Answer> = (0..2 * ANSWERS_MAX as u64)
            .map(|number| Answer {
                number,
                taken_back_unix_ns: (number > 2).then_some(NOW + number as i64),
                ..answer("codex", &number.to_string(), Says::Always)
            })
            .collect();
        library.write_answers(made).unwrap();
        let kept: Vec<u64> = library.ever_answered().unwrap().iter().map(|answer| answer.number).collect();
        let last = ANSWERS_MAX as u64..2 * ANSWERS_MAX as u64;
        assert_eq!(kept, (0..3).chain(last).collect::<Vec<u64>>());
    }

    #[test]
    fn the_last_answer_to_the_same_counts_and_each_can_be_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let library = Library::new(directory.path());
        let numbers = ["a", "b", "a"].map(|name| {
            let says = if name == "a" { Says::No } else { Says::Always };
            library.answer(answer("codex", name, says)).unwrap().number
        });
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(library.answers().unwrap().len(), 2);
        assert_eq!(library.forget(1, NOW).unwrap(), None);
        assert_eq!(library.forget(2, NOW).unwrap().map(|answer| answer.about), Some("open ~/b".into()));
        assert_eq!(library.allowed(&agent("codex"), None, NOW).unwrap(), []);
        assert_eq!(taken_back(&library.ever_answered().unwrap(), &agent("codex")).len(), 1);
        library.answer(answer("codex", "b", Says::Until(2_000))).unwrap();
        assert_eq!(
            taken_back(&library.ever_answered().unwrap(), &agent("codex")),
            [],
            "it was allowed again"
        );
        library.answer(answer("codex", "b", Says::No)).unwrap();
        let ever = library.ever_answered().unwrap();
        assert_eq!(
            (taken_back(&ever, &agent("codex")).len(), taken_back(&ever, &agent("aider")).len()),
            (1, 0)
        );
        assert_eq!((decided(&ever, &agent("codex")), library.answers().unwrap().len()), (vec![], 2));
        let malformed = library.answers_path();
        file::replace(&malformed, b"\xc1").unwrap();
        assert!(library.answers().unwrap_err().to_string().contains("malformed"));
    }
}
