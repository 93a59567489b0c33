//! A file of one's own rules, changed as little as possible: what people wrote there stays as they wrote it.

use crate::rule::{Effect, Layer, Policy, What};
use crate::site::Site;
use toml::Value;

/// A rule that was said on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where: the kind of place, and the place.
    pub site: (&'static str, String),
    /// What it is about.
    pub what: What,
    /// What comes of it.
    pub effect: Effect,
    /// Why.
    pub why: String,
}

/// What a new file begins with.
const HEAD: &str = "# A user's rules for agent sessions, upon those that `wardline policy list` shows.\n";

impl Said {
    /// The text with this rule behind what is there, and its id.
    pub fn added_to(&self, text: &str, there: &Policy) -> (String, String) {
        let name: String =
            self.site.1.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let name = name.to_ascii_lowercase();
        let name = name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let base = format!("{}-{name}", self.effect.word());
        let ids = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
        let id = ids.into_iter().find(|id| there.rule(id).is_none()).unwrap_or(base);
        let quoted = |text: &str| Value::String(text.into()).to_string();
        let what: Vec<String> = self.what.words().map(quoted).collect();
        let before = if text.is_empty() { HEAD } else { text };
        let line = if before.ends_with('\n') { "" } else { "\n" };
        let (kind, place) = &self.site;
        let text = format!(
            "{before}{line}\n[[rule]]\nid = {}\nis = {}\nwhere.{kind} = [{}]\nwhat = [{}]\neffect = {}\nwhy = {}\n",
            quoted(&id),
            quoted(place),
            quoted(place),
            what.join(", "),
            quoted(self.effect.word()),
            quoted(&self.why),
        );
        (text, id)
    }
}

impl Policy {
    /// The text that these rules were read from, without one of them. `None`: it cannot be taken out by itself.
    pub fn taken_out(&self, text: &str, id: &str) -> Option<String> {
        let rule = self.rule(id)?;
        let start = rule.at.start;
        let next = self.rules.iter().map(|rule| rule.at.start).filter(|&at| at > start).min();
        let mut end = next.unwrap_or(text.len());
        // What stands before the next rule is about that one.
        let own = text.get(start..end)?;
        let behind: usize =
            own.split_inclusive('\n').rev().take_while(|line| line.starts_with('#')).map(str::len).sum();
        if next.is_some() {
            end -= behind;
        }
        let without = [text.get(..start)?, text.get(end..)?].concat();
        let left = Policy::read(rule.layer, &rule.file, &without).ok()?;
        let others = self.rules.iter().filter(|rule| rule.id != id);
        let same = left.rules.iter().map(|rule| &rule.id).eq(others.map(|rule| &rule.id));
        same.then_some(without)
    }

    /// The user's rules for exactly this place.
    pub fn of_user_at(&self, site: &Site) -> impl Iterator<Item = &crate::Rule> {
        self.rules.iter().filter(move |rule| rule.layer == Layer::User && rule.sites == [site.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Policy {
        Policy::read(Layer::User, "own.toml", text).unwrap()
    }

    fn said(place: &str) -> Said {
        let site = ("home", place.to_owned());
        Said { site, what: What::READ | What::CHANGE, effect: Effect::Deny, why: "a \"reason\"".into() }
    }

    #[test]
    fn what_is_added_is_read_again_and_can_be_taken_out() {
        let (one, id) = said("a b/C.\"x\"").added_to("", &Policy::default());
        assert_eq!(id, "deny-a-b-c-x");
        let policy = read(&one);
        let rule = &policy.rules()[0];
        assert_eq!((&*rule.why, rule.what), ("a \"reason\"", What::READ | What::CHANGE));
        assert_eq!(rule.sites, [Site::Home("a b/C.\"x\"".into())]);
        let (two, other) = said("a b/C.\"x\"").added_to(&one, &read(&one));
        assert_eq!(other, "deny-a-b-c-x-2");
        assert_eq!(read(&two).of_user_at(&Site::Home("a b/C.\"x\"".into())).count(), 2);
        assert_eq!(read(&two).taken_out(&two, &other).unwrap().trim_end(), one.trim_end());
        assert_eq!(read(&two).taken_out(&two, &id).unwrap().matches("[[rule]]").count(), 1);
        assert_eq!(read(&one).taken_out(&one, &id).unwrap().trim_end(), HEAD.trim_end());
        assert_eq!(read(&one).taken_out(&one, "none"), None);
    }

    #[test]
    fn what_people_wrote_stays() {
        let mine = "# mine\n[[rule]]\nid = \"a\"\nis = \"x\" # really\nwhere.home = [\"x\"]\nwhat = \"read\"\neffect = \"deny\"\nwhy = \"w\"\n\n# of b\n";
        let (text, id) = said("b").added_to(mine, &read(mine));
        assert!(text.starts_with(mine));
        assert_eq!(read(&text).taken_out(&text, &id).unwrap().trim_end(), mine.trim_end());
        let without = read(&text).taken_out(&text, "a").unwrap();
        assert!(without.starts_with("# mine\n") && !without.contains("really"), "{without}");
    }
}
