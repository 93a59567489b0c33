//! The terminal of an agent that stands still: borrowed, and given back as it was.

use super::super::lost;
use nix::unistd::{getpgid, getpgrp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetpgrp, tcsetwinsize,
};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// How long a terminal may take to say which of its two screens it shows; some say nothing.
const REPLY: Timespec = Timespec { tv_sec: 0, tv_nsec: 150_000_000 };
/// How long a terminal that takes nothing is waited for.
const TAKES: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How long a program has to notice one size before it is told the next.
const NOTICES: Duration = Duration::from_millis(50);

/// The terminal, while it is borrowed.
pub(super) struct Screen {
    /// An open file of its own: what is set on it is nobody else's.
    terminal: File,
    settings: Termios,
    foreground: Pid,
    /// The program shows the second screen already: there is no other to switch to.
    second: bool,
}

impl Screen {
    /// Borrows the controlling terminal, where it is in the hands of this process or of the session of `command`.
    pub(super) fn borrow(command: Option<nix::unistd::Pid>) -> Option<Self> {
        // Who has redirected everything does not look here.
        let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
        if !(input.is_terminal() || output.is_terminal() || errors.is_terminal()) {
            return None;
        }
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open("/dev/tty")
            .ok()?;
        let foreground = tcgetpgrp(&terminal).ok()?;
        let group = nix::unistd::Pid::from_raw(foreground.as_raw_nonzero().get());
        let is_own = group == getpgrp()
            || command.is_some_and(|command| {
                lost::tree(command).iter().any(|pid| getpgid(Some(*pid)) == Ok(group))
            });
        if !is_own {
            return None;
        }
        let settings = tcgetattr(&terminal).ok()?;
        tcsetpgrp(&terminal, rustix::process::getpgrp()).ok()?;
        let mut screen = Self { terminal, settings, foreground, second: false };
        tcsetattr(&screen.terminal, OptionalActions::Now, &by_key(&screen.settings)).ok()?;
        // What was typed before was meant for the program, or comes from it.
        tcflush(&screen.terminal, QueueSelector::IFlush).ok()?;
        screen.second = screen.shows_the_second();
        if !screen.second {
            screen.write("\x1b[?1049h");
        }
        Some(screen)
    }

    /// Asks the terminal (DECRQM) whether it shows its second screen.
    fn shows_the_second(&mut self) -> bool {
        self.write("\x1b[?1049$p");
        let ready = poll(&mut [PollFd::new(&self.terminal, PollFlags::IN)], Some(&REPLY));
        let reply = if ready == Ok(1) { self.read() } else { Vec::new() };
        reply.starts_with(b"\x1b[?1049;1$y")
    }

    /// Clears it, and shows a text.
    pub(super) fn show(&mut self, text: &str) {
        self.write(&format!("\x1b[0m\x1b[r\x1b[H\x1b[2J\x1b[?25h{text}"));
    }

    /// What can be waited for.
    pub(super) fn file(&self) -> &File {
        &self.terminal
    }

    /// What was typed, as far as it is there.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut bytes = [0; 1024];
        let read = (&self.terminal).read(&mut bytes).unwrap_or(0);
        bytes.get(..read).unwrap_or_default().to_vec()
    }

    fn write(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match (&self.terminal).write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let ready = poll(&mut [PollFd::new(&self.terminal, PollFlags::OUT)], Some(&TAKES));
                    if !matches!(ready, Ok(1)) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Gives it back to a program that goes on, and has it paint anew.
    pub(super) fn give_back(self) {
        let (terminal, foreground, second) = (self.terminal.try_clone(), self.foreground, self.second);
        drop(self);
        // Many programs paint again only when the size is another one.
        if let (Ok(terminal), true) = (terminal, second)
            && let Ok(size) = tcgetwinsize(&terminal)
            && size.ws_row > 1
        {
            #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone shows nothing")]
            let _ = tcsetwinsize(&terminal, rustix::termios::Winsize { ws_row: size.ws_row - 1, ..size });
            std::thread::sleep(NOTICES);
            #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone shows nothing")]
            let _ = tcsetwinsize(&terminal, size);
        }
        #[expect(clippy::let_underscore_must_use, reason = "who is gone paints nothing")]
        let _ = kill_process_group(foreground, Signal::WINCH);
    }

    /// Gives it back for good, as a shell wants it: the program that had it is dead, and left its modes behind.
    pub(super) fn clear_up(mut self) {
        self.write(
            "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[?25h\x1b[0m",
        );
        if self.second {
            self.write("\x1b[?1049l");
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.write(if self.second { "\x1b[H\x1b[2J" } else { "\x1b[?1049l" });
        #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone shows nothing")]
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone shows nothing")]
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.settings);
        #[expect(clippy::let_underscore_must_use, reason = "a terminal that is gone shows nothing")]
        let _ = tcsetpgrp(&self.terminal, self.foreground);
    }
}

/// Settings under which each key is read by itself, signals included, and lines are printed as text is.
fn by_key(settings: &Termios) -> Termios {
    let mut settings = settings.clone();
    settings.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
    settings.input_modes &= !(InputModes::ICRNL | InputModes::IXON);
    settings.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings
}
