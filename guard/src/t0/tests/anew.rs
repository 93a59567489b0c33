//! What is labelled for a session that runs, when its rules become other ones.

use super::*;
use policy::{Day, Source};
use std::collections::HashSet;

fn rule(layer: Layer, place: &str) -> Source {
    let file = format!("{layer:?}.toml");
    let text = format!(
        "[[rule]]\nid = \"x\"\nis = \"x\"\nwhere.{place}\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"x\"\n"
    );
    Source { layer, file, text }
}

fn rules(sources: &[Source]) -> Rules {
    Rules::read(sources, Day::at(0)).unwrap()
}

#[test]
fn what_the_session_has_made_is_closed_by_new_rules_alone() {
    let home = Home::new();
    for path in ["made.pem", "brought.pem", "plan/made", "new/.git/config", "new/.env", "old/.git/config"] {
        home.write(path);
    }
    let uid = fs::metadata(home.path("")).unwrap().uid();
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let made = ["made.pem", "plan/made", "new", "new/.git", "new/.git/config", "new/.env"];
    let made: HashSet<FileKey> = made.map(|path| key_of(&home.path(path))).into();
    let since = Some(Since { rules: Rules::default(), made });
    let rules = rules(&[rule(Layer::User, "home = \"plan\"")]);
    let set = stage.arm(1, &Guarded { uid, rules, since, ..home.guarded() }, None).unwrap();
    let own = |path: &str| home.list.state().own.get(&(1, key_of(&home.path(path)))).map(|label| label.deny);
    assert_eq!((own("made.pem"), own("new/.git/config"), own("new/.env")), (None, None, None));
    assert_eq!((home.place("made.pem"), home.place("new/.git/config")), (None, None));
    assert!(own("brought.pem").is_some() && own("old/.git/config").is_some());
    assert_eq!(home.label("plan/made").map(|label| label.deny), Some(access::READ), "a new rule is about it");
    stage.release_set(1, &set).unwrap();
    let state = home.list.state();
    assert!(state.t0.is_empty() && state.own.is_empty() && state.names.is_empty() && state.places.is_empty());
}

#[test]
fn what_an_earlier_arming_labelled_stays_until_it_is_released() {
    let home = Home::new();
    home.write(".aws/x");
    home.write("plan/x");
    let uid = fs::metadata(home.path("")).unwrap().uid();
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let with = |sources: &[Source]| Guarded { uid, rules: rules(sources), ..home.guarded() };
    let first = stage.arm(1, &with(&[rule(Layer::User, "home = \"plan\"")]), None).unwrap();
    let second = stage.arm(1, &with(&[]), None).unwrap();
    let is_closed = |path: &str| home.label(path).is_some_and(|label| label.deny & access::READ != 0);
    assert!(is_closed("plan/x") && is_closed(".aws/x"));
    stage.release_set(1, &first).unwrap();
    assert!(!is_closed("plan/x") && is_closed(".aws/x"));
    // What cannot be armed leaves what was there.
    let others = with(&[rule(Layer::User, "root = \"/usr/bin/true\"")]);
    let others = Guarded { uid: 4_000_000, ..others };
    assert!(matches!(stage.arm(1, &others, None), Err(Error::NotOwn { .. })));
    assert!(!is_closed("plan/x") && is_closed(".aws/x"));
    drop(second);
    stage.release(1).unwrap();
    assert!(home.list.state().t0.is_empty());
}

#[test]
fn a_repositorys_rule_about_somebody_elses_file_is_left_out_and_said() {
    let home = Home::new();
    home.write("app/.env");
    home.write("app/own");
    let guarded = |sources: &[Source]| Guarded {
        uid: 4_000_000,
        rules: rules(sources),
        workspaces: vec![home.path("app")],
        ..home.guarded()
    };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let set = stage.arm(1, &guarded(&[rule(Layer::Repository, "workspace = \".env\"")]), None).unwrap();
    let said = format!(
        "rule `x` of `Repository.toml` is left out: `{}` does not belong",
        home.path("app/.env").display()
    );
    let warnings = &set.coverage.warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with(&said)), "{warnings:?}");
    assert_eq!(home.label("app/.env"), None);
    // A user's own is a mistake of the user's.
    let of_user = guarded(&[rule(Layer::User, "workspace = \".env\"")]);
    assert!(matches!(stage.arm(2, &of_user, None), Err(Error::NotOwn { .. })));
}
