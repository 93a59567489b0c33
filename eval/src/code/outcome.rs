//! The outcome of a case.

use super::{Language, case};
use serde::{Deserialize, Serialize};

/// What a line begins with that holds a [`Line`]; a machine's console carries other lines, too.
pub const MARK: &str = "@code ";

/// One line of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// The machine, and what is going to be run in it.
    Machine(Machine),
    /// A session ended.
    Outcome(Box<Outcome>),
    /// All that was to be run was run.
    End,
}

/// What a run rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// `uname -r` in the machine.
    pub kernel: String,
    /// `lsm` or `tracepoint`.
    pub tier: String,
    /// Seed of the world, of the sessions and of the order of cases.
    pub seed: u64,
    /// Sessions that the baseline was made of.
    pub trained_on: u64,
    /// Cases in the file.
    pub cases: u64,
    /// Cases that were to be run.
    pub chosen: u64,
    /// BLAKE3 of the file of cases.
    pub digest: String,
    /// After how many seconds a session was ended.
    pub limit_seconds: u64,
    /// What the machine ran on, and the commit: added by whoever started it.
    pub host: String,
    /// See `host`.
    pub commit: String,
}

/// What kind of session it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Normal work and nothing else.
    Clean,
    /// Normal work with a harmless program, run in the same way as a case.
    Harmless,
    /// Normal work with a case.
    Case,
}

/// What of a program could be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visible {
    /// Neither of the others: it only computed or printed.
    Nothing,
    /// It tried something outside the workspace, and got nowhere: the kernel had no such file, program or host, or
    /// Wardline refused.
    Tried,
    /// An operation on something outside the workspace went through that harmless programs do not do.
    Reached,
    /// Something outside its home was changed, ended or received: seen by the machine's observer.
    Effect,
}

/// What the machine's observer saw outside the home, without asking Wardline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Files made.
    pub made: u64,
    /// Files changed.
    pub changed: u64,
    /// Files removed.
    pub removed: u64,
    /// Processes ended that were none of the session's.
    pub ended: u64,
    /// Messages and connections that arrived at hosts that normal work does not talk to; asking for names does not count.
    pub arrived: u64,
}

impl Effect {
    /// Whether there was any.
    pub fn any(self) -> bool {
        self != Effect::default()
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What kind it was.
    pub sort: Sort,
    /// The case's index, or the session's name.
    pub index: String,
    /// What the program was written in; `None` without one.
    pub language: Option<Language>,
    /// Exit status of the program as the kernel saw it, 128 and the signal for one that was killed; `None` where it did not
    /// start.
    pub exit_status: Option<i32>,
    /// How the session ended.
    pub session_status: i32,
    /// Operations refused in the session.
    pub denied: u64,
    /// Operations of the program refused, its children's included, by T0, T1 and T2.
    pub denied_of_program: [u64; 3],
    /// Operations refused, and alerts, before the program started: false alarms, whatever followed.
    pub early: u64,
    /// The stage that refused or stopped first, `T0`, `T1` or `T2`.
    pub stopped_by: Option<String>,
    /// By what.
    pub means: Option<String>,
    /// Alerts.
    pub alerts: u64,
    /// The strongest verdict.
    pub verdict: String,
    /// It was frozen, and then ended from outside.
    pub frozen: bool,
    /// It took longer than it may, and was ended.
    pub overdue: bool,
    /// Records lost.
    pub lost: u64,
    /// The first reason, with what it refused.
    pub reason: Option<String>,
    /// Distinct operations of the program outside the workspace that went through, those of harmless programs left out.
    pub reached: u64,
    /// The same that failed, or were refused.
    pub tried: u64,
    /// What the observer saw.
    pub effect: Effect,
    /// Seconds.
    pub seconds: f64,
}

/// What Wardline made of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something was refused, or the session was stopped.
    Denied,
    /// It was only spoken of.
    Alerted,
    /// Nothing.
    Nothing,
}

impl Outcome {
    /// The risk index.
    pub fn risk(&self) -> &str {
        case::risk(&self.index)
    }

    /// What Wardline made of it. What came before the program began counts for nothing in a session with one.
    pub fn verdict(&self) -> Verdict {
        let early = if self.language.is_some() { self.early } else { 0 };
        let said = (self.denied + self.alerts).saturating_sub(early);
        match (said, self.denied > 0 || self.frozen) {
            (0, _) if !self.frozen => Verdict::Nothing,
            (_, true) => Verdict::Denied,
            _ => Verdict::Alerted,
        }
    }

    /// What of the program could be seen.
    pub fn visible(&self) -> Visible {
        match () {
            () if self.effect.any() => Visible::Effect,
            () if self.reached > 0 => Visible::Reached,
            () if self.tried > 0 => Visible::Tried,
            () => Visible::Nothing,
        }
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it rests on.
    pub machine: Machine,
    /// The sessions.
    pub outcomes: Vec<Outcome>,
    /// The machine ran to its end.
    pub whole: bool,
}

impl Report {
    /// Takes what a machine printed; lines of others are passed over. A marked line that cannot be read is an error, with
    /// its number.
    pub fn collect(text: &str) -> Result<Report, String> {
        let mut report = Report::default();
        for (number, line) in text.lines().enumerate() {
            let Some((_, line)) = line.split_once(MARK) else { continue };
            let line = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
            match line {
                Line::Machine(machine) => report.machine = machine,
                Line::Outcome(outcome) => report.outcomes.push(*outcome),
                Line::End => report.whole = true,
            }
        }
        Ok(report)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn outcome(sort: Sort, index: &str) -> Outcome {
        Outcome {
            sort,
            index: index.to_owned(),
            language: (sort != Sort::Clean).then_some(Language::Bash),
            exit_status: Some(0),
            session_status: 0,
            denied: 0,
            denied_of_program: [0; 3],
            early: 0,
            stopped_by: None,
            means: None,
            alerts: 0,
            verdict: "allow".to_owned(),
            frozen: false,
            overdue: false,
            lost: 0,
            reason: None,
            reached: 0,
            tried: 0,
            effect: Effect::default(),
            seconds: 1.5,
        }
    }

    #[test]
    fn what_came_before_the_program_is_no_detection() {
        let quiet = outcome(Sort::Case, "bash-1_1");
        let with = |denied, alerts, early| Outcome { denied, alerts, early, ..quiet.clone() }.verdict();
        assert_eq!(with(0, 0, 0), Verdict::Nothing);
        assert_eq!(with(1, 0, 0), Verdict::Denied);
        assert_eq!(with(0, 2, 0), Verdict::Alerted);
        assert_eq!(with(1, 1, 2), Verdict::Nothing);
        assert_eq!(with(2, 0, 1), Verdict::Denied);
        assert_eq!(Outcome { frozen: true, ..quiet.clone() }.verdict(), Verdict::Denied);
        let clean = Outcome { language: None, denied: 1, early: 1, ..quiet };
        assert_eq!(clean.verdict(), Verdict::Denied);
    }

    #[test]
    fn a_machine_that_died_keeps_what_came_before() {
        let first = outcome(Sort::Case, "bash-1_1");
        let lines = [
            Line::Machine(Machine { seed: 7, ..Machine::default() }),
            Line::Outcome(Box::new(first.clone())),
        ];
        let mut text = "[    0.1] a line of the kernel\n".to_owned();
        for line in &lines {
            text += &format!("noise {MARK}{}\n", serde_json::to_string(line).unwrap());
        }
        let report = Report::collect(&text).unwrap();
        assert_eq!((report.machine.seed, &report.outcomes, report.whole), (7, &vec![first], false));
        let error = Report::collect(&format!("{text}{MARK}{{\"line\":\"out")).unwrap_err();
        assert!(error.starts_with("line 4: "), "{error}");
        let whole = Report::collect(&format!("{text}{MARK}{}", serde_json::to_string(&Line::End).unwrap()));
        assert!(whole.unwrap().whole);
    }
}
