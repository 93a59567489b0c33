//! Tests of rules that are added during a session.

use super::*;

fn rules(text: &[(&str, &str, &str)]) -> Rules {
    let rule = |(place, effect, more): &(&str, &str, &str)| {
        let what = if *effect == "deny" { "everything" } else { "read" };
        let id = place.replace(['.', '/'], "");
        format!(
            "[[rule]]\nid = \"{effect}-{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"{what}\"\neffect = \"{effect}\"\n{more}why = \"x\"\n"
        )
    };
    let text = text.iter().map(rule).collect();
    Rules::read(&[policy::Source { layer: Layer::User, file: "x".into(), text }], policy::Day::at(0)).unwrap()
}

/// A session that is armed, and takes other rules.
struct Session {
    home: Home,
    stage: Static,
    coverage: Coverage,
    guarded: Guarded,
}

impl Session {
    fn new(home: Home, rules: Rules) -> Self {
        let uid = fs::metadata(home.path("")).unwrap().uid();
        let guarded = Guarded { uid, rules, ..home.guarded() };
        let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
        let coverage = stage.arm(1, &guarded, None).unwrap();
        Self { home, stage, coverage, guarded }
    }

    fn look(&self, others: &Rules) -> Result<Staged, Error> {
        let taken = self.guarded.rules.tightened(others).rules;
        let links = Links::NotOf(self.guarded.uid);
        let around = Around { coverage: &self.coverage, marks: None, links, watched: |_| true };
        let guarded = Guarded { rules: taken.clone(), ..self.guarded.clone() };
        self.stage.look(1, &guarded, &taken.refusals_beyond(&self.guarded.rules), &around)
    }
}

fn home() -> Home {
    let home = Home::new();
    for file in [".ssh/id_ed25519", "shared/list", "diary/today", "near/x"] {
        home.write(file);
    }
    home
}

#[test]
fn what_comes_later_follows_no_link_and_closes_places() {
    let session = Session::new(home(), Rules::default());
    let Session { home, stage, .. } = &session;
    let ssh = home.label(".ssh").unwrap();
    for (to, link) in
        [("shared", "trap"), (".ssh", "open"), ("shared", "middle"), ("../shared", "diary/link")]
    {
        symlink(to, home.path(link)).unwrap();
    }
    symlink("nowhere", home.path("none")).unwrap();
    let hosts = "hosts = \"192.0.2.1\"\n";
    let others = rules(&[
        ("trap", "deny", ""),
        ("middle/list", "deny", ""),
        ("none", "deny", ""),
        ("diary", "deny", ""),
        ("open", "lend", hosts),
    ]);
    let before = home.list.state().t0.len();
    let own = || home.list.state().own.clone();
    let own_before = own();
    let staged = session.look(&others).unwrap();
    assert_eq!(home.list.state().t0.len(), before, "nothing yet");
    let coverage = stage.close(1, 1, staged).unwrap();
    let said = |link: &str| {
        let link = format!("{}` is a link", home.path(link).display());
        coverage.warnings.iter().any(|warning| warning.contains(&link))
    };
    for link in ["trap", "middle", "none", "diary/link"] {
        assert!(said(link), "{link}: {:?}", coverage.warnings);
    }
    assert_eq!(home.label("diary/today").map(|label| label.deny), Some(access::ALL));
    assert_eq!((home.label("shared"), home.label("shared/list")), (None, None));
    assert_eq!((home.label(".ssh"), own()), (Some(ssh), own_before), "nothing was opened");
    for place in ["trap", "middle/list", "none"] {
        assert_eq!(home.place(place).map(|label| label.deny), Some(access::ALL), "{place}");
    }
    assert_eq!(home.place("nowhere"), None);
    // What came later goes by itself.
    stage.release_set(1, 1).unwrap();
    assert_eq!((home.label("diary/today"), home.place("trap"), home.label(".ssh")), (None, None, Some(ssh)));
    stage.release(1).unwrap();
    assert!(home.list.state().t0.is_empty());
}

#[test]
fn what_comes_later_is_added_whole_or_not_at_all() {
    let home = home();
    let stage = Static::new(home.list.clone(), Own::default(), Arc::default());
    stage.arm(1, &Guarded { uid: 1000, ..home.guarded() }, None).unwrap();
    let state = || {
        let state = home.list.state();
        (state.t0.clone(), state.own.clone(), state.places.len(), state.names.len())
    };
    let before = state();
    let one = |ino: u32| {
        let file = FileKey { ino: 1 << 40 | u64::from(ino), dev: 1, generation: 0 };
        (Key::File(file), Label { flags: abi::LABEL_OWN, ..plain(access::READ, 1) })
    };
    let staged = |count: u32| Staged {
        entries: (0..count).map(one).collect(),
        readable: Vec::new(),
        coverage: Coverage::default(),
    };
    assert!(matches!(stage.close(1, 1, staged(abi::MAX_T0 / 2)), Err(Error::Quota { .. })));
    assert!(state() == before, "nothing of it stays");
    // What it took of its user's share was given back.
    stage.close(1, 2, staged(1_000)).unwrap();
    stage.release_set(1, 2).unwrap();
    assert!(state() == before);
}

/// Who is inside chooses what lies where: one place that is somebody else's keeps no other rule from closing.
#[test]
fn a_place_that_is_somebody_elses_keeps_no_other_from_being_closed() {
    let session = Session::new(home(), Rules::default());
    let elsewhere = "[[rule]]\nid = \"b\"\nis = \"x\"\nwhere.root = \"/proc/sys\"\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"x\"\n";
    let mine = elsewhere.replace("root = \"/proc/sys\"", "home = \"diary\"").replace("\"b\"", "\"c\"");
    let source = policy::Source { layer: Layer::User, file: "x".into(), text: elsewhere.to_owned() + &mine };
    let others = Rules::read(&[source], policy::Day::at(0)).unwrap();
    let Session { home, stage, guarded, .. } = &session;
    let is_others = guarded.uid != fs::metadata("/proc/sys").unwrap().uid();
    let coverage = stage.close(1, 1, session.look(&others).unwrap()).unwrap();
    let said = coverage.warnings.iter().any(|warning| warning.contains("rule `b` closes `/proc/sys`"));
    assert_eq!(said, is_others, "{:?}", coverage.warnings);
    assert_eq!(home.label("diary/today").map(|label| label.deny), Some(access::READ));
}

#[test]
fn what_was_allowed_of_what_was_found_is_closed_to_its_session_again() {
    let home = home();
    for file in ["other/.env", "app/.env"] {
        home.write(file);
    }
    let session = Session::new(home, rules(&[("other/.env", "allow", "")]));
    let Session { home, stage, .. } = &session;
    let own =
        |path: &str| home.list.state().own.get(&(1, key_of(&home.path(path)))).map_or(0, |label| label.deny);
    assert_eq!(own("other/.env") & access::READ, 0);
    stage.close(1, 1, session.look(&rules(&[])).unwrap()).unwrap();
    assert_eq!(own("other/.env") & access::READ, access::READ);
    assert_eq!(
        home.label("other/.env").map(|label| label.deny),
        Some(0),
        "to it alone: another one may work there"
    );
}

#[test]
fn what_is_lent_no_more_is_closed_to_its_session() {
    let home = home();
    home.write(".npmrc");
    let lent = [(".npmrc", "lend", "hosts = \"192.0.2.1\"\n")];
    let session = Session::new(home, rules(&lent));
    let Session { home, stage, .. } = &session;
    let own = || home.list.state().own.get(&(1, key_of(&home.path(".npmrc")))).map_or(0, |label| label.flags);
    assert_eq!(own(), abi::LABEL_READABLE | abi::loan(0));
    stage.close(1, 1, session.look(&rules(&[])).unwrap()).unwrap();
    assert_eq!(own(), 0);
    assert_eq!(
        home.label(".npmrc").map(|label| (label.deny, label.flags & abi::LABEL_READABLE)),
        Some((access::ALL, 0))
    );
}
