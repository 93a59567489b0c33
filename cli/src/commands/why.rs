//! `wardline why [DENIAL]`: one thing that a stage spoke against: what, why, and who did it, up to the agent.

use super::denials::{self, Denial, DenialRef, Program, short, told};
use super::reading;
use anyhow::Result;
use command::add_line;
use command::{State, table, user};
use event::{AgentName, Mode, Stage, TaskName};
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Denials are numbered in the order of their time; the same one of the same program counts once.\n\nExamples:\n  sudo wardline why           the denials of the last session\n  sudo wardline why last.3    the third one: what, why, and by which programs\n  sudo wardline why 17.3 --json"
)]
pub struct Args {
    /// A session (its number, or `last`) for a list of its denials, or one of them: `17.3`, `last.1`
    #[arg(default_value = "last")]
    pub denial: DenialRef,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// The denials of a session that were asked for.
#[derive(Debug, Serialize)]
struct Answer {
    session: i64,
    agent: AgentName,
    task: TaskName,
    mode: Mode,
    /// How many there are in the session.
    of: usize,
    denials: Vec<Denial>,
}

/// Answers it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let denial = args.denial.to_string();
    let mut line = vec!["why", denial.as_str()];
    line.extend(args.json.then_some("--json"));
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let DenialRef { session, number } = args.denial;
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, session)?;
    let answer = answer(&reader, session, number)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &answer)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&answer, number.is_some()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(reader: &store::Reader, session: store::Session, number: Option<usize>) -> Result<Answer> {
    let mut denials = denials::of(reader, &session)?;
    let of = denials.len();
    if let Some(number) = number {
        denials = vec![denials::one(denials, &session, number)?];
    }
    let event::SessionMeta { agent, task, mode, .. } = session.meta;
    Ok(Answer { session: session.id.0, agent, task, mode, of, denials })
}

fn text(answer: &Answer, is_one: bool) -> String {
    let mut out = String::new();
    let Answer { session, agent, task, mode, .. } = answer;
    if let ([denial], true) = (answer.denials.as_slice(), is_one) {
        add_line!(out, "denial {session}.{} of `{agent}`, task `{task}`, {mode}", denial.number);
        add_line!(out, "  what   {}", told(denial));
        let reason = if denial.reason.is_empty() { "no reason was stored" } else { &denial.reason };
        add_line!(out, "  why    {reason}");
        add_line!(out, "  when   {} after the session began", table::duration(denial.at_ns));
        for (place, Program { pid, arguments }) in denial.programs.iter().enumerate() {
            let head = if place == 0 { "who " } else { "from" };
            let arguments =
                if arguments.is_empty() { "a program whose start was not seen" } else { arguments };
            add_line!(out, "  {head}   {} (pid {pid})", short(arguments));
        }
        add_line!(out, "  next   {}", next(denial, answer));
        return out;
    }
    if answer.denials.is_empty() {
        add_line!(out, "session {session} of `{agent}`, task `{task}`, {mode}: nothing was refused");
        return out;
    }
    for denial in &answer.denials {
        let by = denial.programs.first().map_or("", |program| &program.arguments);
        let by = if by.is_empty() { String::new() } else { format!(": `{}`", short(by)) };
        add_line!(out, "{session}.{:<3} {}{by}", denial.number, told(denial));
    }
    add_line!(out, "\n`wardline why {session}.1` says why, and by which programs.");
    out
}

/// What its owner can do about it.
fn next(denial: &Denial, answer: &Answer) -> String {
    let Answer { agent, task, .. } = answer;
    match denial.stage {
        Stage::T0 => "`wardline policy explain PLACE` names the rule; one that is not final is opened by `sudo wardline \
                      policy allow PLACE`"
            .to_owned(),
        Stage::T1 => {
            let more = if task.is_unsaid() {
                "name the task of sessions (`--task`), record three that do it".to_owned()
            } else {
                format!("`wardline record --task {task} -- ...` three sessions that do it")
            };
            let learned = format!("{more}, and `wardline train`");
            match denial.opens.as_slice() {
                [] => format!("if it is normal for `{agent}`: {learned}"),
                _ => format!(
                    "if it is normal for `{agent}`: `sudo wardline allow {}.{}` opens it (`--for 7d` for a while); or {learned}",
                    answer.session, denial.number
                ),
            }
        }
        Stage::T2 => {
            "`wardline stop-session SESSION --thaw` lets a session go on that stands still; more recorded \
                      sessions like this one make its score more exact"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Fate, Means};
    use models::Allowed;

    fn answer(stage: Stage, opens: Vec<Allowed>) -> Answer {
        let program = |pid, arguments: &str| Program { pid, arguments: arguments.into() };
        let denial = Denial {
            number: 1,
            at_ns: 300_000_000,
            op: "open",
            what: "/home/u/.ssh/id_rsa".into(),
            stage,
            means: Means::Fanotify,
            fate: Fate::Refused,
            times: 2,
            reason: "`~/.ssh/id_rsa` holds a private key".into(),
            programs: vec![
                program(12, "cat /home/u/.ssh/id_rsa"),
                program(11, "bash -c cat ~/.ssh/id_rsa; true"),
                program(10, "codex exec summarise"),
            ],
            meant: opens.clone(),
            opens,
        };
        let (agent, task) = ("codex".parse().unwrap(), "edit".parse().unwrap());
        Answer { session: 17, agent, task, mode: event::Mode::Enforce, of: 1, denials: vec![denial] }
    }

    #[test]
    fn it_is_said_who_did_it_and_who_had_it_done() {
        let answer = answer(Stage::T0, Vec::new());
        insta::assert_snapshot!(text(&answer, true));
        assert!(text(&answer, false).starts_with("17.1   refused: `open /home/u/.ssh/id_rsa`, by T0"));
    }

    #[test]
    fn what_can_be_opened_is_said_with_how() {
        let place =
            event::Place { reach: event::Reach::Read, components: ["$home".into(), "x".into()].into() };
        let opened = text(&answer(Stage::T1, vec![Allowed { place, below: false }]), true);
        assert!(opened.contains("`sudo wardline allow 17.1` opens it"), "{opened}");
        let closed = text(&answer(Stage::T1, Vec::new()), true);
        assert!(!closed.contains("wardline allow") && closed.contains("record --task edit"), "{closed}");
    }
}
