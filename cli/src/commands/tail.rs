//! `wardline tail [SESSION]`

use super::{table, task};
use crate::client::connect;
use crate::state::State;
use anyhow::{Result, bail};
use guard::control::{Notice, Reply, Request};
use std::io::Write;

/// Arguments of `tail`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline tail            every running session\n  sudo wardline tail 17 --json  one session, one JSON object a line"
)]
pub struct Args {
    /// Number of a running session, or `last`; all of them otherwise
    pub session: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Follows until interrupted, or until the supervisor ends.
pub fn run(state: &State, args: &Args) -> Result<()> {
    let Some(supervisor) = connect::running(state)? else { return Err(task::none_runs()) };
    let mut reply = Some(connect::ask(&supervisor, &Request::Tail { session: args.session.clone() }, &[])?);
    let mut out = anstream::stdout();
    while let Some(said) = reply {
        match said {
            Reply::Notice(notice) if args.json => writeln!(out, "{}", serde_json::to_string(&notice)?)?,
            Reply::Notice(notice) => writeln!(out, "{}", line(&notice))?,
            Reply::Done(_) => {}
            _ => bail!("the supervisor answered something else than was asked"),
        }
        out.flush()?;
        reply = connect::next(&supervisor)?;
    }
    Ok(())
}

/// One notice for people.
fn line(notice: &Notice) -> String {
    let what = match (notice.kind.as_str(), notice.refused) {
        ("denial", true) => format!("denied by {} ({})", notice.stage, notice.means),
        ("denial", false) => format!("would be denied by {}", notice.stage),
        (kind, _) => format!("{kind} of {}", notice.stage),
    };
    let object = [notice.op.as_str(), notice.object.as_str()].join(" ");
    let time = table::time(notice.unix_ns);
    format!("{time}  session {}  {what}: {} ({})", notice.session, object.trim(), notice.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_says_by_what() {
        let mut notice = Notice {
            session: "17".into(),
            kind: "denial".into(),
            unix_ns: 0,
            stage: "T0".into(),
            means: "lsm".into(),
            op: "open".into(),
            object: "/home/u/.ssh/id".into(),
            reason: "private key".into(),
            refused: true,
            pid: 7,
        };
        assert!(
            line(&notice).ends_with("session 17  denied by T0 (lsm): open /home/u/.ssh/id (private key)")
        );
        notice.refused = false;
        assert!(line(&notice).contains("would be denied by T0: open"));
    }
}
