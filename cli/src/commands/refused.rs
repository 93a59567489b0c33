//! The command that never started: by whom it was refused, why, and what to do.

use command::Exit;
use event::{Fate, Op, Stage};
use nix::errno::Errno;
use std::ffi::OsString;
use wire::{Denial, Report};

/// Why the command was not executed, as an error with the exit code of that.
pub fn unstarted(command: &[OsString], errno: Errno, report: &Report) -> anyhow::Error {
    let program = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    if matches!(errno, Errno::ENOENT | Errno::ENOTDIR) {
        return Exit::NotFound.error(format!("`{program}`: command not found"));
    }
    let is_wardlines = matches!(errno, Errno::EPERM | Errno::EACCES);
    let refusal = report.denials.iter().find(|denial| denial.fate != Fate::Happened && is_start(denial));
    Exit::NotExecutable.error(match refusal.filter(|_| is_wardlines) {
        Some(denial) => text(&program, denial, report),
        None => format!("`{program}` could not be executed: {}", errno.desc()),
    })
}

fn is_start(denial: &Denial) -> bool {
    denial.op == Op::Exec.name()
}

fn text(program: &str, denial: &Denial, report: &Report) -> String {
    let Denial { object, reason, stage, .. } = denial;
    let Report { agent, task, session, .. } = report;
    let mut text = format!("Wardline refused to start `{program}`");
    if *stage == Stage::T1 {
        let baseline = if task.is_unsaid() {
            format!("what was learned of `{agent}`")
        } else {
            format!("the baseline {agent}/{task}")
        };
        text.push_str(&format!(": {baseline} does not know `{object}` as a program"));
    } else {
        text.push_str(&format!(": `{object}` is refused by {}", stage.name()));
    }
    text.push_str(&format!("\n  why   {reason}"));
    text.push_str(match stage {
        Stage::T1 => {
            "\n  next  if that is normal, allow it with `sudo wardline review`; `wardline enforce --shadow` runs it \
             unrefused meanwhile"
        }
        Stage::T0 | Stage::T2 => "",
    });
    text.push_str(&format!("\n        `wardline show {session}` has the session"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Means, TaskName};

    fn report(denial: Denial) -> Report {
        Report {
            session: "17".into(),
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            denials: vec![denial],
            ..Report::default()
        }
    }

    fn denial(stage: Stage) -> Denial {
        Denial {
            time_ns: 1,
            stage,
            means: Means::Fanotify,
            op: "exec".into(),
            object: "/home/u/.npm-global/lib/node_modules/codex/bin/codex.js".into(),
            pid: 7,
            fate: Fate::Refused,
            times: 1,
            number: 1,
            reason: "no normal `edit` session of `codex` ran a program below `~/.npm-global`".into(),
        }
    }

    #[test]
    fn a_program_that_the_baseline_does_not_know_is_explained() {
        let error = unstarted(&["codex".into()], Errno::EPERM, &report(denial(Stage::T1)));
        assert_eq!(Exit::of(&error), Exit::NotExecutable);
        insta::assert_snapshot!(error.to_string());
        let unknown = Report { task: TaskName::default(), ..report(denial(Stage::T1)) };
        let error = unstarted(&["codex".into()], Errno::EPERM, &unknown).to_string();
        assert!(error.contains("what was learned of `codex` does not know"), "{error}");
    }

    #[test]
    fn what_is_not_wardlines_is_not_said_to_be() {
        let plain = "`codex` could not be executed: Operation not permitted";
        let happened = Denial { fate: Fate::Happened, ..denial(Stage::T1) };
        assert_eq!(unstarted(&["codex".into()], Errno::EPERM, &report(happened)).to_string(), plain);
        let error = unstarted(&["codex".into()], Errno::ENOEXEC, &report(denial(Stage::T1)));
        assert_eq!(error.to_string(), "`codex` could not be executed: Exec format error");
        let error = unstarted(&["codex".into()], Errno::ENOENT, &report(denial(Stage::T1)));
        assert_eq!(
            (Exit::of(&error), error.to_string().as_str()),
            (Exit::NotFound, "`codex`: command not found")
        );
    }
}
