//! The terminal is the command's. The client only looks whether it is at one, and puts it right after a command that
//! was killed in the midst of a full-screen program.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Whether this process is in the foreground of a terminal at its standard input.
pub fn foreground() -> bool {
    tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// The terminal's settings before the command.
pub struct Settings(Option<Termios>);

impl Settings {
    /// Remembers them.
    pub fn now() -> Self {
        Self(tcgetattr(rustix::stdio::stdin()).ok())
    }

    /// Puts them back: for a command that a signal ended, since it could not do so itself.
    pub fn restore(&self) {
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, settings);
        }
    }
}
