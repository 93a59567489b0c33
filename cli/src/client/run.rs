//! One session from the client's side, from the fork to the report.

use super::connect;
use super::guarded::Guarded;
use super::held::Held;
use super::signals::{Signals, ask_for_an_end, hand_on, stop_with};
use super::terminal::Terminal;
use anyhow::{Context, Result, bail};
use bstr::ByteSlice;
use command::{Exit, State};
use event::{Fate, Op};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use wire::{Begin, Denial, Finished, Ready, Reply, Report, Request};

/// How the command ended.
pub struct Ended {
    /// Its code, or the signal that ended it.
    pub how: How,
    /// What the session amounted to.
    pub finished: Finished,
    /// Why the command was never executed; `None`: it was.
    pub unstarted: Option<Errno>,
}

/// Code or signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(Signal),
}

impl How {
    /// As a shell counts it.
    pub fn status(self) -> i32 {
        match self {
            How::Code(code) => code,
            How::Signal(signal) => 128 + signal as i32,
        }
    }
}

/// Runs the held command in a session; its pid is filled into the request here. `started` is called when everything is armed and before the command is released: the
/// last moment in which the terminal is the client's.
pub fn run(
    state: &State,
    verbose: u8,
    mut held: Held,
    mut begin: Begin,
    started: impl FnOnce(&Ready),
) -> Result<Ended> {
    drop(connect::or_start(state, verbose)?);
    let terminal = Terminal::now();
    let command = held.pid();
    let signals = Signals::take()?;

    begin.pid = command.as_raw().unsigned_abs();
    // An error drops `held`: its pipe closes, and the process ends without having executed anything.
    let (supervisor, ready) = arm(state, verbose, begin, held.pidfd())?;
    started(&ready);
    let cgroup = ready.cgroup.as_ref().and_then(|cgroup| cgroup.to_path().ok()).map(PathBuf::from);
    held.release(ready.confinement, &ready.variables);
    let mut guarded = Guarded::new(supervisor, Some(command));
    let how = wait(command, &mut guarded, &signals, &terminal);
    guarded.ended();
    let how = how.inspect_err(|_| super::lost::kill_session(Some(command), cgroup.as_deref()));
    let finished = how.and_then(|how| Ok((how, finish(&mut guarded, how)?)));
    terminal.take_back();
    let (how, finished) = finished?;
    let unstarted = held.unstarted()?.or_else(|| ended_at_start(command, how, &finished.report));
    Ok(Ended { how, finished, unstarted })
}

/// A start that had to be ended in the call, before the first instruction, is one that was refused.
fn ended_at_start(command: Pid, how: How, report: &Report) -> Option<Errno> {
    let exec = |denial: &Denial| {
        denial.fate != Fate::Happened
            && denial.op == Op::Exec.name()
            && denial.pid == command.as_raw().unsigned_abs()
    };
    let is_killed = how == How::Signal(Signal::SIGKILL) && report.execs == 0;
    (is_killed && report.denials.iter().any(exec)).then_some(Errno::EPERM)
}

/// Has the session of the process behind `pidfd` armed. A supervisor that was just ending hangs up, and another one is
/// started.
pub(super) fn arm(
    state: &State,
    verbose: u8,
    begin: Begin,
    pidfd: BorrowedFd<'_>,
) -> Result<(UnixStream, Ready)> {
    const TRIES: u32 = 5;
    let request = Request::Begin(Box::new(begin));
    for _ in 0..TRIES {
        let supervisor = connect::or_start(state, verbose)?;
        match connect::try_ask(&supervisor, &request, &[pidfd])? {
            Some(Reply::Ready(ready)) => return Ok((supervisor, ready)),
            Some(_) => bail!("the supervisor answered something else than was asked"),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    Err(Exit::CannotProtect.error(format!("the supervisor hangs up: see `{}`", state.log().display())))
}

/// Waits for the command, stops and continues with it, and watches that the supervisor lives.
fn wait(command: Pid, guarded: &mut Guarded, signals: &Signals, terminal: &Terminal) -> Result<How> {
    loop {
        match waitpid(command, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(How::Code(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(How::Signal(signal)),
            Ok(WaitStatus::Stopped(_, signal)) => {
                // A session without a cgroup is frozen by SIGSTOP.
                if signal == Signal::SIGSTOP {
                    guarded.halted()?;
                } else {
                    terminal.forget_input();
                    stop_with(command, signal)?;
                    continue;
                }
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("the command cannot be waited for"),
        }
        let mut fds =
            vec![PollFd::new(signals.fd(), PollFlags::IN), PollFd::new(guarded.supervisor(), PollFlags::IN)];
        fds.extend(guarded.terminal().map(|terminal| PollFd::new(terminal, PollFlags::IN)));
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.context("the command cannot be watched")?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        // A command that stands still hears no signal.
        let arrived = signals.arrived();
        if guarded.stands() && ask_for_an_end(&arrived) {
            guarded.kill()?;
        } else {
            hand_on(&arrived, command);
        }
        if ready.get(2) == Some(&true) {
            guarded.typed()?;
        }
        if ready.get(1) == Some(&true) {
            guarded.hear()?;
        }
        if guarded.was_halted() && sys::process::is_stopped(command.as_raw() as u32) {
            terminal.forget_input();
            stop_with(command, Signal::SIGSTOP)?;
        }
    }
}

/// Tells the supervisor how the command ended, and takes its report.
fn finish(guarded: &mut Guarded, how: How) -> Result<Finished> {
    let finished = guarded.finish(&Request::Ended { status: how.status() })?;
    finished.map_err(|refused| Exit::Failed.error(refused))
}
