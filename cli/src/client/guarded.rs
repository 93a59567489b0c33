//! The supervisor's side of a running session: what it says by itself, and what the user answers to it.

use super::frozen::{Answer, Standing};
use super::signals;
use anyhow::{Result, bail};
use command::Exit;
use nix::unistd::Pid;
use rustix::process::DumpableBehavior;
use std::fs::File;
use std::os::unix::net::UnixStream;
use wire::{self, Finished, MAX_REPLY_BYTES, Reply, Request};

/// A session that runs.
pub(super) struct Guarded {
    supervisor: UnixStream,
    /// The command, where it has this process' terminal.
    command: Option<Pid>,
    standing: Option<Standing>,
    halt: Halt,
}

/// Who stopped the command, where the guard did not say that it did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halt {
    /// It runs, as far as is known.
    No,
    /// The supervisor was asked whether it is in time.
    Asked,
    /// It was stopped once more meanwhile.
    AskedBefore,
    /// Not the guard.
    Foreign,
}

impl Guarded {
    /// A session that is armed.
    pub(super) fn new(supervisor: UnixStream, command: Option<Pid>) -> Self {
        // Whoever works for the same user inside must not reach into this process: it speaks for the user.
        #[expect(clippy::let_underscore_must_use, reason = "it takes this value on every kernel")]
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        Self { supervisor, command, standing: None, halt: Halt::No }
    }

    /// What the supervisor speaks on.
    pub(super) fn supervisor(&self) -> &UnixStream {
        &self.supervisor
    }

    /// Whether it stands still.
    pub(super) fn stands(&self) -> bool {
        self.standing.is_some()
    }

    /// The command was stopped by a signal that the guard uses, too: while the supervisor is late, the kernel side stops what is
    /// guarded, and it goes on by itself.
    pub(super) fn halted(&mut self) -> Result<()> {
        if self.stands() {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.halt, Halt::AskedBefore);
        if matches!(before, Halt::No | Halt::Foreign) {
            self.halt = Halt::Asked;
            self.ask(&Request::InTime)?;
        }
        Ok(())
    }

    /// Whether somebody else than the guard had stopped the command, once for each time.
    pub(super) fn was_halted(&mut self) -> bool {
        let foreign = self.halt == Halt::Foreign;
        if foreign {
            self.halt = Halt::No;
        }
        foreign
    }

    /// The terminal, while it is borrowed.
    pub(super) fn terminal(&self) -> Option<&File> {
        self.standing.as_ref()?.terminal()
    }

    /// Takes in what the supervisor said by itself.
    pub(super) fn hear(&mut self) -> Result<()> {
        let Ok(Some((reply, _))) = wire::receive::<Reply>(&self.supervisor, MAX_REPLY_BYTES) else {
            return Err(lost());
        };
        match (reply, &mut self.standing) {
            (Reply::Frozen(Some(frozen)), Some(standing)) => standing.again(*frozen),
            (Reply::Frozen(Some(frozen)), None) => self.standing = Some(Standing::new(*frozen, self.command)),
            (Reply::Frozen(None), standing) => {
                if let Some(standing) = standing.take() {
                    standing.gone_on();
                }
            }
            (Reply::InTime, Some(_)) => self.halt = Halt::No,
            (Reply::InTime, None) if self.halt == Halt::AskedBefore => {
                self.halt = Halt::Asked;
                self.ask(&Request::InTime)?;
            }
            (Reply::InTime, None) => self.halt = Halt::Foreign,
            (Reply::Refused(refused), Some(standing)) => standing.say(&refused.message),
            _ => return Err(lost()),
        }
        Ok(())
    }

    /// Takes in what was typed while it stands still.
    pub(super) fn typed(&mut self) -> Result<()> {
        let Some(standing) = &mut self.standing else { return Ok(()) };
        let (answer, number) = (standing.answer(), standing.number());
        match answer {
            None => Ok(()),
            Some(Answer::GoOn(how)) => self.ask(&Request::GoOn { number, how }),
            Some(Answer::Kill) => self.kill(),
            Some(Answer::Suspend) => self.suspend(),
        }
    }

    /// Has it killed.
    pub(super) fn kill(&self) -> Result<()> {
        self.ask(&Request::Kill)
    }

    fn ask(&self, request: &Request) -> Result<()> {
        wire::send(&self.supervisor, request, &[]).map_err(|_| lost())
    }

    /// Leaves the terminal to the shell until this process is continued.
    fn suspend(&mut self) -> Result<()> {
        if let Some(standing) = self.standing.take() {
            let frozen = standing.put_away();
            signals::suspend()?;
            self.standing = Some(Standing::new(frozen, self.command));
        }
        Ok(())
    }

    /// The command is dead, or this process goes: the terminal is nobody's any more.
    pub(super) fn ended(&mut self) {
        if let Some(standing) = self.standing.take() {
            standing.ended();
        }
    }

    /// Asks for the end of the session. `Err` in `Ok`: it was refused, with why.
    pub(super) fn finish(&mut self, request: &Request) -> Result<Result<Finished, String>> {
        self.ask(request)?;
        loop {
            match wire::receive::<Reply>(&self.supervisor, MAX_REPLY_BYTES) {
                Ok(Some((Reply::Finished(finished), _))) => return Ok(Ok(*finished)),
                Ok(Some((Reply::Refused(refused), _))) => return Ok(Err(refused.message)),
                // How it stood does not matter any more.
                Ok(Some((Reply::Frozen(_) | Reply::InTime, _))) => {}
                Ok(Some(_)) => bail!("the supervisor answered something else than was asked"),
                Ok(None) | Err(_) => return Err(lost()),
            }
        }
    }
}

/// The supervisor is gone.
pub(super) fn lost() -> anyhow::Error {
    Exit::GuardLost.error(
        "the supervisor ended while the command ran: the command was killed, since nothing guarded it any more",
    )
}
