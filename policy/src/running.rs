//! What a session that runs obeys when the rules are other ones than it began with: what closes counts at once, and what opens
//! when somebody outside says so of this session.

use crate::rule::{Effect, Layer, Rule};
use crate::rules::Rules;
use std::collections::HashMap;

/// How a session that runs takes other rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// What closes and tells more, and nothing that opens.
    Tighter,
    /// All of them but what is newly lent: whom the session is connected to already, nobody asked when it began.
    Whole,
}

/// What becomes of the rules of a session that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it obeys from now on.
    pub rules: Rules,
    /// The ids of what it obeys anew.
    pub begin: Vec<String>,
    /// The ids of what it does not obey any more.
    pub end: Vec<String>,
    /// The ids of what counts from the next session on, since it opens something, or since it was taken back.
    pub wait: Vec<String>,
}

impl Rules {
    /// What a session under these rules obeys when others are to hold.
    pub fn take(&self, others: &Rules, how: Taking) -> Taken {
        let (before, after) = (Known::of(self), Known::of(others));
        let (mut own, mut wait) = (Vec::new(), Vec::new());
        // A loan has its number in the kernel: one that was taken back keeps it, and lends nothing.
        for loan in self.loans() {
            let lends = after.has(loan);
            own.push(if lends { loan.clone() } else { Rule { sites: Vec::new(), ..loan.clone() } });
        }
        for rule in others.own().filter(|rule| rule.effect != Effect::Lend) {
            let opens = rule.effect == Effect::Allow;
            if opens && how == Taking::Tighter && !before.has(rule) {
                wait.push(rule.id.clone());
            } else {
                own.push(rule.clone());
            }
        }
        wait.extend(others.loans().filter(|rule| !before.has(rule)).map(|rule| rule.id.clone()));
        let closed = self.own().filter(|rule| matches!(rule.effect, Effect::Deny | Effect::Watch));
        for rule in closed.filter(|rule| how == Taking::Tighter && !after.has(rule)) {
            wait.push(rule.id.clone());
            own.push(rule.clone());
        }
        let rules = self.with_own(own);
        let now = Known::of(&rules);
        let ids = |rules: &Rules, known: &Known<'_>| {
            let others = rules.own().filter(|rule| !rule.sites.is_empty() && !known.has(rule));
            let mut ids: Vec<String> = others.map(|rule| rule.id.clone()).collect();
            ids.sort();
            ids
        };
        let (begin, end) = (ids(&rules, &before), ids(self, &now));
        wait.sort();
        wait.dedup();
        Taken { rules, begin, end, wait }
    }
}

/// Rules of one's own, wherever they stand in their files.
struct Known<'r>(HashMap<(Layer, &'r str, &'r str), Vec<&'r Rule>>);

impl<'r> Known<'r> {
    fn of(rules: &'r Rules) -> Self {
        let mut known: HashMap<_, Vec<&Rule>> = HashMap::new();
        for rule in rules.own() {
            known.entry((rule.layer, &*rule.id, &*rule.file)).or_default().push(rule);
        }
        Self(known)
    }

    fn has(&self, rule: &Rule) -> bool {
        let same = self.0.get(&(rule.layer, &*rule.id, &*rule.file));
        same.is_some_and(|same| same.iter().any(|of| Rule { at: rule.at.clone(), ..(*of).clone() } == *rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Day, Site, Source, What};
    use proptest::prelude::*;

    /// `ID PLACE EFFECT`, each a rule.
    fn rules(said: &[(&str, &str, &str)]) -> Rules {
        let rule = |(id, place, effect): &(&str, &str, &str)| {
            let what = if *effect == "deny" { "everything" } else { "read" };
            let hosts = if *effect == "lend" { "hosts = \"a.example.org\"\n" } else { "" };
            format!(
                "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"{what}\"\neffect = \"{effect}\"\n{hosts}why = \"x\"\n"
            )
        };
        let text = said.iter().map(rule).collect();
        Rules::read(&[Source { layer: Layer::User, file: "own.toml".into(), text }], Day::at(0)).unwrap()
    }

    fn refused(rules: &Rules, place: &str) -> What {
        rules.refused_at(&Site::Home(place.into()))
    }

    #[test]
    fn what_closes_counts_at_once_and_what_opens_waits() {
        let before = rules(&[("old", "x", "deny"), ("open", ".npmrc", "allow")]);
        let after = rules(&[("new", "y", "deny"), ("more", ".pypirc", "allow"), ("open", ".npmrc", "allow")]);
        let taken = before.take(&after, Taking::Tighter);
        let all = ["x", "y", ".pypirc", ".npmrc"].map(|place| refused(&taken.rules, place));
        let closed = What::EVERYTHING;
        assert_eq!(all, [closed, closed, closed, closed - What::READ]);
        let (new, old, more) = (vec!["new".to_owned()], vec!["old".to_owned()], vec!["more".to_owned()]);
        assert_eq!((&taken.begin, &taken.end), (&new, &Vec::new()));
        assert_eq!(taken.wait, [&more[..], &old].concat());
        // Taken once more, nothing begins.
        assert_eq!(taken.rules.take(&after, Taking::Tighter).begin, Vec::<String>::new());
        let taken = taken.rules.take(&after, Taking::Whole);
        assert_eq!((taken.begin, taken.end, taken.wait.len()), (more, old, 0));
        assert_eq!((refused(&taken.rules, "x"), refused(&taken.rules, "y")), (What::empty(), closed));
        // What is allowed no more is closed at once.
        let taken = before.take(&rules(&[]), Taking::Tighter);
        assert_eq!((refused(&taken.rules, ".npmrc"), &*taken.end), (closed, &["open".to_owned()][..]));
    }

    #[test]
    fn what_is_lent_no_more_keeps_its_number_and_nothing_is_newly_lent() {
        let before = rules(&[("a", ".npmrc", "lend"), ("b", ".pypirc", "lend")]);
        let after = rules(&[("b", ".pypirc", "lend"), ("c", ".netrc", "lend")]);
        for how in [Taking::Tighter, Taking::Whole] {
            let taken = before.take(&after, how);
            let loans: Vec<(&str, usize)> =
                taken.rules.loans().map(|loan| (&*loan.id, loan.sites.len())).collect();
            assert_eq!(loans, [("a", 0), ("b", 1)], "{how:?}");
            assert_eq!((taken.end, taken.wait), (vec!["a".into()], vec!["c".into()]), "{how:?}");
            let lent = |place: &str| taken.rules.lent_at(&Site::Home(place.into())).is_some();
            assert_eq!([".npmrc", ".pypirc", ".netrc"].map(lent), [false, true, false], "{how:?}");
        }
    }

    fn some_rules() -> impl Strategy<Value = Rules> {
        let place = prop::sample::select(vec!["x", "x/y", ".npmrc", ".pypirc", ".netrc", ".vimrc"]);
        let kind = prop::sample::select(vec!["deny", "allow", "watch", "lend"]);
        prop::collection::vec((place, kind), 0..6).prop_filter_map("they contradict each other", |said| {
            let ids: Vec<String> = said.iter().map(|(place, kind)| {
                format!("{kind}-{}", place.replace(['.', '/'], ""))
            }).collect();
            let text: String = said.iter().zip(&ids).map(|((place, kind), id)| {
                let (what, hosts) = match *kind {
                    "deny" => ("everything", ""),
                    "lend" => ("read", "hosts = \"a.example.org\"\n"),
                    _ => ("read", ""),
                };
                format!("[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"{what}\"\neffect = \"{kind}\"\n{hosts}why = \"x\"\n")
            }).collect();
            let source = Source { layer: Layer::Machine, file: "own.toml".into(), text };
            Rules::read(&[source], Day::at(0)).ok()
        })
    }

    proptest! {
        /// Whatever was refused before and what the others refuse, and nothing is lent that was not.
        #[test]
        fn what_is_taken_as_tighter_opens_nothing(before in some_rules(), after in some_rules()) {
            let taken = before.take(&after, Taking::Tighter).rules;
            for place in ["x", "x/y", "x/z", ".npmrc", ".pypirc", ".netrc", ".vimrc", ".ssh"] {
                let all = refused(&before, place) | refused(&after, place);
                prop_assert!(refused(&taken, place).contains(all), "{place}");
                let lent = |rules: &Rules| rules.lent_at(&Site::Home(place.into())).is_some();
                prop_assert!(!lent(&taken) || lent(&before), "{place}");
            }
        }

        #[test]
        fn what_is_taken_whole_is_what_holds_in_new_sessions(before in some_rules(), after in some_rules()) {
            let taken = before.take(&after, Taking::Whole).rules;
            for place in ["x", "x/y", ".npmrc", ".pypirc", ".netrc", ".vimrc"] {
                prop_assert_eq!(refused(&taken, place), refused(&after, place), "{}", place);
            }
        }
    }
}
