//! The result of a session.

use super::Live;
use crate::session::lag::Lags;
use crate::session::recording::Recording;
use event::{Mode, Summary};
use models::{State, Verdict};
use wire::{Repeated, Report};

impl Live {
    /// What the session amounted to so far.
    fn summed_up(&self, exit_status: Option<i32>) -> Report {
        let tally = &self.tally;
        let mut report = self.report.clone();
        report.session = self.id.clone();
        report.t0_hits += self.looks.harvest();
        report.looks = self.looks.keys();
        report.agent = self.meta.agent.clone();
        report.task = self.segment.task.clone();
        report.mode = self.mode;
        report.tier = self.shared.tier;
        report.baseline = self.armed.as_ref().map(|armed| {
            let is_shadow = self.mode == Mode::Shadow || armed.only_watches;
            if is_shadow { State::Shadow } else { State::Enforcing }
        });
        (report.events, report.syscalls, report.lost) = (tally.events, tally.syscalls, tally.lost);
        (report.unresolved, report.execs) = (tally.unresolved, tally.execs);
        (report.files, report.hosts, report.programs) = (tally.files(), tally.hosts(), tally.programs());
        report.exit_status = exit_status;
        report.duration_ns = self.last_ns.saturating_sub(self.meta.started_boot_ns);
        report.notes = self.notes();
        if report.stopped_by.is_none() {
            report.operations_before_denial = tally.actions;
        }
        report.repeated = self.crossed.map(|kind| Repeated {
            op: kind.0.name().into(),
            class: kind.1.name().into(),
            passed: tally.passed(kind),
        });
        let against = report.denied + report.stopped;
        // Held by the kernel side for more than one operation.
        let stood = self.held != 0 || report.freezes.iter().any(|freeze| freeze.stage.is_some());
        report.verdict = match self.strongest {
            Verdict::Allow | Verdict::Alert if stood || against > self.looks.routine() => "deny",
            Verdict::Allow if against > 0 => "routine",
            Verdict::Allow if report.happened > 0 => "would-deny",
            verdict => verdict.name(),
        }
        .into();
        report.lag = self.lags.as_ref().map(Lags::sum);
        report.fanotify = self.obeyed.marks.as_ref().map(|marks| marks.latency(self.slot));
        if let Some(unstored) = self.recording.as_ref().and_then(Recording::unstored) {
            // What the process that writes had taken by then, it leaves out as well.
            report.notes.push(format!(
                "the recording met its limit (`[recording]` in `config.toml`): at least {} since then went unkept, and \
                 the session does not train; what was decided is kept, and guarding went on as before",
                text::count(unstored, "record")
            ));
        }
        match self.recording.as_ref().map_or(0, Recording::left_out) {
            0 => {}
            left_out => report.notes.push(format!(
                "the store took nothing for a while: {} counted as lost and not kept; guarding went on as before",
                text::count(left_out, "record")
            )),
        }
        match self.recording.as_ref().map_or(0, Recording::lost) {
            0 => {}
            lost => report.notes.push(format!(
                "the process that writes sessions down ended, and was started again: at most {} are missing in the store; \
                 guarding went on as before",
                text::count(lost, "record")
            )),
        }
        if let Some(why) = self.recording.as_ref().and_then(Recording::failure) {
            report.notes.push(format!("the session was not written down to its end: {why}"));
        }
        report
    }

    /// The session is over, and nobody is inside any more: takes back what was armed, and sums up.
    pub fn finish(mut self, exit_status: Option<i32>) -> (Report, Summary) {
        self.ended_held();
        self.end_pipes();
        let mut report = self.summed_up(exit_status);
        let summary = Summary {
            exit_status,
            events: report.events,
            syscalls: report.syscalls,
            // To who learns from it, what was not kept is lost.
            lost: report.lost + self.recording.as_ref().map_or(0, Recording::missing),
            files: report.files,
            hosts: report.hosts,
            programs: report.programs,
            execs: report.execs,
            denied: report.denied,
            stopped: report.stopped,
            t0_hits: report.t0_hits,
            alerts: report.alerts,
            unresolved: report.unresolved,
            score: report.score,
            verdict: report.verdict.clone(),
            duration_ns: report.duration_ns,
            unseen: report.unseen,
        };
        if let Some(recording) = &mut self.recording
            && !recording.end(summary.clone())
        {
            report.notes.push(
                "what writes sessions down took the last of this one too late: its end is not kept, and it does not train".into(),
            );
        }
        (report, summary)
    }
}
