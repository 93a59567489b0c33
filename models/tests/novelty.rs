//! Tests of places that open, and of places that stay closed.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]

use event::{Place, Reach};
use models::{DENIAL_BUDGET_BITS, Novelty};
use proptest::prelude::*;

fn place(reach: Reach, path: &str) -> Place {
    Place { reach, components: path.split(' ').map(Into::into).collect() }
}

/// A model of so many sessions, each in a workspace of its own; `of` tells the paths of each.
fn learned(reach: Reach, sessions: u64, of: impl Fn(u64) -> Vec<String>) -> Novelty {
    let sessions: Vec<(u64, Vec<Place>)> =
        (0..sessions).map(|n| (n, of(n).iter().map(|path| place(reach, path)).collect())).collect();
    Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places)))
}

#[test]
fn a_directory_that_takes_new_files_each_time_takes_another_for_a_bit_or_two() {
    let model = learned(Reach::Create, 12, |n| vec![format!("$home notes day-{}", (b'a' + n as u8) as char)]);
    assert!(model.first_touch_bits(&place(Reach::Create, "$home notes day-z")) < 2.0);
    assert!(model.first_touch_bits(&place(Reach::Create, "$home notes new-directory file")) < 2.0);
    assert!(model.first_touch_bits(&place(Reach::Create, "$home other")) > DENIAL_BUDGET_BITS);
}

#[test]
fn a_home_of_which_the_same_is_read_each_time_is_closed() {
    let model =
        learned(Reach::Read, 12, |_| vec!["$home .gitconfig".into(), "$home .codex config.toml".into()]);
    assert!(model.first_touch_bits(&place(Reach::Read, "$home .gitconfig")) < 0.5);
    assert!(model.first_touch_bits(&place(Reach::Read, "$home letter.txt")) > DENIAL_BUDGET_BITS);
    assert!(model.first_touch_bits(&place(Reach::Read, "$home .codex auth.json")) > DENIAL_BUDGET_BITS);
    assert!(model.first_touch_bits(&place(Reach::Read, "/ data secrets")) > DENIAL_BUDGET_BITS);
}

#[test]
fn one_session_or_two_open_nothing_and_one_makes_nothing_known() {
    let astray = |astray: u64| {
        learned(Reach::Read, 12, move |n| {
            let mut paths = vec!["$home .gitconfig".to_owned()];
            if n < astray {
                paths.extend((0..50).map(|file| format!("$home projects other{n} file{file}")));
            }
            paths
        })
    };
    let bits = |model: &Novelty, path: &str| model.first_touch_bits(&place(Reach::Read, path));
    for sessions in 1..=2 {
        assert!(bits(&astray(sessions), "$home projects other9 x") > DENIAL_BUDGET_BITS);
        assert!(bits(&astray(sessions), "$home projects other0 file0") > DENIAL_BUDGET_BITS);
    }
    assert!(bits(&astray(3), "$home projects other9 x") < DENIAL_BUDGET_BITS);
}

#[test]
fn several_sessions_of_one_workspace_open_nothing_when_there_were_others() {
    let sessions: Vec<(u64, Vec<Place>)> = (0..12)
        .map(|n| {
            (u64::from(n < 4), vec![place(Reach::Read, &format!("$home x {}", if n < 4 { n } else { 99 }))])
        })
        .collect();
    let named = |n: u64| ["a", "b", "c", "d"].get(n as usize).copied().unwrap_or("z");
    let plain: Vec<(u64, Vec<Place>)> = sessions
        .iter()
        .zip(0..)
        .map(|((workspace, _), n)| (*workspace, vec![place(Reach::Read, &format!("$home x {}", named(n)))]))
        .collect();
    let model = Novelty::learn(plain.iter().map(|(workspace, places)| (*workspace, places)));
    assert!(model.first_touch_bits(&place(Reach::Read, "$home x e")) > DENIAL_BUDGET_BITS);
}

#[test]
fn a_store_of_packages_is_open_to_another_package_once_three_sessions_filled_it() {
    let bits = |filled: u64, path: &str| {
        // All of one workspace, and the same packages each time, with others that fetch none.
        let made = ["$home .npm _cacache content-v2 sha512 04 b3", "$home .config tool state"];
        let paths = |n| if n < filled { &made[..] } else { &made[1..] };
        let sessions: Vec<(u64, Vec<Place>)> = (0..12)
            .map(|n| {
                (u64::from(n < filled), paths(n).iter().map(|path| place(Reach::Create, path)).collect())
            })
            .collect();
        let model = Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places)));
        model.first_touch_bits(&place(Reach::Create, path))
    };
    for path in ["$home .npm _cacache content-v2 sha512 96 f1", "$home .npm _cacache tmp .hidden x"] {
        assert!(bits(3, path) < DENIAL_BUDGET_BITS, "{path}");
        assert!(bits(2, path) > DENIAL_BUDGET_BITS, "{path}");
    }
    for path in ["$home .npm other", "$home .cargo registry src x", "$home .config tool more"] {
        assert!(bits(3, path) > DENIAL_BUDGET_BITS, "{path}");
    }
}

#[test]
fn what_its_user_installed_is_read_and_run_and_neither_changed_nor_an_agents() {
    let model = learned(Reach::Exec, 3, |_| vec!["/ usr bin cat".into()]);
    let bits = |reach, path: &str| model.first_touch_bits(&place(reach, path));
    for path in
        ["$home .cargo bin rg", "$home .nvm versions node $version bin node", "$home .pyenv shims python"]
    {
        assert!(bits(Reach::Exec, path) < DENIAL_BUDGET_BITS, "{path}");
        assert!(bits(Reach::Read, path) < bits(Reach::Exec, path), "{path}");
        assert!(bits(Reach::Write, path) > DENIAL_BUDGET_BITS, "{path}");
        assert!(bits(Reach::Create, path) > DENIAL_BUDGET_BITS, "{path}");
    }
    for path in
        ["$home bin deploy", "$home .local bin goose", "$home .npm-global lib node_modules opencode-ai"]
    {
        assert!(bits(Reach::Exec, path) > DENIAL_BUDGET_BITS, "{path}");
    }
}

#[test]
fn what_an_agent_laid_down_in_its_own_state_is_its_own_program() {
    let state = [place(Reach::Create, "$kept $home .tool")];
    let model = |program: &str| {
        let program = [place(Reach::Exec, program)];
        let sessions: [&[Place]; 3] = [&program, &[], &[]];
        let sessions = sessions.iter().enumerate();
        let sessions = sessions.map(|(n, places)| (n as u64, state.iter().chain(*places)));
        Novelty::learn(sessions)
    };
    let bits = |of: &str| model(of).first_touch_bits(&place(Reach::Exec, of));
    assert!(bits("$home .tool pkg $version addon.node") < DENIAL_BUDGET_BITS, "one session ran it");
    assert!(bits("$home .other pkg $version addon.node") > DENIAL_BUDGET_BITS);
    let unknown = place(Reach::Exec, "$home .tool pkg $version other.node");
    assert!(model("$home .tool pkg $version addon.node").first_touch_bits(&unknown) > DENIAL_BUDGET_BITS);
}

#[test]
fn a_new_day_is_like_the_days_before() {
    let model = learned(Reach::Create, 5, |n| vec![format!("$home .codex sessions 2026 11 23 rollout-{n}")]);
    assert!(
        model.first_touch_bits(&place(Reach::Create, "$home .codex sessions 2026 11 24 rollout-9"))
            < DENIAL_BUDGET_BITS
    );
    assert!(
        model.first_touch_bits(&place(Reach::Create, "$home .codex sessions 2027 01 01 rollout-9"))
            < DENIAL_BUDGET_BITS
    );
    assert!(model.first_touch_bits(&place(Reach::Create, "$home .codex config.toml")) > DENIAL_BUDGET_BITS);
}

#[test]
fn hosts_of_one_network_open_it_and_no_other() {
    let model = learned(Reach::Connect, 8, |n| vec![format!("$net4 104 18 32 {} 443", n + 1)]);
    assert!(model.first_touch_bits(&place(Reach::Connect, "$net4 104 18 32 77 443")) < DENIAL_BUDGET_BITS);
    assert!(model.first_touch_bits(&place(Reach::Connect, "$net4 104 18 99 77 443")) > DENIAL_BUDGET_BITS);
    assert!(model.first_touch_bits(&place(Reach::Connect, "$net4 198 51 100 7 443")) > DENIAL_BUDGET_BITS);
}

#[test]
fn names_of_one_domain_open_it_and_neither_another_nor_all_of_its_parent() {
    let model = learned(Reach::Connect, 5, |n| {
        vec![format!("$host org example node-{} :443", ["a", "b", "c", "d", "e"][n as usize])]
    });
    assert!(model.first_touch_bits(&place(Reach::Connect, "$host org example node-x :443")) < 4.0);
    assert!(
        model.first_touch_bits(&place(Reach::Connect, "$host org other node-a :443")) > DENIAL_BUDGET_BITS
    );
    let domains = learned(Reach::Connect, 5, |n| {
        vec![format!("$host org {} :443", ["a", "b", "c", "d", "e"][n as usize])]
    });
    assert!(domains.first_touch_bits(&place(Reach::Connect, "$host org f :443")) > DENIAL_BUDGET_BITS);
    assert!(
        domains.first_touch_bits(&place(Reach::Connect, "$host org a :443")) > DENIAL_BUDGET_BITS,
        "one session"
    );
}

#[test]
fn a_server_that_was_asked_for_by_name_makes_no_connection_known() {
    let model = learned(Reach::Name, 5, |_| vec!["$host org example :443".into()]);
    assert!(model.first_touch_bits(&place(Reach::Name, "$host org example :443")) < 1.0);
    assert!(model.first_touch_bits(&place(Reach::Connect, "$host org example :443")) > DENIAL_BUDGET_BITS);
}

#[test]
fn changes_in_the_workspace_are_one_habit_but_its_configuration_is_another() {
    let model = learned(Reach::Write, 6, |n| {
        vec![format!("$workspace src{n} main.rs"), "$workspace .git index".into()]
    });
    let bits = |reach, path| model.first_touch_bits(&place(reach, path));
    assert!(bits(Reach::Write, "$workspace lib other.rs") < DENIAL_BUDGET_BITS);
    assert!(bits(Reach::Remove, "$workspace lib other.rs") < DENIAL_BUDGET_BITS);
    assert!(bits(Reach::Write, "$workspace .git hooks pre-commit") > DENIAL_BUDGET_BITS);
    assert!(bits(Reach::Remove, "$workspace .git HEAD") > DENIAL_BUDGET_BITS);
    assert!(bits(Reach::Write, "$workspace .git index") < DENIAL_BUDGET_BITS);
    assert!(bits(Reach::Exec, "$workspace run.sh") > DENIAL_BUDGET_BITS);
}

#[test]
fn the_regions_say_what_the_bits_say() {
    let model = learned(Reach::Read, 12, |n| {
        vec!["$home .gitconfig".into(), format!("$home .cache pip {n}"), format!("$workspace src f{n}")]
    });
    let mut given = 0;
    for region in model.regions() {
        let names = || region.components.iter().map(|&name| name.to_owned());
        let at = Place { reach: region.reach, components: names().collect() };
        assert_eq!(region.known, model.first_touch_bits(&at) < DENIAL_BUDGET_BITS);
        let components = names().chain(["never".into(), "seen".into()]).collect();
        let below = Place { reach: region.reach, components };
        assert_eq!(region.open, model.first_touch_bits(&below) < DENIAL_BUDGET_BITS, "{below:?}");
        assert_eq!(region.open, model.is_open(region.reach, &region.components));
        given += usize::from(region.support == 0);
    }
    assert!(given > 10, "regions where no session went: {given}");
}

#[test]
fn merging_is_as_if_all_had_been_learned_together_and_pruning_makes_no_difference() {
    let of = |n: u64| {
        vec![format!("$home .cache x{n} y"), "$home .gitconfig".to_owned(), format!("$home v f{}", n % 3)]
    };
    let all = learned(Reach::Read, 12, of);
    let mut merged = learned(Reach::Read, 6, of);
    let sessions: Vec<(u64, Vec<Place>)> =
        (6..12).map(|n| (n, of(n).iter().map(|path| place(Reach::Read, path)).collect())).collect();
    merged.merge(&Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places))));
    let mut pruned = all.clone();
    pruned.prune();
    for path in
        ["$home .cache x3 y", "$home .cache x99 y", "$home .gitconfig", "$home v f1", "$home v f9", "$home w"]
    {
        let place = place(Reach::Read, path);
        assert_eq!(all.first_touch_bits(&place), merged.first_touch_bits(&place), "{path}");
        let over = |model: &Novelty| model.first_touch_bits(&place) >= DENIAL_BUDGET_BITS;
        assert_eq!(over(&all), over(&pruned), "{path}");
    }
}

#[test]
fn where_files_lie_is_a_habit_of_the_agent_and_what_is_run_one_of_the_task() {
    let own = learned(Reach::Read, 12, |_| vec!["$home .gitconfig".into()]);
    let others: Vec<(u64, Vec<Place>)> = (0..12)
        .map(|n| {
            let made = place(Reach::Create, &format!("$home .cargo registry {}", (b'a' + n as u8) as char));
            let all = vec![
                place(Reach::Read, "$home .cargo config.toml"),
                place(Reach::Exec, "$home bin deploy"),
                place(Reach::Write, "$workspace a.rs"),
                place(Reach::Connect, "$net4 203 0 113 9 443"),
                made,
            ];
            (n, all)
        })
        .collect();
    let others = Novelty::learn(others.iter().map(|(workspace, places)| (*workspace, places)));
    let leaning = own.clone().leaning_on(&others);
    let bits = |reach, path| {
        (own.first_touch_bits(&place(reach, path)), leaning.first_touch_bits(&place(reach, path)))
    };
    for (reach, path) in
        [(Reach::Read, "$home .cargo config.toml"), (Reach::Create, "$home .cargo registry z")]
    {
        let (alone, leaning) = bits(reach, path);
        assert!(alone > DENIAL_BUDGET_BITS && leaning < 4.5, "{path}: {leaning}");
    }
    for (reach, path) in [
        (Reach::Exec, "$home bin deploy"),
        (Reach::Write, "$workspace a.rs"),
        (Reach::Connect, "$net4 203 0 113 9 443"),
        (Reach::Read, "$home letter.txt"),
    ] {
        let (alone, leaning) = bits(reach, path);
        assert!((alone - leaning).abs() < 1e-12 && alone > DENIAL_BUDGET_BITS, "{path}: {alone} {leaning}");
    }
    let known =
        |name: &str| leaning.regions().any(|r| r.known && r.components.last().is_some_and(|n| **n == name));
    assert!(known("config.toml") && known(".gitconfig") && !known("a.rs") && !known("443"));
    let stored: Novelty = rmp_serde::from_slice(&rmp_serde::to_vec(&leaning).unwrap()).unwrap();
    assert_eq!(stored, leaning);
    assert_eq!(
        leaning.without(&[0]).first_touch_bits(&place(Reach::Read, "$home .cargo config.toml")),
        bits(Reach::Read, "$home .cargo config.toml").1
    );
}

#[test]
fn without_a_session_it_is_as_if_it_had_never_been() {
    let of = |n: u64| vec![format!("$home a b{}", n % 5), format!("$home c {n}x")];
    let (without, eleven) = (learned(Reach::Read, 12, of).without(&[11]), learned(Reach::Read, 11, of));
    for path in ["$home a b1", "$home a b9", "$home c 11x", "$home c 3x", "$home d"] {
        let place = place(Reach::Read, path);
        assert_eq!(without.first_touch_bits(&place), eleven.first_touch_bits(&place), "{path}");
    }
}

proptest! {
    #[test]
    fn any_place_costs_a_finite_number_of_bits(
        sessions in prop::collection::vec(prop::collection::vec("[$a-c./ 0-2]{1,12}", 0..8), 0..6),
        asked in "[$a-c./ 0-2]{0,14}",
        reach in 0..8usize,
    ) {
        let reach = Reach::ALL[reach];
        let sessions: Vec<(u64, Vec<Place>)> = sessions
            .iter()
            .zip(0..)
            .map(|(paths, n)| (n, paths.iter().map(|path| place(reach, path)).collect()))
            .collect();
        let mut model = Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places)));
        let bits = model.first_touch_bits(&place(reach, &asked));
        prop_assert!(bits.is_finite() && bits >= 0.0);
        model.prune();
        prop_assert!(model.first_touch_bits(&place(reach, &asked)).is_finite());
    }
}

/// Places of few names, so that sessions meet at them, in regions of every kind.
fn a_place() -> impl Strategy<Value = Place> {
    let roots = prop::sample::select(vec![
        "$home",
        "$home .config",
        "$home .claude projects",
        "$home .npm _cacache",
        "/",
        "/ usr bin",
        "/ srv",
        "$net4 198",
        "$host org",
        "$tmp",
    ]);
    let names = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ".d", "1234", "443"]), 1..4);
    (0..Reach::ALL.len(), roots, names)
        .prop_map(|(reach, root, names)| place(Reach::ALL[reach], &format!("{root} {}", names.join(" "))))
}

fn sessions_of_places() -> impl Strategy<Value = Vec<(u64, Vec<Place>)>> {
    prop::collection::vec((0u64..4, prop::collection::vec(a_place(), 0..12)), 1..12)
}

fn model(sessions: &[(u64, Vec<Place>)]) -> Novelty {
    Novelty::learn(sessions.iter().map(|(workspace, places)| (*workspace, places)))
}

/// Whether whatever `less` has within the budget is within that of `more`, at these places and above them.
fn is_as_open(more: &Novelty, less: &Novelty, places: &[Place]) -> Result<(), TestCaseError> {
    for place in places {
        let within = |model: &Novelty| model.first_touch_bits(place) < DENIAL_BUDGET_BITS;
        prop_assert!(within(more) || !within(less), "{place:?} was known");
        for depth in 1..=place.components.len() {
            let above: Vec<&bstr::BStr> = place.components[..depth].iter().map(bstr::BStr::new).collect();
            let open = more.is_open(place.reach, &above) || !less.is_open(place.reach, &above);
            prop_assert!(open, "{above:?} was open for {:?}", place.reach);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_session_more_closes_nothing(
        sessions in sessions_of_places(),
        more in (0u64..5, prop::collection::vec(a_place(), 0..12)),
        again in any::<prop::sample::Index>(),
        asked in prop::collection::vec(a_place(), 1..40),
    ) {
        let before = model(&sessions);
        let mut pruned = before.clone();
        pruned.prune();
        is_as_open(&pruned, &before, &asked)?;
        for session in [more, again.get(&sessions).clone()] {
            let after = model(&[&sessions[..], &[session]].concat());
            is_as_open(&after, &before, &asked)?;
        }
    }

    #[test]
    fn all_of_an_agents_tasks_are_as_open_as_each(
        tasks in prop::collection::vec(sessions_of_places(), 2..4),
        asked in prop::collection::vec(a_place(), 1..40),
    ) {
        // As training makes them: each leans on all others, and forgets what makes no difference.
        let parts: Vec<Novelty> = (0..tasks.len())
            .map(|own| {
                let others = tasks.iter().enumerate().filter(|(task, _)| *task != own);
                let others: Vec<_> = others.flat_map(|(_, sessions)| sessions.clone()).collect();
                let mut part = model(&tasks[own]).leaning_on(&model(&others));
                part.prune();
                part
            })
            .collect();
        let mut union = parts[0].clone();
        parts[1..].iter().for_each(|part| union.merge(part));
        for part in &parts {
            is_as_open(&union, part, &asked)?;
        }
    }
}

/// Each repository recorded once and each recorded twice are open to another one.
#[test]
fn a_directory_of_repositories_is_open_however_often_each_was_recorded() {
    const REPOSITORIES: [&str; 6] = ["app", "blog", "cart", "desk", "echo", "farm"];
    for times in 1..=4 {
        let sessions: Vec<(u64, Vec<Place>)> = (0..6 * times)
            .map(|n| {
                let repository = n % 6;
                let path = format!("$home .gemini history {} made", REPOSITORIES[repository]);
                (repository as u64, vec![place(Reach::Create, &path)])
            })
            .collect();
        let bits =
            model(&sessions).first_touch_bits(&place(Reach::Create, "$home .gemini history grid made"));
        assert!(bits < DENIAL_BUDGET_BITS, "{times} times: {bits}");
    }
}

/// Programs keep something in a hub under their own names: sessions that used others name nothing by themselves.
#[test]
fn programs_that_differ_from_session_to_session_open_no_hub() {
    const PROGRAMS: [&str; 8] = ["cargo", "gem", "gradle", "m2", "npm", "nuget", "pip", "stack"];
    for (hub, dot) in [("$home", "."), ("$home .config", ""), ("$home .local share", "")] {
        let model = learned(Reach::Create, 8, |n| vec![format!("{hub} {dot}{} state", PROGRAMS[n as usize])]);
        for new in ["evil", ".evil", "evil state"] {
            let new = place(Reach::Create, &format!("{hub} {new}"));
            assert!(model.first_touch_bits(&new) > DENIAL_BUDGET_BITS, "{new:?}");
        }
        let notes = learned(Reach::Create, 8, |n| vec![format!("{hub} note-{}", PROGRAMS[n as usize])]);
        assert!(notes.first_touch_bits(&place(Reach::Create, &format!("{hub} note"))) < DENIAL_BUDGET_BITS);
        let hidden = place(Reach::Create, &format!("{hub} .hidden state"));
        assert!(notes.first_touch_bits(&hidden) > DENIAL_BUDGET_BITS, "{hidden:?}");
    }
}
