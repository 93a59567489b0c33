use super::attempt::{Deed, Ground};
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn rule(id: &str, site: &str, what: &str, effect: &str, more: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.{site}\nwhat = \"{what}\"\neffect = \"{effect}\"\nwhy = \"said\"\n{more}\n"
    )
}

fn source(layer: Layer, file: &str, text: String) -> Source {
    Source { layer, file: file.into(), text }
}

fn user(text: String) -> Result<Rules, Wrong> {
    Rules::read(&[source(Layer::User, "own.toml", text)], today())
}

fn today() -> Day {
    Day::at(0)
}

/// What is refused at a site.
fn refused(rules: &Rules, site: &Site) -> What {
    let at = rules.refusals().filter(|refusal| refusal.row.site == site);
    at.fold(What::empty(), |all, refusal| all | refusal.what)
}

fn home(path: &str) -> Site {
    Site::Home(path.into())
}

#[test]
fn what_is_not_final_is_taken_back_for_its_user_and_nothing_else() {
    let rules = user(rule("npm-read", "home = [\".npmrc\"]", "read", "allow", "")).unwrap();
    assert!(!refused(&rules, &home(".npmrc")).contains(What::READ));
    assert!(refused(&rules, &home(".npmrc")).contains(What::CHANGE));
    let shipped = Rules::default();
    let others: Vec<_> = shipped.refusals().filter(|of| *of.row.site != home(".npmrc")).collect();
    let left: Vec<_> = rules.refusals().filter(|of| *of.row.site != home(".npmrc")).collect();
    assert_eq!(left.len(), others.len());
    assert!(
        left.iter()
            .zip(&others)
            .all(|(a, b)| (a.row.site, a.what, a.shipped) == (b.row.site, b.what, b.shipped))
    );
}

#[test]
fn what_is_lent_stays_closed_to_be_changed_and_to_what_takes_its_place() {
    let lend = |site: &str| user(rule("x", site, "read", "lend", "hosts = \"a.example.org\""));
    for site in [".npmrc", ".config/gh", ".config/gh/hosts.yml"] {
        let rules = lend(&format!("home = \"{site}\"")).unwrap();
        assert_eq!(rules.lent_at(&home(site)).map(|rule| &*rule.id), Some("x"), "{site}");
        assert_eq!(
            rules.refusals().count(),
            Rules::default().refusals().count(),
            "{site}: nothing is taken back"
        );
        // To read it succeeds, and to change it is still refused.
        let tried = rules.attempts();
        let at =
            |deed| tried.iter().filter(move |of| of.ground == Ground::Home(site.into()) && of.deed == deed);
        assert!(at(Deed::Read).all(|of| !of.refused) && at(Deed::Read).count() > 0, "{site}");
        assert!(at(Deed::Change).all(|of| of.refused), "{site}");
    }
    for (site, help) in
        [(".ssh/config", "is final"), (".ssh", "`ssh` is final"), ("backup/id_rsa", "is final")]
    {
        let wrong = lend(&format!("home = \"{site}\"")).unwrap_err().to_string();
        assert!(wrong.contains(help), "{site}: {wrong}");
    }
    let many = (0..=MAX_LOANS).map(|at| {
        rule(&format!("l{at:02}"), &format!("home = \"l{at}\""), "read", "lend", "hosts = \"a.example.org\"")
    });
    let wrong = user(many.collect()).unwrap_err().to_string();
    assert!(wrong.contains("at most 16 rules may lend something"), "{wrong}");
}

#[test]
fn what_would_not_hold_is_a_mistake() {
    for (site, help) in [
        ("home = [\".ssh\"]", "`ssh` is final"),
        ("home = [\".ssh/config\"]", "is final"),
        ("home = [\".aws/credentials\"]", " as a whole: allow that, too"),
        ("home = [\"backup/id_rsa\"]", "is final"),
        ("address = [\"169.254.169.254\"]", "`metadata` is final"),
        ("root = [\"/etc/wardline/users\"]", "is final"),
    ] {
        let wrong = user(rule("x", site, "everything", "allow", "")).unwrap_err().to_string();
        assert!(wrong.starts_with("own.toml:1:1: ") && wrong.contains(help), "{site}: {wrong}");
    }
    let both =
        [rule("a", "home = [\"x\"]", "read", "deny", ""), rule("b", "home = [\"x/y\"]", "read", "allow", "")];
    let wrong = user(both.concat()).unwrap_err().to_string();
    assert!(wrong.contains("take `a` out of `own.toml`"), "{wrong}");
}

#[test]
fn a_pattern_is_taken_back_for_one_file() {
    let rules = user(rule("x", "home = [\"certificates/test.pem\"]", "everything", "allow", "")).unwrap();
    let row = rules.policy().rows().find(|row| row.rule.id == "key-files").unwrap();
    assert_eq!(rules.left_of(row, "certificates/test.pem"), What::empty());
    assert_eq!(rules.left_of(row, "certificates/other.pem"), What::EVERYTHING);
}

#[test]
fn what_the_machine_closes_is_final_unless_it_says_otherwise() {
    for (more, is_open) in [("", false), ("final = true", false), ("final = false", true)] {
        let machine = rule("company", "home = [\"customers\"]", "everything", "deny", more);
        let own = rule("mine", "home = [\"customers\"]", "everything", "allow", "");
        let sources = [source(Layer::Machine, "m.toml", machine), source(Layer::User, "own.toml", own)];
        assert_eq!(Rules::read(&sources, today()).is_ok(), is_open, "{more}");
    }
    let wrong = user(rule("x", "name = [\"secret\"]", "read", "deny", "")).unwrap_err().to_string();
    assert!(wrong.starts_with("own.toml:4:7: `name` would hold in other users' sessions, too"), "{wrong}");
    let wrong = user(rule("x", "home = [\"x\"]", "read", "deny", "kind = \"key\"")).unwrap_err().to_string();
    assert!(wrong.starts_with("own.toml:8:1: "), "{wrong}");
}

#[test]
fn an_id_stands_for_one_rule_of_a_layer() {
    let same = || rule("x", "home = [\"x\"]", "read", "deny", "");
    let two = [source(Layer::Machine, "a.toml", same()), source(Layer::Machine, "b.toml", same())];
    assert_eq!(
        Rules::read(&two, today()).unwrap_err().to_string(),
        "b.toml:1:1: `a.toml` has a rule `x`, too"
    );
    let two = [source(Layer::Machine, "a.toml", same()), source(Layer::User, "b.toml", same())];
    assert_eq!(Rules::read(&two, today()).unwrap().own().count(), 2);
}

/// Rules that may stand together or not.
fn some_rule() -> impl Strategy<Value = (bool, String, String, &'static str)> {
    let place = prop_oneof![
        Just("home = [\".npmrc\"]"),
        Just("home = [\".vimrc\"]"),
        Just("home = [\"x\"]"),
        Just("home = [\"x\", \"y/z\"]"),
        Just("root = [\"/srv/x\"]"),
        Just("home = [\".ssh\"]"),
    ];
    let what = prop_oneof![Just("read"), Just("change"), Just("everything")];
    let effect = prop_oneof![Just("deny"), Just("allow")];
    let last = prop_oneof![Just(""), Just("final = false")];
    (any::<bool>(), place, what, effect, last).prop_map(|(is_user, place, what, effect, last)| {
        (is_user, place.to_owned(), rule("ID", place, what, effect, last), effect)
    })
}

fn of_rules(rules: &[(bool, String, String, &str)], order: &[usize], files: usize) -> Result<Rules, Wrong> {
    let mut sources: Vec<Source> = (0..2 * files)
        .map(|number| {
            let layer = if number % 2 == 0 { Layer::Machine } else { Layer::User };
            source(layer, &format!("{number}.toml"), String::new())
        })
        .collect();
    for (nth, &number) in order.iter().enumerate() {
        let (is_user, _, text, _) = &rules[number];
        let file = 2 * (nth % files) + usize::from(*is_user);
        sources[file].text.push_str(&text.replace("ID", &format!("r{number}")));
    }
    sources.rotate_left(order.first().copied().unwrap_or_default() % (2 * files));
    Rules::read(&sources, today())
}

#[test]
fn a_rule_is_for_its_agents_until_its_last_day() {
    let rule = |id: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{id}\"\nwhat = \"read\"\neffect = \"deny\"\n{more}\nwhy = \"x\"\n"
        )
    };
    let text = [
        rule("all", ""),
        rule("codex", "agents = \"codex\""),
        rule("both", "agents = [\"codex\", \"claude-code\"]"),
        rule("ends", "expires = \"2027-01-31\""),
    ];
    let source = Source { layer: Layer::User, file: "own.toml".into(), text: text.concat() };
    let of = |agent: &str, day: &str| {
        let rules = Rules::read(std::slice::from_ref(&source), Day::read(day).unwrap()).unwrap();
        let rules = rules.of_session(agent);
        rules.own().map(|rule| rule.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("codex", "2027-01-31"), ["all", "both", "codex", "ends"]);
    assert_eq!(of("codex", "2027-02-01"), ["all", "both", "codex"]);
    assert_eq!(of("claude-code", "2026-01-01"), ["all", "both", "ends"]);
    assert_eq!(of("gemini-cli", "2030-01-01"), ["all"]);
    assert_eq!(Rules::default().of_session("codex"), Rules::default());
}

#[test]
fn a_rule_is_for_its_tasks() {
    let rule = |id: &str, more: &str| rule(id, &format!("home = [\"{id}\"]"), "read", "deny", more);
    let text = rule("always", "") + &rule("review", "tasks = [\"review\", \"read\"]");
    let rules = user(text).unwrap();
    let of = |task: &str| rules.of_task(task).own().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(of("review"), ["always", "review"]);
    assert_eq!(of("edit"), ["always"]);
    // What holds for some time is no ground to say that something is closed.
    let ids = |place: &str| rules.holding(&home(place), What::READ).len();
    assert_eq!((ids("always"), ids("review")), (1, 0));
}

#[test]
fn what_has_expired_neither_opens_nor_stands_in_the_way() {
    let ends =
        |id: &str, effect: &str| rule(id, "home = [\".npmrc\"]", "read", effect, "expires = \"2027-01-31\"");
    let allow = rule("later", "home = [\".npmrc\"]", "read", "allow", "");
    let read = |text: String, day: &str| {
        Rules::read(&[source(Layer::User, "own.toml", text)], Day::read(day).unwrap())
    };
    let rules = read(ends("x", "allow"), "2027-02-01").unwrap();
    assert!(rules.refused_at(&home(".npmrc")).contains(What::READ));
    assert_eq!(rules.expired().iter().map(|rule| &*rule.id).collect::<Vec<_>>(), ["x"]);
    let both = ends("x", "deny") + &allow;
    let wrong = read(both.clone(), "2027-01-31").unwrap_err().to_string();
    assert!(wrong.contains("take `x` out of `own.toml`"), "{wrong}");
    let rules = read(both, "2027-02-01").unwrap();
    assert!(!rules.refused_at(&home(".npmrc")).contains(What::READ));
    // Its id stays its own.
    let files =
        [source(Layer::User, "a.toml", ends("x", "deny")), source(Layer::User, "b.toml", ends("x", "deny"))];
    assert!(Rules::read(&files, Day::read("2028-01-01").unwrap()).is_err());
}

type Refused<'r> = Vec<(&'r Site, What, &'r str)>;

fn all_refused(rules: &Rules) -> Refused<'_> {
    rules.refusals().map(|of| (of.row.site, of.what, &*of.row.rule.id)).collect()
}

/// What is refused, by site.
fn by_site(rules: &Rules) -> HashMap<&Site, What> {
    let mut all = HashMap::new();
    for of in rules.refusals() {
        *all.entry(of.row.site).or_insert(What::empty()) |= of.what;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Neither the order of files, nor that of rules, nor how they are shared out among files, means anything.
    #[test]
    fn the_order_means_nothing(
        (rules, order) in prop::collection::vec(some_rule(), 0..8).prop_flat_map(|rules| {
            let order = Just((0..rules.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(rules), order)
        }),
        files in 1_usize..4,
    ) {
        let straight: Vec<usize> = (0..rules.len()).collect();
        match (of_rules(&rules, &straight, 1), of_rules(&rules, &order, files)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(all_refused(&one), all_refused(&other)),
            (Err(_), Err(_)) => {}
            (one, other) => prop_assert!(false, "{:?} {:?}", one.is_ok(), other.is_ok()),
        }
    }

    /// A rule that denies takes nothing back, and no rule takes back what is final.
    #[test]
    fn nothing_final_is_lost_and_a_refusal_only_adds(rules in prop::collection::vec(some_rule(), 0..8)) {
        let all: Vec<usize> = (0..rules.len()).collect();
        if let Ok(read) = of_rules(&rules, &all, 1) {
            let all_read = by_site(&read);
            let left = |site: &Site| all_read.get(site).copied().unwrap_or(What::empty());
            for of in Rules::default().refusals().filter(|of| of.row.rule.is_final) {
                prop_assert!(left(of.row.site).contains(of.what), "{}", of.row.site);
            }
            let without: Vec<usize> = all.iter().copied().filter(|&of| rules[of].3 == "allow").collect();
            if let Ok(fewer) = of_rules(&rules, &without, 1) {
                for (site, what) in by_site(&fewer) {
                    prop_assert!(left(site).contains(what), "{site}");
                }
            }
        }
    }
}
