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
    format!("{}  session {}  {notice}", table::time(notice.unix_ns), notice.session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Fate, Means, Stage};
    use guard::control::Kind;

    #[test]
    fn a_notice_says_what_became_of_the_operation() {
        let notice = Notice {
            session: "17".into(),
            kind: Kind::Denial,
            unix_ns: 0,
            stage: Some(Stage::T0),
            means: Some(Means::Lsm),
            op: "open".into(),
            object: "/home/u/.ssh/id".into(),
            reason: "private key".into(),
            fate: Some(Fate::Refused),
            p: None,
            times: 1,
            pid: 7,
        };
        let said = |notice: &Notice| line(notice).split_once("session 17  ").unwrap().1.to_owned();
        assert_eq!(said(&notice), "refused: `open /home/u/.ssh/id`, by T0 (lsm): private key");
        let killed = Notice { means: Some(Means::Kill), fate: Some(Fate::Stopped), times: 3, ..notice };
        assert_eq!(
            said(&killed),
            "NOT prevented: `open /home/u/.ssh/id` happened; the process was killed afterwards (T0), 3 times: private key"
        );
        let frozen = Notice { kind: Kind::Frozen, fate: None, op: String::new(), ..killed };
        assert_eq!(said(&frozen), "FROZEN by T0: private key");
    }
}
