//! A child of this process that another process started for it (clone(2), `CLONE_PARENT`): the standard library holds only
//! those that it started itself.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A child. It is waited for once, so that its number is its own until then.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    ended: Option<ExitStatus>,
}

impl Child {
    /// The child of that number; `None`: no process has such a number.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid: i32::try_from(pid).ok().and_then(Pid::from_raw)?, ended: None })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills it, where it has not been waited for.
    pub fn kill(&self) -> io::Result<()> {
        match self.ended {
            Some(_) => Ok(()),
            None => Ok(kill_process(self.pid, Signal::KILL)?),
        }
    }

    /// How it ended; `None`: it runs.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.look(WaitOptions::NOHANG)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(ended) = self.look(WaitOptions::empty())? {
                return Ok(ended);
            }
        }
    }

    fn look(&mut self, how: WaitOptions) -> io::Result<Option<ExitStatus>> {
        while self.ended.is_none() {
            match waitpid(Some(self.pid), how) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(None) => break,
                Ok(Some((_, status))) => self.ended = Some(ExitStatus::from_raw(status.as_raw())),
            }
        }
        Ok(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_is_waited_for_once_and_not_killed_afterwards() {
        let of = |command: &str| {
            // Whoever holds a `std::process::Child` without asking it leaves it to others.
            Child::of(Command::new("sh").args(["-c", command]).spawn().unwrap().id()).unwrap()
        };
        let mut seven = of("exit 7");
        assert_eq!(seven.wait().unwrap().code(), Some(7));
        assert_eq!(seven.try_wait().unwrap().unwrap().code(), Some(7));
        seven.kill().unwrap();
        let mut sleeping = of("exec sleep 60");
        assert_eq!(sleeping.try_wait().unwrap(), None);
        sleeping.kill().unwrap();
        assert_eq!(sleeping.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(Child::of(0).is_none());
    }
}
