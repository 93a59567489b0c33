//! The rules of a running session, when others are to hold.

use super::running::Running;
use super::shared::Shared;
use bstr::BString;
use guard::{Live, repository};
use policy::{Taken, Taking};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use wire::{Refused, Why};

impl Shared {
    /// Has a running session take the rules under which one of its user would begin now.
    pub(super) fn take_rules(&self, running: &Running, how: Taking) -> Result<String, Refused> {
        let _changing = running.changing();
        let gone = || Refused::new(Why::NoSuchSession, "the session is over");
        let asked =
            |live: &mut Live| Some((live.renewing()?, live.meta().clone(), live.segment().task.clone()));
        let (renewing, meta, task) = running.with(asked).flatten().ok_or_else(gone)?;
        let path = |bytes: &BString| PathBuf::from(OsStr::from_bytes(bytes));
        let workspaces: Vec<PathBuf> = meta.context.workspaces.iter().map(path).collect();
        let uid = running.uid;
        let slot = running.taken().ok_or_else(gone)?;
        let renew = move || {
            let (rules, _) = repository::of_session(uid, meta.agent.as_str(), &workspaces)
                .map_err(|trouble| Refused::new(Why::Policy, trouble.to_string()))?;
            let taken = renewing.take(&rules, how);
            if taken.begin.is_empty() && taken.end.is_empty() {
                return Ok((taken, None));
            }
            let renewed = renewing.renew(&taken, &task, how).map_err(stay)?;
            // What is armed too late is taken back before its slot is another's.
            Ok((taken, Some((renewed, slot))))
        };
        let (taken, renewed) = self.armer.look(uid, renew)?;
        let said = said(&taken);
        let is_changed = renewed.is_some();
        if let Some((renewed, _slot)) = renewed {
            let obey = |live: &mut Live| {
                let released = live.obey(renewed)?;
                live.note(format!("while it ran, its rules became other ones: {said}"));
                Ok(released)
            };
            drop(running.with(obey).ok_or_else(gone)?.map_err(stay)?);
        }
        tracing::info!(session = running.id(), said, is_changed, "rules taken");
        Ok(format!("session {}: {said}", running.id()))
    }
}

fn stay(error: guard::Error) -> Refused {
    Refused::new(Why::CannotProtect, format!("the rules of before stay: {error}"))
}

/// What became of its rules.
fn said(taken: &Taken) -> String {
    let list = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let (begin, end, wait) = (list(&taken.begin), list(&taken.end), list(&taken.wait));
    let mut parts = Vec::new();
    if !begin.is_empty() {
        parts.push(format!("obeys {begin} from now on"));
    }
    if !end.is_empty() {
        parts.push(format!("obeys {end} no more"));
    }
    if parts.is_empty() {
        parts.push("obeys what it obeyed".to_owned());
    }
    if !wait.is_empty() {
        parts.push(format!("{wait} would open something, which counts from the next session on"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Rules;

    #[test]
    fn what_became_of_rules_is_said() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let of = |begin: &[&str], end: &[&str], wait: &[&str]| {
            let rules = Rules::default();
            said(&Taken { rules, begin: ids(begin), end: ids(end), wait: ids(wait) })
        };
        assert_eq!(of(&[], &[], &[]), "obeys what it obeyed");
        assert_eq!(of(&["a", "b"], &["c"], &[]), "obeys `a`, `b` from now on; obeys `c` no more");
        let waits = "obeys what it obeyed; `d` would open something, which counts from the next session on";
        assert_eq!(of(&[], &[], &["d"]), waits);
    }
}
