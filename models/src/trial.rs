//! What a baseline would refuse to sessions that it does not know: each workspace is left out in turn, with all of its
//! sessions, since the next repository is the case that matters; where all sessions were in one workspace, each session.
//!
//! The agent's very first session is not tried: it sets up what every later one finds (`~/.codex/skills`, caches, locks), and
//! what it alone did will not be done again.
//!
//! Asked is what a compiled baseline is asked: [`event::Step::asked`].
#![expect(clippy::cast_possible_truncation, reason = "a store has fewer sessions than numbers")]
#![expect(clippy::indexing_slicing, reason = "a place has names, and is cut within them")]

use crate::allowed::Allowed;
use crate::novelty::Novelty;
use crate::openness::DENIAL_BUDGET_BITS;
use crate::words::words;
use bstr::BString;
use event::open::is_compiled;
use event::{Place, Reach};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Of so many held-out sessions one may be refused something before the baseline only watches.
pub const SESSIONS_A_REFUSAL: usize = 10;

/// Folds at most: with more workspaces than this, several are left out at a time.
const FOLDS_MAX: usize = 20;

/// Places that a baseline keeps of its trial; the rest is only counted.
const PLACES_MAX: usize = 20;

/// Components, the first one included, below which places are told as one.
const DEPTH: usize = 4;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Whole workspaces were left out, and not sessions of the only one.
    pub by_workspace: bool,
    /// Sessions that were left out.
    pub sessions: usize,
    /// Sessions that would have been refused something.
    pub refused: usize,
    /// Sessions whose own program would have been refused its start.
    pub unstarted: usize,
    /// Where, those first that most sessions reached for.
    pub places: Vec<Refused>,
    /// Regions that are not among them.
    pub more: usize,
}

/// A place, or several that lie near each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How it was reached for.
    pub reach: Reach,
    /// The place, or what the places have in common.
    pub place: String,
    /// How many places there are.
    pub places: usize,
    /// Sessions that reached for one of them.
    pub sessions: usize,
}

/// What one session was asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'f> {
    /// A number that tells its workspace from others.
    pub workspace: u64,
    /// All of it.
    pub asked: &'f BTreeSet<Place>,
    /// That of its own program.
    pub start: &'f BTreeSet<Place>,
}

/// Places that are told as one, and who reached for them.
#[derive(Default)]
struct Fold<'f> {
    places: BTreeSet<&'f Place>,
    sessions: BTreeSet<u32>,
}

impl Trial {
    /// Tries what was learned of these sessions, of which one may be the agent's first, and what a person allowed besides.
    pub(crate) fn hold(
        learned: &Novelty,
        held: &[Held<'_>],
        first_run: Option<usize>,
        allowed: &[Allowed],
    ) -> Trial {
        let mut workspaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (session, held) in held.iter().enumerate() {
            workspaces.entry(held.workspace).or_default().push(session as u32);
        }
        let by_workspace = workspaces.len() > 1;
        let units: Vec<Vec<u32>> = if by_workspace {
            workspaces.into_values().collect()
        } else {
            (0..held.len() as u32).map(|session| vec![session]).collect()
        };
        let mut trial = Trial { by_workspace, ..Trial::default() };
        let mut folded: BTreeMap<(Reach, &[BString]), Fold<'_>> = BTreeMap::new();
        let folds = units.len().min(FOLDS_MAX);
        for first in 0..folds {
            let mut fold: Vec<u32> = units.iter().skip(first).step_by(folds).flatten().copied().collect();
            fold.sort_unstable();
            let mut rest = learned.without(&fold);
            rest.allow(allowed.iter().cloned());
            let refuses =
                |place: &&Place| is_compiled(place) && rest.first_touch_bits(place) >= DENIAL_BUDGET_BITS;
            for session in fold {
                let tried = held.get(session as usize).filter(|_| first_run != Some(session as usize));
                let Some(held) = tried else { continue };
                trial.sessions += 1;
                trial.unstarted += usize::from(held.start.iter().any(|place| refuses(&place)));
                let before = folded.values().map(|fold| fold.sessions.len()).sum::<usize>();
                for place in held.asked.iter().filter(refuses) {
                    let depth = if is_path(place) {
                        DEPTH.min(place.components.len())
                    } else {
                        place.components.len()
                    };
                    let fold = folded.entry((place.reach, &place.components[..depth])).or_default();
                    fold.places.insert(place);
                    fold.sessions.insert(session);
                }
                let after = folded.values().map(|fold| fold.sessions.len()).sum::<usize>();
                trial.refused += usize::from(after > before);
            }
        }
        let mut places: Vec<Refused> =
            folded.iter().map(|((reach, components), fold)| fold.told(*reach, components)).collect();
        places.sort_by(|a, b| {
            b.sessions.cmp(&a.sessions).then(b.places.cmp(&a.places)).then(a.place.cmp(&b.place))
        });
        trial.more = places.len().saturating_sub(PLACES_MAX);
        places.truncate(PLACES_MAX);
        trial.places = places;
        trial
    }

    /// Adds that of another baseline.
    pub(crate) fn merge(&mut self, other: &Trial) {
        self.by_workspace &= other.by_workspace;
        self.sessions += other.sessions;
        self.refused += other.refused;
        self.unstarted += other.unstarted;
        self.places.extend(other.places.iter().cloned());
        self.places.sort_by(|a, b| b.sessions.cmp(&a.sessions).then(a.place.cmp(&b.place)));
        self.more += other.more + self.places.len().saturating_sub(PLACES_MAX);
        self.places.truncate(PLACES_MAX);
    }

    /// Whether it passed: every session would have started, and no more than one in [`SESSIONS_A_REFUSAL`] would have been
    /// refused anything.
    pub fn is_passed(&self) -> bool {
        self.unstarted == 0 && self.refused * SESSIONS_A_REFUSAL <= self.sessions
    }
}

impl Fold<'_> {
    fn told(&self, reach: Reach, components: &[BString]) -> Refused {
        let place = match self.places.first() {
            Some(only) if self.places.len() == 1 => words(only),
            _ => words(&Place { reach, components: components.into() }),
        };
        Refused { reach, place, places: self.places.len(), sessions: self.sessions.len() }
    }
}

/// Whether it is of the file system, and not of a network.
fn is_path(place: &Place) -> bool {
    !place.components[0].starts_with(b"$net") && place.components[0] != "$host"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(reach: Reach, path: &str) -> Place {
        let components = std::iter::once("$home").chain(path.split('/')).map(BString::from).collect();
        Place { reach, components }
    }

    struct Session {
        workspace: u64,
        asked: BTreeSet<Place>,
        start: BTreeSet<Place>,
    }

    fn session(workspace: u64, start: &str, read: &[String]) -> Session {
        let start = BTreeSet::from([place(Reach::Exec, start)]);
        let read = read.iter().map(|path| place(Reach::Read, path));
        Session { workspace, asked: read.chain(start.iter().cloned()).collect(), start }
    }

    fn trial(sessions: &[Session]) -> Trial {
        trial_after(sessions, None)
    }

    fn trial_after(sessions: &[Session], first_run: Option<usize>) -> Trial {
        trial_with(sessions, first_run, &[])
    }

    fn trial_with(sessions: &[Session], first_run: Option<usize>, allowed: &[Allowed]) -> Trial {
        let learned = Novelty::learn(sessions.iter().map(|session| (session.workspace, &session.asked)));
        let held: Vec<Held<'_>> = sessions
            .iter()
            .map(|Session { workspace, asked, start }| Held { workspace: *workspace, asked, start })
            .collect();
        Trial::hold(&learned, &held, first_run, allowed)
    }

    #[test]
    fn what_every_session_does_is_refused_to_none() {
        let sessions: Vec<Session> =
            (0..6).map(|n| session(n / 2, "bin/tool", &["usual".to_owned()])).collect();
        let came = trial(&sessions);
        assert_eq!((came.by_workspace, came.sessions, came.refused, came.unstarted), (true, 6, 0, 0));
        assert!(came.is_passed() && came.places.is_empty());
    }

    #[test]
    fn what_each_workspace_has_of_its_own_is_refused_in_the_next_one() {
        let of = |n: u64| {
            let own = format!("state/tool/{n}");
            vec!["usual".to_owned(), format!("{own}/a/x"), format!("{own}/a/y")]
        };
        let sessions: Vec<Session> = (0..4).map(|n| session(n / 2, "bin/tool", &of(n / 2))).collect();
        let came = trial(&sessions);
        assert_eq!((came.sessions, came.refused, came.unstarted), (4, 4, 0));
        assert!(!came.is_passed());
        let told: Vec<_> = came.places.iter().map(|at| (at.place.as_str(), at.places, at.sessions)).collect();
        assert_eq!(told, [("$home/state/tool/0", 2, 2), ("$home/state/tool/1", 2, 2)]);
    }

    #[test]
    fn in_one_workspace_each_session_is_left_out() {
        let sessions: Vec<Session> =
            (0..4).map(|n| session(7, if n == 3 { "bin/other" } else { "bin/tool" }, &[])).collect();
        let came = trial(&sessions);
        assert_eq!((came.by_workspace, came.sessions, came.refused, came.unstarted), (false, 4, 1, 1));
        assert_eq!((came.places[0].place.as_str(), came.places[0].reach), ("$home/bin/other", Reach::Exec));
    }

    #[test]
    fn what_a_first_run_sets_up_is_held_against_nobody() {
        let of = |n| {
            if n == 0 {
                vec!["usual".to_owned(), "state/tool/new".to_owned()]
            } else {
                vec!["usual".to_owned()]
            }
        };
        let sessions: Vec<Session> = (0..6).map(|n| session(n / 2, "bin/tool", &of(n))).collect();
        let came = trial(&sessions);
        assert_eq!((came.sessions, came.refused, came.is_passed()), (6, 1, false));
        let came = trial_after(&sessions, Some(0));
        assert_eq!((came.sessions, came.refused, came.is_passed()), (5, 0, true));
    }

    #[test]
    fn what_a_person_allowed_is_refused_to_nobody() {
        let of = |n| {
            if n == 3 { vec!["usual".to_owned(), "letters/a".to_owned()] } else { vec!["usual".to_owned()] }
        };
        let sessions: Vec<Session> = (0..4).map(|n| session(n / 2, "bin/tool", &of(n))).collect();
        assert_eq!(trial(&sessions).refused, 1);
        let allowed = Allowed { place: place(Reach::Read, "letters/a"), below: false };
        assert_eq!(trial_with(&sessions, None, &[allowed]).refused, 0);
    }

    #[test]
    fn one_in_ten_may_be_refused_something() {
        let of = |refused, sessions, unstarted| {
            Trial { refused, sessions, unstarted, ..Trial::default() }.is_passed()
        };
        assert!(of(0, 3, 0) && of(1, 10, 0) && of(2, 20, 0));
        assert!(!of(1, 9, 0) && !of(2, 19, 0) && !of(1, 40, 1));
    }
}
