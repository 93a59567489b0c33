//! The rules of a running session, when others are to hold.

use super::running::Running;
use super::shared::Shared;
use bstr::BString;
use event::Mode;
use guard::{Live, repository};
use policy::Taken;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use wire::{Refused, TookRules, Why};

/// Of what is not closed, so much is told of a session.
const WARNINGS_MAX: usize = 20;

/// Has a session obey what closes of the rules under which one of its user would begin now; what became of its rules. `None`: it
/// is over.
pub(super) fn take(shared: &Shared, running: &Running) -> Option<TookRules> {
    let _changing = running.changing();
    let asked = |live: &mut Live| (live.taking(), live.meta().clone(), live.mode() == Mode::Shadow);
    let (taking, meta, is_watched) = running.with(asked)?;
    let path = |bytes: &BString| PathBuf::from(OsStr::from_bytes(bytes));
    let workspaces: Vec<PathBuf> = meta.context.workspaces.iter().map(path).collect();
    let uid = running.uid;
    let look = move || {
        let rules = repository::of_running(uid, meta.agent.as_str(), &workspaces)
            .map_err(|trouble| Refused::new(Why::Policy, trouble.to_string()))?;
        taking.take(&rules).map_err(stays)
    };
    let told = |became, warnings| TookRules { session: running.id(), became, warnings };
    let (taken, closing) = match shared.armer.look(uid, look) {
        Ok(looked) => looked,
        Err(refused) => return Some(told(Err(refused.message), Vec::new())),
    };
    let said = match is_watched {
        true => format!("{} (it only watches: nothing is refused)", said(&taken)),
        false => said(&taken),
    };
    let mut warnings = Vec::new();
    if let Some(closing) = closing {
        let obeyed = running.with(|live| {
            let obeyed = live.obey(closing);
            if let Ok(warnings) = &obeyed {
                if !(taken.begin.is_empty() && taken.end.is_empty()) {
                    live.note(format!("when it ran, its rules became other ones: {said}"));
                }
                warnings.iter().for_each(|warning| live.note(warning.clone()));
            }
            obeyed
        });
        match obeyed? {
            Ok(more) => warnings = more,
            Err(error) => return Some(told(Err(stays(error).message), Vec::new())),
        }
    }
    tracing::info!(session = running.id(), said, ?warnings, "rules taken");
    match warnings.len().saturating_sub(WARNINGS_MAX) {
        0 => {}
        more => {
            warnings.truncate(WARNINGS_MAX);
            warnings.push(format!("and {more} more"));
        }
    }
    Some(told(Ok(said), warnings))
}

fn stays(error: guard::Error) -> Refused {
    Refused::new(Why::CannotProtect, error.to_string())
}

/// What became of its rules.
fn said(taken: &Taken) -> String {
    let list = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let parts = [
        (&taken.begin, "obeys ", " from now on"),
        (&taken.end, "has nothing opened by ", " any more"),
        (&taken.opens, "has nothing opened by ", " yet: that counts from the next session on"),
        (&taken.taken_back, "obeys ", " to its end: that it was taken back counts from the next session on"),
    ];
    let parts = parts.into_iter().filter(|(ids, ..)| !ids.is_empty());
    let parts: Vec<String> = parts.map(|(ids, head, tail)| format!("{head}{}{tail}", list(ids))).collect();
    if parts.is_empty() { "obeys what it obeyed".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Rules;

    #[test]
    fn what_became_of_rules_is_said() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let of = |begin: &[&str], end: &[&str], opens: &[&str], taken_back: &[&str]| {
            let (rules, begin, end) = (Rules::default(), ids(begin), ids(end));
            said(&Taken { rules, begin, end, opens: ids(opens), taken_back: ids(taken_back) })
        };
        assert_eq!(of(&[], &[], &[], &[]), "obeys what it obeyed");
        assert_eq!(
            of(&["a", "b"], &["c"], &[], &[]),
            "obeys `a`, `b` from now on; has nothing opened by `c` any more"
        );
        let next = "counts from the next session on";
        assert_eq!(of(&[], &[], &["d"], &[]), format!("has nothing opened by `d` yet: that {next}"));
        assert_eq!(of(&[], &[], &[], &["e"]), format!("obeys `e` to its end: that it was taken back {next}"));
    }
}
