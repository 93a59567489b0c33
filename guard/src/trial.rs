//! The message about a baseline that only watches, before the command starts.

use models::Baseline;

/// Why it does, and what to do.
pub fn only_watches(baseline: &Baseline) -> String {
    let trial = &baseline.trial;
    let why = if trial.unstarted > 0 {
        format!("{} of {} held-out sessions would not have started", trial.unstarted, trial.sessions)
    } else {
        format!("{} of {} held-out sessions would have had a refusal", trial.refused, trial.sessions)
    };
    let where_ = trial.places.first().map_or(String::new(), |at| format!(", most of them at `{}`", at.place));
    format!(
        "the baseline {}/{} only watches: {why}{where_}. T1 and T2 say what they would refuse and refuse nothing; crown jewels \
         are guarded as ever. Record more, in other repositories as well, and run `wardline train`; `--force-baseline` has it \
         refuse now",
        baseline.agent, baseline.task
    )
}
