//! A whole rule from English, as [`say`](super::say) writes it.

use super::clause::{Clause, clauses};
use super::place::Around;
use super::token::sentences;
use super::voice::{
    AGENT, DIRECTORIES, EMPTY, EXPIRES, FREES_NAMES, HARMLESS, HOST, ID, IS, KINDS, NOT_FINAL, ON_LOAN,
    REPLACED, ROUTINE, SOURCE, TASK, WHY,
};
use crate::day::Day;
use crate::policy::Policy;
use crate::rule::{Effect, Layer, Rule, Walk};
use std::path::Path;

/// The rule of a layer that a text says, if it says one and nothing else.
pub fn read(layer: Layer, file: &str, text: &str) -> Option<Rule> {
    let mut lines = text.lines();
    let line = lines.next()?;
    let lent = line.strip_prefix(ON_LOAN);
    let first = sentences(lent.unwrap_or(line));
    let [sentence] = &first[..] else { return None };
    let around = Around { policy: &Policy::default(), home: Path::new("") };
    let all = clauses(sentence, around);
    let [clause @ Clause { limits, .. }] = &all[..] else { return None };
    let (effect, what, sites) = clause.rule().filter(|_| limits.is_empty())?;
    let effect = match (lent, effect) {
        (Some(_), Effect::Allow) => Effect::Lend,
        (None, effect) => effect,
        _ => return None,
    };
    let mut rule = Rule { sites, what, effect, ..Rule::empty(layer, file) };
    for line in lines {
        attribute(&mut rule, line)?;
    }
    Some(rule)
}

fn attribute(rule: &mut Rule, line: &str) -> Option<()> {
    let texts = [(ID, &mut rule.id), (IS, &mut rule.is), (WHY, &mut rule.why)];
    for (head, text) in texts {
        if let Some(rest) = line.strip_prefix(head) {
            rest.clone_into(text);
            return Some(());
        }
    }
    if let Some(source) = line.strip_prefix(SOURCE) {
        rule.source = Some(source.to_owned());
    } else if let Some(host) = line.strip_prefix(HOST) {
        rule.hosts.push(host.to_owned());
    } else if let Some(agent) = line.strip_prefix(AGENT) {
        rule.agents.push(agent.to_owned());
    } else if let Some(task) = line.strip_prefix(TASK) {
        rule.tasks.push(task.to_owned());
    } else if let Some(day) = line.strip_prefix(EXPIRES) {
        rule.expires = Some(Day::read(day)?);
    } else if let Some((kind, _)) = KINDS.iter().find(|(_, of)| *of == line) {
        rule.kind = *kind;
    } else if let Some((harmless, _)) = HARMLESS.iter().find(|(_, of)| *of == line) {
        rule.harmless = Some(*harmless);
    } else {
        match line {
            NOT_FINAL => rule.is_final = false,
            ROUTINE => rule.routine = true,
            FREES_NAMES => rule.frees_names = true,
            REPLACED => rule.is_replaced = true,
            EMPTY => rule.is_empty = true,
            DIRECTORIES => rule.walk = Walk::Directories,
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::say;
    use super::*;
    use crate::rule::{Harmless, Kind, What};
    use crate::shipped;
    use crate::site::{Pattern, Site};
    use proptest::prelude::*;

    /// The rule without its place in a file.
    fn same(rule: &Rule) -> Rule {
        Rule { at: 0..0, ..rule.clone() }
    }

    #[test]
    fn every_shipped_rule_is_said_and_understood() {
        for rule in shipped().rules() {
            let text = say(rule);
            assert_eq!(read(rule.layer, &rule.file, &text), Some(same(rule)), "{text}");
        }
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec("[^\\p{C}/*~]{1,12}", 1..4)
            .prop_map(|parts| parts.join("/"))
            .prop_filter("a plain path", |path| crate::site::site("home", path).is_ok())
    }

    fn name() -> impl Strategy<Value = String> {
        "[^\\p{C}/*~]{1,9}".prop_filter("a plain name", |name| crate::site::site("name", name).is_ok())
    }

    fn host() -> impl Strategy<Value = String> {
        "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){1,3}"
            .prop_filter("a name", |host| crate::site::site("host", host).is_ok())
    }

    fn day() -> impl Strategy<Value = Day> {
        (1970..=9999, 1..=12, 1..=28).prop_filter_map("a day", |(year, month, day)| {
            Day::read(&format!("{year:04}-{month:02}-{day:02}"))
        })
    }

    fn a_site() -> impl Strategy<Value = Site> {
        prop_oneof![
            path().prop_map(Site::Home),
            path().prop_map(|path| Site::System(format!("/{path}"))),
            (name(), name()).prop_map(|(directory, name)| Site::NameIn(directory, name)),
            name().prop_map(Site::Name),
            "[a-z._`\\\\ -]{1,5}\\*?[a-z._]{1,5}"
                .prop_filter_map("a pattern", |text| Pattern::new(&text).map(Site::Pattern)),
            path().prop_map(Site::Repository),
            path().prop_map(Site::Workspace),
            path().prop_map(Site::Runtime),
            "[A-Za-z0-9_]{1,9}".prop_map(Site::Variable),
            any::<std::net::IpAddr>().prop_map(Site::Address),
            host().prop_map(Site::Host),
        ]
    }

    fn sites() -> impl Strategy<Value = Vec<Site>> {
        prop::collection::vec(a_site(), 1..6).prop_map(|mut sites: Vec<Site>| {
            let mut seen = std::collections::HashSet::new();
            sites.retain(|site| seen.insert(site.clone()));
            sites
        })
    }

    fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
        prop::sample::select(all)
    }

    fn text() -> impl Strategy<Value = String> {
        "\\PC{1,30}"
            .prop_filter("says something", |text| !text.trim().is_empty() && !text.contains(['\n', '\r']))
    }

    prop_compose! {
        fn a_rule()(
            sites in sites(),
            what in (1_u8..32).prop_map(What::from_bits_truncate),
            effect in one_of(Effect::ALL),
            hosts in prop::collection::vec(host(), 0..3),
            (agents, tasks) in (prop::collection::vec("[a-z0-9._-]{1,9}", 0..3), prop::collection::vec("[a-z0-9._-]{1,9}", 0..3)),
            expires in prop::option::of(day()),
            (is, why, source) in (text(), text(), prop::option::of(text())),
            id in "[a-z0-9-]{1,9}",
            (is_final, routine, frees_names, is_replaced, is_empty) in any::<(bool, bool, bool, bool, bool)>(),
            kind in one_of(Kind::ALL),
            harmless in prop::option::of(one_of(Harmless::ALL)),
            walk in one_of(Walk::ALL),
        ) -> Rule {
            Rule {
                id, layer: Layer::User, file: "own.toml".into(), at: 0..0, is, sites, what, effect, hosts, agents, tasks, expires, why, source, is_final, kind,
                routine, harmless, walk, frees_names, is_replaced, is_empty,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// What a rule says in English is that rule.
        #[test]
        fn what_is_said_is_understood(rule in a_rule()) {
            let text = say(&rule);
            prop_assert_eq!(read(Layer::User, "own.toml", &text), Some(rule), "{}", text);
        }
    }
}
