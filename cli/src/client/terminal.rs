//! The terminal is the command's. The client only looks whether it is at one, and takes it back once the session has ended: what
//! a session has left there (input that waits for the shell, a hidden cursor, a second screen) would outlive it.

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{getpgrp, test_kill_process_group};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

/// What makes text be seen again, and moves the cursor nowhere: the whole screen scrolls; usual colours, characters and line ends;
/// the cursor; the first screen. ECMA-48, and xterm's control sequences.
const SEEN: &[u8] = b"\x1b7\x1b[r\x1b8\x1b[0m\x1b(B\x0f\x1b[?7h\x1b[?25h\x1b[?1047l";

/// Has what is said from here on seen, whatever the session has left switched on.
pub fn be_seen() {
    let mut errors = std::io::stderr();
    if errors.is_terminal() {
        #[expect(clippy::let_underscore_must_use, reason = "nothing is seen where nothing can be written")]
        let _ = errors.write_all(SEEN);
    }
}

/// Whether this process is in the foreground of a terminal at its standard input.
pub fn foreground() -> bool {
    tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Asks at the terminal. What was typed before the question is no answer to it.
pub fn is_yes(question: &str) -> std::io::Result<bool> {
    let mut out = std::io::stdout();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone has nothing to be read")]
    let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// The controlling terminal, as it was before the command.
pub struct Terminal(Option<(File, Termios)>);

impl Terminal {
    /// Remembers it.
    pub fn now() -> Self {
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let terminal = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").ok();
        Self(terminal.and_then(|terminal| tcgetattr(&terminal).ok().map(|settings| (terminal, settings))))
    }

    /// Takes it back once nothing of the session is alive: as it was set, and with nothing to be read.
    pub fn take_back(&self) {
        if let Some((terminal, settings)) = self.ours() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a terminal that is gone has nothing to be read"
            )]
            let _ = tcsetattr(terminal, OptionalActions::Drain, settings);
        }
        self.forget_input();
    }

    /// Throws away what waits to be read. Nobody else is to find what a session has typed there (`TIOCSTI`), or has made the
    /// terminal answer.
    pub fn forget_input(&self) {
        if let Some((terminal, _)) = self.ours() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a terminal that is gone has nothing to be read"
            )]
            let _ = tcflush(terminal, QueueSelector::IFlush);
        }
    }

    /// The terminal, unless somebody else is at it: the shell, where this is one of its jobs in the background.
    fn ours(&self) -> Option<&(File, Termios)> {
        let known = self.0.as_ref()?;
        let group = tcgetpgrp(&known.0).ok()?;
        (group == getpgrp() || test_kill_process_group(group) == Err(Errno::SRCH)).then_some(known)
    }
}
