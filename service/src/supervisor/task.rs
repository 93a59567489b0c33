//! The task of a running session: a new segment, the baseline that guards it, and the rules that hold during it.

use super::running::Running;
use super::shared::Shared;
use event::{AgentName, Mode, TaskName};
use guard::Live;
use models::Baseline;
use std::sync::Arc;
use wire::{Refused, TookRules, Why};

/// The baseline of an agent at a task; of all its tasks where the task is unknown or has none.
pub(super) fn baseline(
    shared: &Shared,
    uid: u32,
    agent: &AgentName,
    task: &TaskName,
    session: Option<i64>,
) -> Result<Option<Arc<Baseline>>, Refused> {
    let load =
        |task| {
            shared.setup.baselines.load(uid, agent, task, session).map_err(|e| {
                Refused::new(Why::Failed, format!("the baseline of `{agent}` cannot be armed: {e}"))
            })
        };
    let own = if task.is_unsaid() { None } else { load(Some(task))? };
    match own {
        Some(baseline) => Ok(Some(baseline)),
        None => load(None),
    }
}

/// Opens a new segment of a running session.
pub(super) fn switch(shared: &Shared, running: &Running, task: &TaskName) -> Result<TookRules, Refused> {
    let _changing = running.changing();
    let gone = || Refused::new(Why::NoSuchSession, "the session is over");
    let asked = |live: &mut Live| (live.meta().agent.clone(), live.mode(), live.place(), live.taking());
    let (agent, mode, place, taking) = running.with(asked).ok_or_else(gone)?;
    let baseline = match mode {
        Mode::Record => None,
        _ => baseline(shared, running.uid, &agent, task, Some(running.number))?,
    };
    let armed = baseline.is_some();
    let cannot = |e: guard::Error| Refused::new(Why::CannotProtect, format!("the old task stays: {e}"));
    // Compiled before, and taken back after: the thread that reads the rings waits for the session meanwhile.
    let enter = |baseline| {
        let task = task.clone();
        let enter = move || place.enter(&task, baseline).map_err(cannot);
        shared.armer.look(running.uid, enter)
    };
    let entered = baseline.map(enter).transpose()?;
    let of_task = task.clone();
    let look = move || taking.for_task(&of_task).map_err(cannot);
    let closing = shared.armer.look(running.uid, look)?;
    let switched =
        running.with(|live| live.switch(task, entered, closing)).ok_or_else(gone)?.map_err(cannot)?;
    let warnings = switched.warnings.clone();
    drop(switched);
    let guarded = match (mode, armed) {
        (Mode::Record, _) => "",
        (_, true) => ", guarded by its baseline",
        (_, false) => ", without a baseline: T0 alone",
    };
    let became = Ok(format!("the task is now `{task}`{guarded}"));
    Ok(TookRules { session: running.id(), became, warnings })
}
