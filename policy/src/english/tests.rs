#![expect(clippy::string_slice, reason = "rules are told by a first letter in ASCII")]

use super::*;
use crate::rule::What;
use crate::site::site;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LISTS: [(&str, &str); 2] = [
    ("read while the grammar was written", include_str!("../../directives/open.txt")),
    ("kept apart", include_str!("../../directives/kept.txt")),
];

fn listener(rules: &Rules) -> Listener<'_> {
    Listener { rules, layer: Layer::User, home: Path::new("/home/u") }
}

/// What a directive is, by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Said,
    Part,
    No,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// It is the rule that was meant, or nothing where nothing was meant.
    Right,
    /// It could be said, and was not understood.
    Missed,
    /// It is another rule, which refuses no less.
    Tighter,
    /// Something is open that was to be closed, or is taken for a rule and is none.
    Looser,
    /// It is refused or said in part, for another reason than by hand.
    OtherReason,
}

struct Directive<'t> {
    class: Class,
    reasons: Vec<&'t str>,
    text: &'t str,
    meaning: &'t str,
}

fn directives(list: &str) -> Vec<Directive<'_>> {
    let lines = list.lines().filter(|line| !line.trim().is_empty());
    let one = |line| {
        let (class, rest): (&str, &str) = str::split_once(line, " | ").unwrap();
        let (text, meaning) = rest.split_once(" =>").unwrap_or((rest, ""));
        let (class, reasons) = class.split_once(' ').unwrap_or((class, ""));
        let class = [("S", Class::Said), ("P", Class::Part), ("N", Class::No)]
            .iter()
            .find(|of| of.0 == class)
            .unwrap()
            .1;
        Directive {
            class,
            reasons: reasons.split(',').filter(|of| !of.is_empty()).collect(),
            text,
            meaning: meaning.trim(),
        }
    };
    lines.map(one).collect()
}

/// A rule of a list: effect, what, where.
fn meant(meaning: &str) -> Vec<(Effect, What, Vec<Site>)> {
    let one = |rule: &str| {
        let effect = match &rule[..1] {
            "-" => Effect::Deny,
            "+" => Effect::Allow,
            _ => Effect::Watch,
        };
        let (what, places) = rule[1..].split_once(' ').unwrap();
        let what = what.split(',').fold(What::empty(), |all, word| all | What::of(word).unwrap());
        // A place may have blanks in it, and no kind has.
        let mut sites: Vec<Site> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        for word in places.split(' ') {
            match words.last_mut().filter(|_| !word.starts_with(['~', '/']) && !word.contains(':')) {
                Some(last) => last.extend([" ", word]),
                None => words.push(word.to_owned()),
            }
        }
        sites.extend(words.iter().map(|word| match word.split_once(':') {
            Some((kind, text)) => site(kind, text).unwrap(),
            None => {
                word.strip_prefix("~/").map_or_else(|| site("root", word), |path| site("home", path)).unwrap()
            }
        }));
        (effect, what, sites)
    };
    meaning.split(" ; ").filter(|rule| !rule.is_empty()).map(one).collect()
}

/// What is meant of a list, without what holds already.
fn unheld(meaning: &str) -> Vec<(Effect, What, Vec<Site>)> {
    let rules = Rules::default();
    let unheld = |(effect, what, mut sites): (Effect, What, Vec<Site>)| {
        sites.retain(|site| effect != Effect::Deny || rules.holding(site, what).is_empty());
        (!sites.is_empty()).then_some((effect, what, sites))
    };
    meant(meaning).into_iter().filter_map(unheld).collect()
}

fn of(heard: &[Heard]) -> Vec<(Effect, What, Vec<Site>)> {
    let said = heard.iter().flat_map(|heard| &heard.rules);
    said.map(|said| (said.effect, said.what, said.sites.clone())).collect()
}

fn nearest(heard: &[Heard]) -> Vec<(Effect, What, Vec<Site>)> {
    let rules =
        heard.iter().flat_map(|heard| &heard.nearest).map(|text| read(Layer::User, "x", text).unwrap());
    rules.map(|rule| (rule.effect, rule.what, rule.sites)).collect()
}

fn came(directive: &Directive<'_>, heard: &[Heard]) -> Came {
    let understood = heard.iter().all(Heard::is_understood);
    let any = heard.iter().any(|heard| heard.is_matter);
    let is_held = |id: &str| {
        heard.iter().any(|heard| heard.held.iter().any(|held| held == id) || id == "open" && heard.is_open)
    };
    let opens = of(heard).iter().any(|(effect, ..)| *effect == Effect::Allow);
    match (directive.class, directive.meaning.strip_prefix("= ")) {
        (Class::Said, _) if !understood => Came::Missed,
        (Class::Said, Some(id)) if is_held(id) => Came::Right,
        (Class::Said, None) if of(heard) == unheld(directive.meaning) => Came::Right,
        (Class::Said, _) => Came::Looser,
        (Class::Part, _)
            if understood
                && !opens
                && !directive.meaning.is_empty()
                && of(heard) == unheld(directive.meaning) =>
        {
            Came::Tighter
        }
        (Class::Part, _) if understood => Came::Looser,
        (Class::Part, _) => {
            let told = |reason: &&str| {
                heard.iter().any(|heard| heard.limits.iter().any(|(limit, _)| limit.word() == *reason))
            };
            let is_right =
                directive.reasons.iter().all(told) && any && nearest(heard) == unheld(directive.meaning);
            if is_right { Came::Right } else { Came::OtherReason }
        }
        (Class::No, _) if !any => Came::Right,
        (Class::No, _) if understood => Came::Looser,
        (Class::No, _) => Came::OtherReason,
    }
}

/// `INSTA_UPDATE=always` writes the page.
#[test]
fn directives_come_to_what_people_meant() {
    let rules = Rules::default();
    let mut page = String::from(
        "# Directives in plain English\n\nTwo hundred sentences as people write them for coding agents (`policy/directives/`), judged by hand before the grammar of \
`wardline policy say` was finished; half of them were held out while it was written. The author of the grammar also wrote the sentences: other people's sentences will be understood less often. A sentence that is not \
understood is refused, and never guessed. A test writes this page.\n\n\
| sentences | judged | number | understood, or refused with the true reason | not understood | refused for another reason | part of it taken for the whole, as near as by hand | looser than meant |\n\
| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut others = String::new();
    for (name, list) in LISTS {
        let all = directives(list);
        assert_eq!(all.len(), 100, "{name}");
        let mut sums: BTreeMap<Class, BTreeMap<Came, usize>> = BTreeMap::new();
        for directive in &all {
            let heard = hear(directive.text, listener(&rules));
            let came = came(directive, &heard);
            *sums.entry(directive.class).or_default().entry(came).or_default() += 1;
            if came != Came::Right {
                others.push_str(&format!("* {} ({came:?})\n", directive.text));
            }
            if std::env::var_os("DIRECTIVES").is_some_and(|of| of == *name) && came != Came::Right {
                println!("{came:?}: {} => {}\n    {heard:?}", directive.text, directive.meaning);
            }
        }
        for (class, sums) in &sums {
            assert_eq!(sums.get(&Came::Looser), None, "{class:?}: {others}");
            let class = ["can be said", "in part", "not a matter for a kernel"][*class as usize];
            let of = |came| sums.get(&came).copied().unwrap_or_default();
            page.push_str(&format!(
                "| {name} | {class} | {} | {} | {} | {} | {} | {} |\n",
                sums.values().sum::<usize>(),
                of(Came::Right),
                of(Came::Missed),
                of(Came::OtherReason),
                of(Came::Tighter),
                of(Came::Looser),
            ));
        }
    }
    page.push_str(&format!("\nThose that came to something else than by hand:\n\n{others}"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/directives.md");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == page,
        "docs/directives.md is not what the grammar does: INSTA_UPDATE=always cargo nextest run -p policy"
    );
}

/// Sentences that sound as if they opened or closed something, and of which a part is not understood.
#[test]
fn nothing_is_guessed() {
    let rules = Rules::default();
    for text in [
        "I can read ~/.npmrc",
        "who may read ~/.npmrc",
        "can agents read ~/.npmrc?",
        "agents may read ~/.npmrc under no circumstances",
        "agents may rarely read ~/.npmrc",
        "permit no agent to read ~/x",
        "agents may read ~/.npmrc because npm needs it, but only on weekdays",
        "agents may read ~/.npmrc if they ask",
        "agents may read secrets in ~/.npmrc",
        "agents may read my npm token",
        "everyone may read ~/.npmrc",
        "let me read ~/.npmrc",
        "agents may read ~/.npmrc and other files",
        "agents may read ~/.npmrc. Not really.",
        "He said \"agents may read ~/.npmrc\".",
        "agents may not only read ~/.npmrc",
        "never read ~/a or secrets",
        "never read ~/a and files",
        "never read *.pem files in ~/code",
        "agents could read ~/.npmrc",
        "agents may delete ~/.npmrc",
        "codex may read ~/.npmrc",
        "agents may read ~/.npmrc at night",
        "agents may read more than ten files of ~/.npmrc",
        "Agents may read all but ~/.npmrc.",
        "Agents may read any folder but ~/.npmrc.",
        "Touch no directory but ~/code.",
        "Never read ~/code but ~/code/app.",
        "Agents may read ~/.npmrc because builds need it, ask me before.",
        "Agents may read ~/.npmrc because builds need it.",
        "Never read ~/customers because they are under contract, and never change ~/b.",
        "You may read ~/.npmrc in this session.",
        "You may read ~/.npmrc yet.",
        "Agents may use ~/.npmrc.",
        "Allow access to ~/.npmrc.",
        "Agents may open ~/.npmrc.",
        "You may read .npmrc.",
        "In this folder, agents may read .npmrc.",
        "Never read .npmrc.",
        "Never change my git credentials but agents may read them.",
        "Never connect to transfer.sh.",
        "Never connect to example.com:443.",
        "Never connect to 10.0.0.0/8.",
        "Never connect to 10.0.0.1:22.",
        "Never connect to github.com/foo.",
        "Never read ~/my\\ files.",
        "Never read ~/diary's contents.",
        "Never change src/a,src/b.",
        "Never read ~/{a,b}.",
        "Never read ~/a;never read ~/b",
        "Never read $XDG_CONFIG_HOME/app.",
        "Never read \u{201c}/srv/x\u{201d}.",
        "Never read /srv/x?y literal",
        "Never leave ~/code.",
        "Do not leave src/.",
        "Never let agents stay out of ~/x",
        "Never read .env files outside the workspace.",
        "Never read *.kdbx files.",
        "Never read secrets.json.",
        "Tell me when an agent connects to ~/x.sock.",
        "Never use console.log.",
        "Do not use and/or.",
        "Never use lodash/fp.",
        "Never read ~/a e.g. never read ~/b.",
        "~/.npmrc is not off limits",
        "Don't forbid reading ~/.npmrc",
        "Agents need not read ~/x",
        "Agents may or may not read ~/.npmrc",
    ] {
        let heard = hear(text, listener(&rules));
        assert!(!heard.iter().all(Heard::is_understood), "{text}: {heard:?}");
        let is_open =
            heard.iter().any(|heard| heard.nearest.iter().any(|text| text.starts_with("Agent sessions")));
        assert!(!is_open, "{text}: {heard:?}");
    }
    let negated = ["do not let agents read ~/x", "no agent may read ~/x", "never let an agent read ~/x"];
    for text in negated {
        let heard = hear(text, listener(&rules));
        assert_eq!(of(&heard), [(Effect::Deny, What::READ, vec![Site::Home("x".into())])], "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is said: what is understood holds as a file of rules, says the same again, and opens nothing unless it says so.
    #[test]
    fn what_is_understood_holds(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..12)) {
        let rules = Rules::default();
        let text = words.join(" ");
        for heard in hear(&text, listener(&rules)) {
            prop_assert!(heard.is_understood() || heard.rules.is_empty(), "{}", text);
            for said in &heard.rules {
                let toml = said.toml("x");
                let file = crate::Source { layer: Layer::User, file: "own.toml".into(), text: toml.clone() };
                let read_rules = Rules::read(&[file], crate::Day::at(0));
                prop_assert!(read_rules.is_ok(), "{}\n{}", text, toml);
                let again = hear(&sentence(said.effect, said.what, &said.sites), listener(&rules));
                prop_assert_eq!(of(&again), vec![(said.effect, said.what, said.sites.clone())], "{}", text);
                if said.effect == Effect::Allow {
                    let takes_back = ["except", "unless", "only", "without"];
                    prop_assert!(!words.iter().any(|word| takes_back.contains(word)), "{}", text);
                    prop_assert!(words.iter().any(|word| ["may", "can", "allow", "let"].contains(word)), "{}", text);
                }
            }
            for nearest in &heard.nearest {
                let rule = read(Layer::User, "x", nearest);
                prop_assert!(rule.is_some_and(|rule| rule.effect != Effect::Allow), "{}", nearest);
            }
        }
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,200}") {
        hear(&text, listener(&Rules::default()));
    }
}

const WORDS: [&str; 44] = [
    "never",
    "not",
    "no",
    "do",
    "may",
    "can",
    "allow",
    "let",
    "agents",
    "you",
    "codex",
    "read",
    "reading",
    "change",
    "delete",
    "touch",
    "connect to",
    "~/.npmrc",
    "~/.npmrc,",
    "~/x",
    "src/y",
    "*.pem",
    ".env files",
    "my ssh keys",
    "in the workspace",
    "and",
    "or",
    "but",
    "it",
    "except",
    "unless",
    "only",
    "without",
    "because",
    "/srv/z",
    "tell me when",
    "all",
    "any",
    "this",
    "use",
    "leave",
    "ask me before",
    "open",
    "them",
];
