//! `wardline stop-session SESSION`

use super::task;
use anyhow::Result;
use command::State;
use event::SessionRef;
use wire::{Action, GoOn, Request};

/// Arguments of `stop-session`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline stop-session last           kill it\n  sudo wardline stop-session 17 --freeze    stop it where it is\n  sudo wardline stop-session 17 --thaw      let it go on"
)]
pub struct Args {
    /// Number of a running session, or `last`
    pub session: SessionRef,
    /// Kill every process of it (the default)
    #[arg(long, group = "action")]
    pub kill: bool,
    /// Freeze every process where it is
    #[arg(long, group = "action")]
    pub freeze: bool,
    /// Let a frozen session go on: what froze it does not freeze it again
    #[arg(long, group = "action")]
    pub thaw: bool,
    /// With `--thaw`: nothing freezes it any more; what can be refused still is
    #[arg(long, requires = "thaw")]
    pub for_session: bool,
    /// Whose session, where two users have one of that number
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
