//! Reading what is root's. Root opens the store itself; everybody else reads their own part of it through the
//! supervisor, which runs the same command with their identity.

use super::task;
use crate::client::connect;
use anyhow::{Result, bail};
use command::{Exit, State};
use event::SessionRef;
use nix::unistd::Uid;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use store::SessionId;
use wire::{Reply, Request};

/// The command that the supervisor runs for others.
pub fn command(state: &State) -> Vec<OsString> {
    [vec!["/proc/self/exe".into()], state.arguments()].concat()
}

/// Reads through the supervisor when the caller is not root: `Some` is the outcome. `out` takes the output; `user` is
/// whose part was asked for.
pub fn through_supervisor(
    state: &State,
    user: Option<&str>,
    args: &[&str],
    out: Option<BorrowedFd<'_>>,
) -> Result<Option<ExitCode>> {
    if Uid::effective().is_root() {
        return Ok(None);
    }
    // Their own: the supervisor goes by who asks.
    command::user::owner(user, state)?;
    let Some(supervisor) = connect::running(state)? else {
        return Err(Exit::CannotProtect.error(
            "sessions and baselines are root's, and no supervisor runs that could read them for you: use `sudo wardline`",
        ));
    };
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let fds = [out.unwrap_or_else(|| stdout.as_fd()), stderr.as_fd()];
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    match connect::ask(&supervisor, &Request::Read { args }, &fds)? {
        Reply::Exited(code) => Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))),
        _ => bail!("the supervisor answered something else than was asked"),
    }
}

/// The session that a user names.
pub fn session(reader: &store::Reader, named: SessionRef) -> Result<store::Session> {
    let SessionRef::Number(number) = named else {
        let last = reader.sessions()?.pop();
        return last.ok_or_else(|| Exit::Usage.error("nothing was recorded yet"));
    };
    match reader.session(SessionId(number)) {
        Err(store::Error::NoSession { .. }) => {
            Err(Exit::Usage.error(format!("there is no session {number}: `wardline sessions` lists them")))
        }
        other => Ok(other?),
    }
}

/// The running sessions, as far as there is a supervisor to ask.
pub fn running(state: &State) -> Result<Vec<wire::Running>> {
    let Some(supervisor) = connect::running(state)? else { return Ok(Vec::new()) };
    match connect::ask(&supervisor, &Request::Sessions, &[])? {
        Reply::Sessions(running) => Ok(running),
        _ => Err(task::none_runs()),
    }
}
