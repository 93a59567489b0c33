//! Ways round the guard that are tried together: many in one session, each whose maker may be ended for it by a process of its own.
//! Each is first shown to lead there where nobody guards.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

mod jewels;
mod network;
mod root;

use anyhow::{Result, ensure};
use end_to_end::apart::ENDED;
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{Fate, came};
use end_to_end::scene::{Came, Scene, can_refuse, kernel, rows};
use std::collections::BTreeSet;

const OUT: &str = "Something leaves, or somebody comes in";

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// There is none without a client.
const BY_GIVEN: &str = "by a descriptor that the command was started with";

/// What comes of a way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// Refused everywhere.
    Refused,
    /// Its maker is ended where nothing refuses it.
    Ends,
    /// The same, where the kernel says what was changed.
    EndsWhereTold,
    /// Nothing refuses it.
    Happens,
}

impl Comes {
    fn here(self) -> Fate {
        match self {
            _ if self == Comes::Happens => Fate::Happened,
            _ if self == Comes::Refused || can_refuse() => Fate::Refused,
            Comes::EndsWhereTold if kernel() < (6, 13) => Fate::Happened,
            _ => Fate::Stopped,
        }
    }
}

/// A way: where it stands on the page, what comes of it, and whether there is no such way on some machines.
struct Way {
    of: &'static str,
    comes: Comes,
    everywhere: bool,
    attempt: Attempt,
}

fn ways<const N: usize>(of: &'static str, comes: Comes, all: [(&str, &str, &[&str]); N]) -> Vec<Way> {
    let made = rows(all).into_iter();
    made.map(|attempt| Way { of, comes, everywhere: true, attempt: attempt.apart() }).collect()
}

/// Those that lack something on some machines: a program, a file system, a protocol.
fn perhaps(ways: Vec<Way>) -> Vec<Way> {
    ways.into_iter().map(|way| Way { everywhere: false, ..way }).collect()
}

/// Tries all of it where nobody guards, and then in one session.
fn are_tried(
    scene: &dyn Fn() -> Result<Scene>,
    all: &dyn Fn(&Scene) -> Result<Vec<Way>>,
    session: &dyn Fn(&Scene, &[Attempt]) -> Result<Came>,
    by: &str,
) -> Result<Came> {
    let attempts = |ways: &[Way]| ways.iter().map(|way| way.attempt.clone()).collect::<Vec<_>>();
    let free = scene()?;
    let tried = all(&free)?;
    let free = free.free(&attempts(&tried))?;
    let mut leads = BTreeSet::new();
    for way in &tried {
        let name = &way.attempt.name;
        let does = free[name] == 0 || name == BY_GIVEN;
        ensure!(does || !way.everywhere, "no test: `{name}` fails without a guard: {}", free[name]);
        if does {
            leads.insert(name.clone());
        }
    }
    let guarded = scene()?;
    let tried: Vec<Way> =
        all(&guarded)?.into_iter().filter(|way| leads.contains(&way.attempt.name)).collect();
    let (found, summary, output) = session(&guarded, &attempts(&tried))?;
    let mut wrong = Vec::new();
    for way in &tried {
        let name = &way.attempt.name;
        let fate = way.comes.here();
        let right = match (fate, found.get(name)) {
            (Fate::Refused, Some(errno)) => [libc::EPERM, libc::EACCES].contains(errno),
            (Fate::Stopped, Some(errno)) => *errno == ENDED,
            (_, errno) => errno == Some(&0),
        };
        if right {
            came(way.of, name, by, fate);
        } else {
            wrong.push(format!("{name}: {:?}", found.get(name)));
        }
    }
    ensure!(wrong.is_empty(), "by {by}: {wrong:#?}\n{summary:#}\n{output:?}");
    Ok((found, summary, output))
}
