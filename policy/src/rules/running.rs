//! What a session that runs obeys when the rules are other ones than it began with: what closes counts at once, and what opens
//! from the next session on.

use super::{Refusal, Rules};
use crate::rule::{Effect, Layer, Row, Rule, What};
use crate::site::Site;
use std::collections::HashMap;

/// What becomes of the rules of a session that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it obeys from now on: what closed before, and what closes now.
    pub rules: Rules,
    /// The ids of what closes or tells anew.
    pub begin: Vec<String>,
    /// The ids of what opens nothing any more.
    pub end: Vec<String>,
    /// The ids of what opens something, which counts from the next session on.
    pub opens: Vec<String>,
    /// The ids of what closed or told something and was taken back, which counts from the next session on.
    pub taken_back: Vec<String>,
}

impl Rules {
    /// What a session under these rules obeys when others are to hold.
    pub fn tightened(&self, others: &Rules) -> Taken {
        let (before, after) = (Known::of(self), Known::of(others));
        let opens = |rule: &Rule| matches!(rule.effect, Effect::Allow | Effect::Lend);
        let ids = |rules: Vec<&Rule>| {
            let mut ids: Vec<String> = rules.into_iter().map(|rule| rule.id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        let (ended, stay): (Vec<&Rule>, Vec<&Rule>) =
            self.own().partition(|rule| opens(rule) && !after.has(rule));
        let (new, begin): (Vec<&Rule>, Vec<&Rule>) =
            others.own().filter(|rule| !before.has(rule)).partition(|rule| opens(rule));
        let rules = match ended.is_empty() && begin.is_empty() {
            true => self.clone(),
            false => self.with_own(stay.iter().chain(&begin).map(|rule| (*rule).clone()).collect()),
        };
        let taken_back = stay.into_iter().filter(|rule| !after.has(rule)).collect();
        Taken { rules, begin: ids(begin), end: ids(ended), opens: ids(new), taken_back: ids(taken_back) }
    }

    /// What these rules refuse that others do not.
    pub fn refusals_beyond<'r>(&'r self, others: &'r Rules) -> Vec<Refusal<'r>> {
        let mut refused = Refused::new();
        for refusal in others.refusals() {
            let Row { rule, site } = refusal.row;
            refused.entry((rule.layer, &rule.id, site)).or_default().push((rule, refusal.what));
        }
        let is_beyond = |refusal: &Refusal<'_>| {
            let Row { rule, site } = refusal.row;
            let same = refused.get(&(rule.layer, &*rule.id, site)).into_iter().flatten();
            let same = same.filter(|(of, _)| is_same(of, rule));
            !same.fold(What::empty(), |all, (_, what)| all | *what).contains(refusal.what)
        };
        let mut beyond: Vec<Refusal<'_>> = self.refusals().filter(is_beyond).collect();
        for refusal in self.opened_no_more(others) {
            if !beyond.contains(&refusal) {
                beyond.push(refusal);
            }
        }
        beyond
    }

    /// What closes the places that others open and these do not: also what is looked for, and what they lie in.
    fn opened_no_more<'r>(&'r self, others: &'r Rules) -> Vec<Refusal<'r>> {
        let known = Known::of(self);
        let opened = others.own().filter(|rule| matches!(rule.effect, Effect::Allow | Effect::Lend));
        let opened = opened.filter(|rule| !known.has(rule));
        let places = opened.flat_map(|rule| rule.sites.iter().map(move |site| Row { rule, site }));
        let closing = places.flat_map(|opened| {
            let met = self.policy().meetings_with(opened.site).into_iter();
            met.filter_map(move |met| {
                let refusal = self.refusals().find(|refusal| refusal.row == met.row)?;
                let what = self.left_at(&met, opened.site);
                let row = Row { rule: refusal.row.rule, site: opened.site };
                what.intersects(opened.rule.what).then_some(Refusal { row, what, shipped: refusal.shipped })
            })
        });
        closing.collect()
    }
}

/// Whether two rules say the same, wherever they stand in their file.
fn is_same(one: &Rule, other: &Rule) -> bool {
    one.file == other.file && Rule { at: other.at.clone(), ..one.clone() } == *other
}

/// By layer, rule and place: the rules that refuse there, and what.
type Refused<'r> = HashMap<(Layer, &'r str, &'r Site), Vec<(&'r Rule, What)>>;

/// Users' rules, by what they say.
struct Known<'r>(HashMap<(Layer, &'r str), Vec<&'r Rule>>);

impl<'r> Known<'r> {
    fn of(rules: &'r Rules) -> Self {
        let mut known: HashMap<_, Vec<&Rule>> = HashMap::new();
        for rule in rules.own() {
            known.entry((rule.layer, &*rule.id)).or_default().push(rule);
        }
        Self(known)
    }

    fn has(&self, rule: &Rule) -> bool {
        self.0.get(&(rule.layer, &*rule.id)).is_some_and(|all| all.iter().any(|of| is_same(of, rule)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Day, Source};
    use proptest::prelude::*;

    fn rule(id: &str, place: &str, effect: &str, more: &str) -> String {
        let what = if effect == "deny" { "everything" } else { "read" };
        let hosts = if effect == "lend" { "hosts = \"a.example.org\"\n" } else { "" };
        format!(
            "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"{what}\"\neffect = \"{effect}\"\n{hosts}{more}why = \"x\"\n"
        )
    }

    fn read(layer: Layer, text: String) -> Option<Rules> {
        Rules::read(&[Source { layer, file: "own.toml".into(), text }], Day::at(0)).ok()
    }

    /// `ID PLACE EFFECT`, each a rule.
    fn rules(said: &[(&str, &str, &str)]) -> Rules {
        let text = said.iter().map(|(id, place, effect)| rule(id, place, effect, "")).collect();
        read(Layer::User, text).unwrap()
    }

    fn refused(rules: &Rules, place: &str) -> What {
        rules.refused_at(&Site::Home(place.into()))
    }

    fn beyond<'r>(rules: &'r Rules, others: &'r Rules) -> Vec<(&'r str, String)> {
        let beyond = rules.refusals_beyond(others).into_iter();
        beyond.map(|refusal| (&*refusal.row.rule.id, refusal.row.site.key().1)).collect()
    }

    #[test]
    fn what_closes_counts_at_once_and_what_opens_waits() {
        let before = rules(&[("old", "x", "deny"), ("open", ".npmrc", "allow")]);
        let after = rules(&[("new", "y", "deny"), ("more", ".pypirc", "allow"), ("open", ".npmrc", "allow")]);
        let taken = before.tightened(&after);
        let all = ["x", "y", ".pypirc", ".npmrc"].map(|place| refused(&taken.rules, place));
        let closed = What::EVERYTHING;
        assert_eq!(all, [closed, closed, closed, closed - What::READ]);
        assert_eq!((&*taken.begin, &*taken.end), (&["new".to_owned()][..], &[][..]));
        assert_eq!((&taken.opens[0], &taken.taken_back[0]), (&"more".to_owned(), &"old".to_owned()));
        assert_eq!(beyond(&taken.rules, &before), [("new", "y".to_owned())]);
        // Taken once more, nothing begins.
        let again = taken.rules.tightened(&after);
        assert_eq!((&again.begin[..], beyond(&again.rules, &taken.rules)), (&[][..], Vec::new()));
        // What is allowed no more is closed at once.
        let taken = before.tightened(&rules(&[]));
        assert_eq!((refused(&taken.rules, ".npmrc"), &*taken.end), (closed, &["open".to_owned()][..]));
        assert_eq!(beyond(&taken.rules, &before), [("npm", ".npmrc".to_owned())]);
    }

    #[test]
    fn what_is_lent_no_more_is_closed_and_nothing_is_newly_lent() {
        let before = rules(&[("a", ".npmrc", "lend"), ("b", ".pypirc", "lend")]);
        let after = rules(&[("b", ".pypirc", "lend"), ("c", ".netrc", "lend")]);
        let taken = before.tightened(&after);
        assert_eq!((&*taken.end, &*taken.opens), (&["a".to_owned()][..], &["c".to_owned()][..]));
        let lent = |place: &str| taken.rules.lent_at(&Site::Home(place.into())).is_some();
        assert_eq!([".npmrc", ".pypirc", ".netrc"].map(lent), [false, true, false]);
        assert_eq!(beyond(&taken.rules, &before), [("npm", ".npmrc".to_owned())]);
    }

    #[test]
    fn a_rule_that_was_for_a_task_and_is_for_all_is_another_one() {
        let of = |more: &str| read(Layer::User, rule("x", "x", "deny", more)).unwrap();
        let (before, after) = (of("tasks = \"review\"\n"), of(""));
        let taken = before.tightened(&after);
        assert_eq!((&*taken.begin, &*taken.taken_back), (&["x".to_owned()][..], &["x".to_owned()][..]));
        let beyond = taken.rules.refusals_beyond(&before);
        assert_eq!(beyond.iter().map(|of| of.row.rule.tasks.len()).collect::<Vec<_>>(), [0]);
    }

    /// Beside plain ones, what is looked for by its name and as a copy.
    const PLACES: [&str; 10] =
        ["x", "x/y", "x/z", ".npmrc", ".npmrc.bak", ".pypirc", ".netrc", ".vimrc", ".ssh", "proj/.env"];

    #[test]
    fn what_was_allowed_of_what_is_looked_for_is_closed_again() {
        for (place, id) in [("proj/.env", "environments"), (".npmrc.bak", "npm"), (".npmrc", "npm")] {
            let before = rules(&[("x", place, "allow")]);
            let taken = before.tightened(&rules(&[]));
            let beyond = beyond(&taken.rules, &before);
            assert_eq!(beyond.len(), 1, "{place}: {beyond:?}");
            assert_eq!(beyond[0].1, place, "{id}");
        }
    }

    fn some_rules() -> impl Strategy<Value = Rules> {
        let place = prop::sample::select(PLACES.to_vec());
        let kind = prop::sample::select(vec!["deny", "allow", "watch", "lend"]);
        prop::collection::vec((place, kind), 0..6).prop_filter_map("they contradict each other", |said| {
            let id = |place: &str, kind: &str| format!("{kind}-{}", place.replace(['.', '/'], ""));
            let text = said.iter().map(|(place, kind)| rule(&id(place, kind), place, kind, ""));
            read(Layer::Machine, text.collect())
        })
    }

    proptest! {
        /// Whatever was refused before and what the others refuse, and nothing is lent that was not.
        #[test]
        fn what_is_taken_opens_nothing(before in some_rules(), after in some_rules()) {
            let taken = before.tightened(&after).rules;
            for place in PLACES {
                let all = refused(&before, place) | refused(&after, place);
                prop_assert!(refused(&taken, place).contains(all), "{place}");
                let lent = |rules: &Rules| rules.lent_at(&Site::Home(place.into())).is_some();
                prop_assert!(!lent(&taken) || lent(&before), "{place}");
            }
        }

        /// What is added to what is armed is all that is missing.
        #[test]
        fn what_was_refused_and_what_is_beyond_is_what_is_taken(before in some_rules(), after in some_rules()) {
            let taken = before.tightened(&after).rules;
            let beyond = taken.refusals_beyond(&before);
            for place in PLACES {
                let missing = refused(&taken, place) - refused(&before, place);
                let closes = |refusal: &&Refusal<'_>| match refusal.row.site {
                    Site::Home(of) => place == of || place.starts_with(&format!("{of}/")),
                    _ => false,
                };
                let added = beyond.iter().filter(closes).fold(What::empty(), |all, refusal| all | refusal.what);
                prop_assert!(added.contains(missing), "{place}: {missing:?}");
            }
        }
    }
}
