//! Tests of the search by name.

use super::*;
use abi::{EVERY_SESSION, LABEL_ABOVE, LABEL_OWN};

impl Home {
    /// What is closed to one session alone.
    fn own(&self, slot: u32, path: &str) -> Option<Label> {
        self.list.state().own.get(&(slot, key_of(&self.path(path)))).copied()
    }
    /// Which sessions a path is a place for, and what it refuses.
    fn places(&self, path: &str) -> Vec<(u32, u32, u32)> {
        let home = fs::canonicalize(self.path("")).unwrap();
        let names = home.join(path);
        let hash = names
            .iter()
            .skip(1)
            .fold(abi::PLACE_ROOT, |place, name| abi::place_below(place, component(name.as_bytes()).1));
        let places = &self.list.state().places;
        let of = places.iter().filter(|(key, _)| key.hash == hash);
        of.map(|(key, label)| (key.session, label.deny, label.flags)).collect()
    }
}

/// Reading and changing.
const READ_AND_CHANGE: u32 = access::READ | access::MODIFY;

#[test]
fn what_is_found_is_a_place_like_any_other_and_the_sessions_alone() {
    let home = Home::new();
    for path in ["other/deploy/.env", "other/.git/config", "app/.env", "app/.git/config"] {
        home.write(path);
    }
    let guarded = Guarded { workspaces: vec![home.path("app")], ..home.guarded() };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let coverage = stage.arm(1, &guarded, None).unwrap();
    for (path, deny) in [("other/deploy/.env", READ_AND_CHANGE), ("other/.git/config", access::MODIFY)] {
        let own = home.own(1, path).unwrap();
        assert_eq!((own.deny, own.flags), (deny, LABEL_OWN), "{path}");
        assert_eq!(home.label(path).unwrap(), Label { flags: LABEL_OWN, ..plain(0, 0) }, "{path}");
        assert_eq!(home.places(path), [(1, deny, 0)], "{path}");
    }
    // Nothing lies there yet.
    assert_eq!(home.places("other/.git/hooks"), [(1, access::MODIFY, 0)]);
    for path in ["other", "other/deploy", "other/.git"] {
        assert_eq!(home.places(path), [(1, 0, LABEL_ABOVE)], "{path}");
    }
    assert!(home.places("").contains(&(EVERY_SESSION, 0, LABEL_ABOVE)));
    // What lies in the workspace is closed by what holds there for everybody alone.
    assert_eq!(home.own(1, "app/.env"), None);
    for path in ["app", "app/.env", "app/.git/config", "app/.git/hooks"] {
        assert!(home.places(path).iter().all(|(session, ..)| *session == EVERY_SESSION), "{path}");
    }
    // What is not there cannot be held.
    assert_eq!(coverage.found.len(), 2, "{:?}", coverage.found);
    // Who works there is not held up.
    stage.arm(2, &Guarded { workspaces: vec![home.path("other")], ..home.guarded() }, None).unwrap();
    assert_eq!(home.own(2, "other/deploy/.env"), None);
    assert_eq!(home.places("app/.env"), [(2, READ_AND_CHANGE, 0)]);
    stage.release(1).unwrap();
    assert!(home.places("other/deploy/.env").is_empty() && home.places("other/deploy").is_empty());
    stage.release(2).unwrap();
    assert!(home.list.state().own.is_empty() && home.list.state().places.is_empty());
}

#[test]
fn who_works_in_the_whole_home_finds_nothing_there() {
    let home = Home::new();
    home.write("other/.env");
    let guarded = Guarded { workspaces: vec![home.path("")], ..home.guarded() };
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    let coverage = stage.arm(1, &guarded, None).unwrap();
    assert_eq!((home.own(1, "other/.env"), coverage.found), (None, Vec::new()));
}

#[test]
fn what_was_not_looked_at_is_told() {
    let home = Home::new();
    for n in 0..511 {
        home.write(&format!("d{n}/.env"));
    }
    let told = |coverage: &Coverage| {
        coverage.warnings.iter().filter(|warning| warning.contains("too large to be searched")).count()
    };
    let (stage, coverage) = home.arm();
    assert_eq!((coverage.found.len(), told(&coverage)), (511, 0), "{:?}", coverage.warnings);
    stage.release(1).unwrap();
    home.write("d511/.env");
    home.write("d512/.env");
    let (_, coverage) = home.arm();
    assert_eq!((coverage.found.len(), told(&coverage)), (511, 1), "{:?}", coverage.warnings);
    let warning = coverage.warnings.iter().find(|warning| warning.contains("searched")).unwrap();
    assert!(warning.ends_with("(512 directories and 1024 names were looked at)"), "{warning}");
}
