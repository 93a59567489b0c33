//! Tests of the effect of a further session on a compiled policy.

use super::*;
use proptest::prelude::*;

/// Few names, so that sessions meet, and meet what is there.
fn a_place() -> impl Strategy<Value = Place> {
    let directories =
        vec!["~", "~/.config", "~/.cache/agent", "~/.claude/projects", "~/Documents", "srv", "usr/bin"];
    let names = prop::collection::vec(
        prop::sample::select(vec!["old", "tax.pdf", "nc", ".x", "a", "b", "state.tmp.#", "#", "$repository"]),
        0..3,
    );
    let reach = prop::sample::select(words::FILE_REACHES.to_vec());
    (reach, prop::sample::select(directories), names)
        .prop_map(|(reach, directory, names)| place(reach, &format!("{directory}/{}", names.join("/"))))
}

fn sessions() -> impl Strategy<Value = Vec<(u64, Vec<Place>)>> {
    prop::collection::vec((0u64..4, prop::collection::vec(a_place(), 0..10)), 1..9)
}

fn policy_of(sessions: &[(u64, Vec<Place>)]) -> Compiled {
    let mut novelty = Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places)));
    novelty.prune();
    compiled_of(&novelty)
}

/// Whether a policy lets something be made under names of which the first is new in a directory.
fn lets_make(of: &Compiled, directory: &str, names: &[&str]) -> bool {
    if of.denied(directory) & CREATE != 0 || of.refused(directory, names[0]).is_some() {
        return false;
    }
    let mut made = directory.to_owned();
    names.windows(2).all(|pair| {
        made = format!("{}/{}", made.trim_end_matches('/'), pair[0]);
        let names = of.policy.awaited.get(BStr::new(made.as_bytes()));
        names.is_none_or(|names| names.lets(pair[1].into()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn refuse_nothing_that_was_allowed(
        sessions in sessions(),
        more in (0u64..5, prop::collection::vec(a_place(), 0..10)),
        again in any::<prop::sample::Index>(),
    ) {
        let before = policy_of(&sessions);
        let more = [again.get(&sessions).clone(), more];
        for more in more {
            let after = policy_of(&[&sessions[..], &[more]].concat());
            for (path, entry) in &before.machine.0 {
                let path = path.to_str().unwrap();
                let newly = after.denied(path) & !before.denied(path);
                // In a directory that takes new names, what may be made is asked for by name.
                prop_assert_eq!(newly & !CREATE, 0, "{}", path);
                if !entry.is_dir() {
                    continue;
                }
                for names in [&["a"][..], &["old"], &["a", "b"], &[".x"], &[".x", "a"], &["state.tmp.4711"], &["2026", "a"],
                    &["-home-u-projects-app", "2026"], &["evil"]] {
                    let closed = lets_make(&before, path, names) && !lets_make(&after, path, names);
                    prop_assert!(!closed, "{}/{:?}", path, names);
                }
            }
            prop_assert_eq!(after.policy.unlabelled & !before.policy.unlabelled, 0);
        }
    }
}
