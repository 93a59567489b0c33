//! `wardline tail [SESSION]`

use super::task;
use crate::client::connect;
use anyhow::{Result, bail};
use command::State;
use command::table;
use event::SessionRef;
use std::io::Write;
use wire::{Notice, Reply, Request};

/// Arguments of `tail`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It begins with the last notices of the past, and goes on until interrupted, or until the session is over.\n\nExamples:\n  sudo wardline tail            every session\n  sudo wardline tail 17 --json  one session, one JSON object a line\n  sudo wardline tail --past 100"
)]
pub struct Args {
    /// Number of a session, or `last`; all of them otherwise
    pub session: Option<SessionRef>,
    /// Number of past notices
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub past: usize,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Follows until interrupted, or until the supervisor ends. Without a supervisor the past is all that there is.
pub fn run(state: &State, args: &Args) -> Result<()> {
    let Some(supervisor) = connect::running(state)? else { return past(state, args) };
    let request = Request::Tail { session: args.session, past: args.past };
    let mut reply = Some(connect::ask(&supervisor, &request, &[])?);
    while let Some(said) = reply {
        match said {
            Reply::Notice(notice) => print(&notice, args.json)?,
            Reply::Done(_) => {}
            _ => bail!("the supervisor answered something else than was asked"),
        }
        reply = connect::next(&supervisor)?;
    }
    Ok(())
}

fn past(state: &State, args: &Args) -> Result<()> {
    let session =
        args.session.filter(|session| *session != SessionRef::Last).map(|number| number.to_string());
    let mut notices = service::teller::past(state.root(), None, session.as_deref(), args.past);
    if args.session == Some(SessionRef::Last) {
        let last = notices.last().map(|notice| notice.session.clone());
        notices.retain(|notice| Some(&notice.session) == last.as_ref());
    }
    if notices.is_empty() {
        return Err(task::none_runs());
    }
    notices.iter().try_for_each(|notice| print(notice, args.json))
}

fn print(notice: &Notice, json: bool) -> Result<()> {
    let mut out = anstream::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(notice)?)?;
    } else {
        writeln!(out, "{}", line(notice))?;
    }
    Ok(out.flush()?)
}

/// One notice for people.
fn line(notice: &Notice) -> String {
    format!("{}  session {}  {notice}", table::time(notice.unix_ns), notice.session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Fate, Means, Stage};
    use wire::Kind;

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
