use super::*;
use crate::site::Site;
use proptest::prelude::*;

const RULE: &str = "[[rule]]\nid = \"x\"\nis = \"key\"\nwhere.home = [\".x\"]\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"because\"\n";

fn wrong(text: &str) -> Vec<(String, (usize, usize))> {
    let wrong = Policy::read(Layer::Machine, "x.toml", text).unwrap_err();
    wrong.mistakes.iter().map(|one| (one.message.clone(), wrong.position(one))).collect()
}

#[test]
fn a_rule_says_where_what_and_why() {
    let policy = Policy::read(Layer::Machine, "x.toml", RULE).unwrap();
    let rule = policy.rule("x").unwrap();
    assert_eq!((&rule.sites[..], rule.what), (&[Site::Home(".x".into())][..], What::READ));
    assert_eq!((rule.effect, rule.is_final, rule.routine), (Effect::Deny, true, false));
}

#[test]
fn a_mistake_has_its_place_and_the_nearest_word() {
    for (change, message, place) in [
        (("where.home", "whre.home"), "`whre` is no key of a rule", (4, 1)),
        (("where.home", "where.hoem"), "`hoem` is no kind of place", (4, 7)),
        (("\"read\"", "\"raed\""), "`raed` is no operation", (5, 8)),
        (("\"deny\"", "\"ask\""), "`ask` cannot be enforced yet", (6, 10)),
        (("where.home = [\".x\"]", "where.host = \"a.example\""), "a host's name closes nothing", (4, 7)),
        (("\"deny\"", "\"lend\""), "the rule does not say what the credential is for", (1, 1)),
        (("\"deny\"", "\"deny\"\nhosts = \"a.example\""), "only a rule that lends has hosts", (7, 9)),
        (
            ("\"deny\"", "\"lend\"\nhosts = \"https://a.example\""),
            "this is no host: a whole name in lower case, or an address, without a port",
            (7, 9),
        ),
        (("\"deny\"", "\"lend\"\nhosts = []"), "a credential is for 1 to 16 hosts", (7, 9)),
        (
            ("where.home = [\".x\"]", "where.of-agents = \"settings\""),
            "only a rule that Wardline brings along has this",
            (4, 7),
        ),
        (("why", "tasks = [\"Edit it\"]\nwhy"), "this is no name of a task", (7, 10)),
        (("why", "tasks = []\nwhy"), "a rule is for 1 to 64 tasks, or for all", (7, 9)),
        (("\"deny\"", "\"allow\"\ntasks = \"edit\""), "what is opened is opened whatever the task", (7, 9)),
        (
            ("\"deny\"", "\"lend\"\nhosts = \"a.example\"\ntasks = \"edit\""),
            "what is opened is opened whatever the task",
            (8, 9),
        ),
        (
            ("where.home = [\".x\"]", "tasks = \"edit\"\nwhere.name = \"x\""),
            "`name` would be closed to all sessions",
            (5, 7),
        ),
        (("why", "agents = [\"Codex CLI\"]\nwhy"), "this is no name of an agent", (7, 11)),
        (("why", "agents = []\nwhy"), "a rule is for 1 to 64 agents, or for all", (7, 10)),
        (("why", "expires = \"2027-02-30\"\nwhy"), "this is no day", (7, 11)),
        (
            ("where.home = [\".x\"]", "agents = \"codex\"\nwhere.address = \"192.0.2.1\""),
            "`address` would be closed to all sessions",
            (5, 7),
        ),
        (("\"deny\"", "\"allow\"\nagents = \"codex\""), "what is allowed is allowed to all agents", (7, 10)),
        (("\".x\"", "\"../x\""), "this is no plain path: no leading `/`, `.`, `..`, `~` or `*`", (4, 15)),
        (("\"because\"", "3"), "this should be a text in quotes", (7, 7)),
        (("[[rule]]", "[[rules]]"), "`rules` is no part of a policy", (1, 3)),
    ] {
        let found = wrong(&RULE.replacen(change.0, change.1, 1));
        assert!(found.contains(&(message.into(), place)), "{change:?}: {found:?}");
    }
    let text = RULE.replacen("where.home", "where.hoem", 1);
    let rendered = Policy::read(Layer::Machine, "x.toml", &text).unwrap_err().render();
    assert!(rendered.contains("x.toml:4:7") && rendered.contains("did you mean `home`?"), "{rendered}");
}

#[test]
fn a_repositorys_rules_close_what_lies_in_it_and_nothing_else() {
    const OWN: &str = "[[rule]]\nid = \"x\"\nis = \"key\"\nwhere.workspace = [\".env\"]\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"because\"\n";
    let read = |text: &str| Policy::read(Layer::Repository, ".wardline.toml", text);
    assert!(read(OWN).is_ok() && read(&OWN.replace("deny", "watch")).is_ok());
    for (change, message, place) in [
        (("\"deny\"", "\"allow\""), "a repository's rules open nothing", (6, 10)),
        (("\"deny\"", "\"lend\"\nhosts = \"a.example\""), "a repository's rules open nothing", (6, 10)),
        (("where.workspace", "where.home"), "`home` is not the repository's", (4, 7)),
        (("where.workspace", "where.root"), "`root` is not the repository's", (4, 7)),
        (("where.workspace", "where.name"), "`name` is not the repository's", (4, 7)),
        (("because", "\\u001b[2J"), "a text has 1 to 1024 bytes on one line, all of which are seen", (7, 7)),
        (
            ("because", "\u{202e}esuaceb"),
            "a text has 1 to 1024 bytes on one line, all of which are seen",
            (7, 7),
        ),
        (("why", "\"\\u001b\" = 1\nwhy"), "`?` is no key of a rule", (7, 1)),
    ] {
        let wrong = read(&OWN.replacen(change.0, change.1, 1)).unwrap_err();
        let told: Vec<_> = wrong.mistakes.iter().map(|one| (&*one.message, wrong.position(one))).collect();
        assert!(told.contains(&(message, place)), "{change:?}: {told:?}");
        assert!(!wrong.render().contains(['\u{1b}', '\u{202e}']), "{change:?}");
    }
    let many = (0..101).map(|at| OWN.replace("\"x\"", &format!("\"x{at}\""))).collect::<String>();
    assert!(read(&many).unwrap_err().to_string().contains("1 mistake"));
    let long = format!("#{}\n{OWN}", "x".repeat(MAX_BYTES_OF_REPOSITORY));
    assert_eq!(read(&long).unwrap_err().mistakes[0].message, "the file has more than 65536 bytes");
}

#[test]
fn a_shipped_rule_holds_for_what_agents_files_say() {
    let rule =
        |word: &str| RULE.replacen("where.home = [\".x\"]", &format!("where.of-agents = \"{word}\""), 1);
    let read = |word: &str| Policy::read(Layer::Shipped, "x.toml", &rule(word));
    let sites = read("tokens").unwrap().rules[0].sites.clone();
    assert!(sites.contains(&Site::Home(".codex/auth.json".into())), "{sites:?}");
    assert!(sites.contains(&Site::Home(".claude/.credentials.json".into())), "{sites:?}");
    let wrong = read("jokes").unwrap_err().mistakes;
    assert!(wrong.iter().any(|wrong| wrong.message == "no agent has places called `jokes`"), "{wrong:?}");
}

#[test]
fn what_is_lent_is_read_for_its_hosts_and_lies_in_the_home() {
    let lent =
        RULE.replace("\"deny\"", "\"lend\"\nhosts = [\"a.example.org\", \"2001:DB8::1\", \"localhost\"]");
    let policy = Policy::read(Layer::User, "x.toml", &lent).unwrap();
    let rule = policy.rule("x").unwrap();
    assert_eq!(
        (rule.effect, &rule.hosts[..]),
        (Effect::Lend, &["a.example.org", "2001:db8::1", "localhost"].map(String::from)[..])
    );
    for (change, message) in [
        (("\"read\"", "\"everything\""), "what is lent is read: `what = \"read\"`"),
        (("where.home = [\".x\"]", "where.root = \"/x\""), "`lend` of `root` cannot be enforced yet"),
        (
            ("a.example.org", "a.example.org:443"),
            "this is no host: a whole name in lower case, or an address, without a port",
        ),
        (
            ("a.example.org", "*.example.org"),
            "this is no host: a whole name in lower case, or an address, without a port",
        ),
    ] {
        let found = wrong(&lent.replacen(change.0, change.1, 1));
        assert_eq!(found.first().map(|one| &*one.0), Some(message), "{change:?}");
    }
}

#[test]
fn what_is_missing_or_there_twice_is_told() {
    assert_eq!(
        wrong(&RULE.replacen("why = \"because\"\n", "", 1)),
        [("the rule has no `why`".into(), (1, 1))]
    );
    assert_eq!(wrong(&format!("{RULE}{RULE}")), [("there are two rules `x`".into(), (8, 1))]);
    assert!(wrong("x = ").first().unwrap().0.starts_with("this is no TOML"));
    assert!(Policy::read(Layer::Machine, "x.toml", &" ".repeat(MAX_BYTES + 1)).is_err());
}

proptest! {
    /// Whatever a file holds, it is a policy or has mistakes, each with a place in it.
    #[test]
    fn every_file_is_a_policy_or_has_a_mistake(
        at in 0..RULE.len(), len in 0_usize..20, what in "[\\[\\]a-z\"=.\\n ,{}~*/\\\\0-9é]{0,20}"
    ) {
        let end = (at + len).min(RULE.len());
        let (before, after) = (RULE.chars().take(at), RULE.chars().skip(end));
        let text: String = before.chain(what.chars()).chain(after).collect();
        if let Err(wrong) = Policy::read(Layer::Machine, "x.toml", &text) {
            prop_assert!(!wrong.mistakes.is_empty());
            for mistake in &wrong.mistakes {
                prop_assert!(mistake.at.offset() + mistake.at.len() <= text.len());
                let (line, column) = wrong.position(mistake);
                prop_assert!(line >= 1 && column >= 1 && line <= text.matches('\n').count() + 1);
            }
            prop_assert!(!wrong.render().is_empty());
        }
    }
}
