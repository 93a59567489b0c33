//! A session that stands still, on its user's own terminal: what froze it, why, and how it goes on.
//!
//! Nothing of the session runs meanwhile, so that the terminal is free: it is borrowed, and given back as it was. What was
//! typed before counts for nothing, and a key counts only after a moment of silence: neither what the session pushed into
//! the terminal nor what its user was typing answers. Without a terminal it is said on standard error, once.

mod keys;
mod screen;

use command::style;
use keys::{Key, Keys};
use nix::unistd::Pid;
use screen::Screen;
use std::fs::File;
use std::time::{Duration, Instant};
use wire::{Frozen, GoOn};

/// Nothing is typed for so long before a key counts.
const SILENCE: Duration = Duration::from_millis(500);

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on.
    GoOn(GoOn),
    /// It ends.
    Kill,
    /// The shell is wanted.
    Suspend,
}

/// A session that stands still.
pub(super) struct Standing {
    frozen: Frozen,
    screen: Option<Screen>,
    keys: Keys,
    counts_from: Instant,
}

impl Standing {
    /// Says it where the user looks: on the terminal that this process or the session of `command` has, or on standard
    /// error.
    pub(super) fn new(frozen: Frozen, command: Option<Pid>) -> Self {
        let screen = Screen::borrow(command);
        let mut standing =
            Self { frozen, screen, keys: Keys::default(), counts_from: Instant::now() + SILENCE };
        standing.say("");
        standing
    }

    /// It stands still for more than it did.
    pub(super) fn again(&mut self, frozen: Frozen) {
        self.frozen = frozen;
        self.counts_from = Instant::now() + SILENCE;
        self.say("");
    }

    /// Says it, with what else is to be said.
    pub(super) fn say(&mut self, more: &str) {
        let text = words(&self.frozen);
        match &mut self.screen {
            Some(screen) => screen.show(&format!("{text}\n{}\n{more}\n", keys_of(&self.frozen))),
            None => {
                anstream::eprintln!("{} {text}{}\n{more}", style::name("wardline:"), elsewhere(&self.frozen))
            }
        }
    }

    /// Which freeze it is: see [`Frozen::number`].
    pub(super) fn number(&self) -> u32 {
        self.frozen.number
    }

    /// What keys come from.
    pub(super) fn terminal(&self) -> Option<&File> {
        self.screen.as_ref().map(Screen::file)
    }

    /// What the user answers, if what was typed is an answer.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let typed = self.screen.as_mut()?.read();
        let keys = self.keys.read(&typed);
        if keys.contains(&Key::Interrupt) {
            return Some(Answer::Kill);
        }
        let now = Instant::now();
        let counts = now >= self.counts_from;
        if !counts {
            self.counts_from = now + SILENCE;
        }
        match keys.as_slice() {
            [Key::Suspend] => Some(Answer::Suspend),
            [Key::Letter(b'c')] if counts && self.frozen.may_go_on => Some(Answer::GoOn(GoOn::Once)),
            [Key::Letter(b's')] if counts && self.frozen.may_go_on => Some(Answer::GoOn(GoOn::Session)),
            [Key::Letter(b'k')] if counts => Some(Answer::Kill),
            _ => None,
        }
    }

    /// Gives the terminal up for a while: [`Standing::new`] takes it again.
    pub(super) fn put_away(self) -> Frozen {
        self.frozen
    }

    /// The session goes on.
    pub(super) fn gone_on(self) {
        if let Some(screen) = self.screen {
            screen.give_back();
        }
    }

    /// The session is dead.
    pub(super) fn ended(self) {
        if let Some(screen) = self.screen {
            screen.clear_up();
        }
    }
}

/// What froze it, and why.
fn words(frozen: &Frozen) -> String {
    let by = frozen.stage.map_or_else(String::new, |stage| format!(" by {}", stage.name()));
    let mut text = format!(
        "session {} of `{}` was frozen{by}: nothing of it runs\n",
        frozen.session,
        plain(frozen.agent.as_str())
    );
    for what in &frozen.what {
        text.push_str(&format!("  what       {}\n", plain(what)));
    }
    for why in &frozen.why {
        text.push_str(&format!("  why        {}\n", plain(why)));
    }
    text
}

fn keys_of(frozen: &Frozen) -> String {
    let go_on = if frozen.may_go_on {
        "  c          go on; the same event does not freeze this session again\n  \
           s          go on, and never freeze this session again\n"
    } else {
        "  the session cannot go on\n"
    };
    format!(
        "{go_on}  k, Ctrl-C  end it: every process of it is killed\n  Ctrl-Z     to the shell; `fg` comes back here\n\n{}",
        elsewhere(frozen)
    )
}

/// How it is answered from elsewhere.
fn elsewhere(frozen: &Frozen) -> String {
    let stop = format!("wardline stop-session {}", frozen.session);
    if frozen.may_go_on {
        format!("  elsewhere  `{stop} --thaw` lets it go on, `{stop} --kill` ends it")
    } else {
        format!("  elsewhere  `{stop} --kill` ends it")
    }
}

/// Without what acts on a terminal: names come from the guarded side.
fn plain(text: &str) -> String {
    text::masked(text, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Stage;

    fn frozen() -> Frozen {
        Frozen {
            number: 1,
            session: "17".into(),
            agent: "codex".parse().unwrap(),
            stage: Some(Stage::T0),
            what: vec!["NOT prevented: `rename /home/u/.bashrc\u{1b}` happened; the session was frozen afterwards (T0)".into()],
            why: vec!["`~/.bashrc` is a crown jewel (shell start-up): no agent session may change it".into()],
            may_go_on: true,
        }
    }

    #[test]
    fn it_says_what_froze_it_and_what_to_do() {
        insta::assert_snapshot!(format!("{}\n{}", words(&frozen()), keys_of(&frozen())));
    }

    #[test]
    fn what_cannot_go_on_says_so() {
        let frozen = Frozen { may_go_on: false, stage: None, what: Vec::new(), ..frozen() };
        insta::assert_snapshot!(format!("{}\n{}", words(&frozen), keys_of(&frozen)));
    }
}
