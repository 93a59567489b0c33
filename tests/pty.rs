//! A terminal with a process in front of it, seen from the side of who types.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigHandler, Signal, signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// A machine with two slow cores under load: what a user would call at once may take seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The master side of a pseudo-terminal, and the process whose controlling terminal it is.
pub struct Pty {
    master: File,
    child: Child,
    /// Everything that was printed.
    pub printed: String,
    /// Its name.
    pub name: PathBuf,
    /// How far [`Pty::expect`] has read.
    read: usize,
}

impl Pty {
    /// Starts a process in front of a new terminal of 24 lines and 80 columns.
    pub fn start(mut command: Command) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let name = PathBuf::from(name.to_str().context("the terminal's name is no text")?);
        let slave = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&name)?;
        tcsetwinsize(&master, size(24, 80))?;
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        // SAFETY: setsid(2), ioctl(2) and sigaction(2) alone, all async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                // A shell's background commands ignore SIGINT, and so would what the tests start.
                for typed in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP] {
                    signal(typed, SigHandler::SigDfl)?;
                }
                rustix::process::ioctl_tiocsctty(std::io::stdin().as_fd())?;
                Ok(())
            });
        }
        let child = command.spawn()?;
        drop(command);
        Ok(Self { master: File::from(master), child, printed: String::new(), name, read: 0 })
    }

    /// Types.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.master.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Sets the terminal as a program does that reads keys, and does not set it back.
    pub fn make_raw(&self) -> Result<()> {
        let mut settings = tcgetattr(&self.master)?;
        settings.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        Ok(tcsetattr(&self.master, OptionalActions::Now, &settings)?)
    }

    /// Another size of the window.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        Ok(tcsetwinsize(&self.master, size(rows, columns))?)
    }

    /// Waits until `text` was printed behind what was expected before.
    pub fn expect(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.printed[self.read..].find(text) {
                self.read += at + text.len();
                return Ok(());
            }
            if Instant::now() >= until || !self.take()? {
                bail!("`{text}` was not printed; what was:\n{}", self.printed);
            }
        }
    }

    /// Waits for the process' end, and returns everything that was printed.
    pub fn finish(self) -> Result<String> {
        Ok(self.ended()?.0)
    }

    /// The same, with how it ended.
    pub fn ended(mut self) -> Result<(String, ExitStatus)> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && self.take()? {}
        let status = self.child.wait()?;
        Ok((std::mem::take(&mut self.printed), status))
    }

    /// The process' pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes what is there, waiting a moment. `false`: the terminal was closed.
    fn take(&mut self) -> Result<bool> {
        let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let ready = poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&moment))?;
        if ready == 0 {
            return Ok(true);
        }
        let mut bytes = [0; 4096];
        match self.master.read(&mut bytes) {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.printed.push_str(&String::from_utf8_lossy(&bytes[..n]));
                Ok(true)
            }
            // Nobody has the other side open any more.
            Err(e) if e.raw_os_error() == Some(libc::EIO) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
