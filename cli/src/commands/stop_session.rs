//! `wardline stop-session SESSION`

use super::task;
use anyhow::Result;
use command::State;
use event::SessionRef;
use wire::{Action, GoOn, Request};

/// Arguments of `stop-session`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline stop-session last           kill it\n  sudo wardline stop-session 17 --freeze    freeze it\n  sudo wardline stop-session 17 --thaw      thaw it"
)]
pub struct Args {
    /// Number of a running session, or `last`
    pub session: SessionRef,
    /// Kill every process of it (the default)
    #[arg(long, group = "action")]
    pub kill: bool,
    /// Freeze every process
    #[arg(long, group = "action")]
    pub freeze: bool,
    /// Thaw the session; the same event does not freeze it again
    #[arg(long, group = "action")]
    pub thaw: bool,
    /// With `--thaw`: never freeze the session again; refusals stay
    #[arg(long, requires = "thaw")]
    pub for_session: bool,
    /// The user, if sessions of two users have that number
    #[arg(long)]
    pub user: Option<String>,
}

/// Does it.
pub fn run(state: &State, args: &Args) -> Result<()> {
    let action = match (args.freeze, args.thaw) {
        (true, _) => Action::Freeze,
        (_, true) if args.for_session => Action::Thaw(GoOn::Session),
        (_, true) => Action::Thaw(GoOn::Once),
        _ => Action::Kill,
    };
    let owner = args.user.as_deref().map(|user| command::user::owner(Some(user), state)).transpose()?;
    task::done(state, &Request::StopSession { session: args.session, owner, action })
}
