//! What rules ask (`effect = "ask"`): whether the session's task normally changes a place. Its baseline answers, once, when the
//! session begins; what was not answered is refused. A session that is recorded is not asked: it is to teach the answer.

use bstr::BString;
use event::{Place, Reach};
use models::{Baseline, KNOWN_SESSIONS, Novelty};
use policy::{Rules, Site};
use wire::Mode;

/// What changes something.
const CHANGES: [Reach; 3] = [Reach::Write, Reach::Create, Reach::Remove];

/// The rules that are left.
pub(crate) fn answered(rules: &Rules, mode: Mode, baseline: Option<&Baseline>) -> Rules {
    let novelty = baseline.map(|baseline| &baseline.models.novelty);
    rules.answered(|row| mode == Mode::Record || novelty.is_some_and(|novelty| is_changed(novelty, row.site)))
}

/// Whether several sessions changed a place, or something in it: one that was led astray answers nothing.
fn is_changed(novelty: &Novelty, site: &Site) -> bool {
    let (root, path) = match site {
        Site::Home(path) => ("$home", path),
        Site::Workspace(path) => ("$workspace", path),
        _ => return false,
    };
    let components: Vec<BString> = std::iter::once(root).chain(path.split('/')).map(BString::from).collect();
    CHANGES.into_iter().any(|reach| {
        let place = Place { reach, components: components.clone().into() };
        novelty.support(&place).0 >= KNOWN_SESSIONS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of sessions in workspaces of their own that reached for these places.
    fn learned(sessions: &[&[(Reach, &str)]]) -> Novelty {
        let place = |(reach, path): &(Reach, &str)| Place {
            reach: *reach,
            components: path.split('/').map(BString::from).collect::<Vec<_>>().into(),
        };
        let sessions: Vec<Vec<Place>> =
            sessions.iter().map(|places| places.iter().map(place).collect()).collect();
        Novelty::learn((0..).zip(&sessions))
    }

    #[test]
    fn a_task_answers_for_what_several_of_its_sessions_changed() {
        let installs: &[(Reach, &str)] =
            &[(Reach::Create, "$home/.local/bin/tool"), (Reach::Write, "$workspace/.husky/pre-commit")];
        let reads: &[(Reach, &str)] =
            &[(Reach::Read, "$home/.local/bin/tool"), (Reach::Write, "$workspace/src/main.rs")];
        let (bin, hooks) = (Site::Home(".local/bin".into()), Site::Workspace(".husky".into()));
        let of = |sessions: &[&[(Reach, &str)]]| {
            let novelty = learned(sessions);
            (is_changed(&novelty, &bin), is_changed(&novelty, &hooks))
        };
        assert_eq!(of(&[installs, installs, reads, reads]), (true, true));
        assert_eq!(of(&[installs, reads, reads, reads]), (false, false));
        assert_eq!(of(&[reads, reads, reads, reads]), (false, false));
        assert_eq!(of(&[installs, &installs[..1], reads]), (true, false));
    }
}
