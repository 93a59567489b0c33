//! A file of one's own rules, changed as little as possible: what people wrote there stays as they wrote it.

use crate::policy::Policy;
use crate::rule::{Effect, Layer, Rule, What};
use crate::site::Site;
use toml::Value;

/// A rule that was said on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub sites: Vec<Site>,
    /// What it is about.
    pub what: What,
    /// What comes of it.
    pub effect: Effect,
    /// What is lent is for these.
    pub hosts: Vec<String>,
    /// In sessions of these agents alone; none: in all.
    pub agents: Vec<String>,
    /// During these tasks alone; none: always.
    pub tasks: Vec<String>,
    /// Why.
    pub why: String,
}

/// What a new file begins with.
const HEAD: &str = "# A user's rules for agent sessions, upon those that `wardline policy list` shows.\n";
/// Characters of a place that stand for it.
const IS_MAX: usize = 200;
/// Bytes of an id that is made of a place.
const ID_MAX: usize = 60;

impl Said {
    /// The text with this rule behind what is there, and its id.
    pub fn added_to(&self, text: &str, there: &Policy) -> (String, String) {
        let id = self.free_id(there);
        let before = if text.is_empty() { HEAD } else { text };
        let line = if before.ends_with('\n') { "" } else { "\n" };
        (format!("{before}{line}\n{}", self.toml(&id)), id)
    }

    /// As it stands in a file.
    pub fn toml(&self, id: &str) -> String {
        let quoted = |text: &str| Value::String(text.into()).to_string();
        let keys: Vec<_> = self.sites.iter().map(Site::key).collect();
        let mut kinds: Vec<&str> = Vec::new();
        for (kind, _) in &keys {
            if !kinds.contains(kind) {
                kinds.push(kind);
            }
        }
        let places = kinds.into_iter().map(|kind| {
            let of_kind = keys.iter().filter(|(of, _)| *of == kind).map(|(_, text)| quoted(text));
            format!("where.{kind} = [{}]\n", of_kind.collect::<Vec<_>>().join(", "))
        });
        let what: Vec<String> = self.what.words().map(quoted).collect();
        let list =
            |key: &str, texts: &[String]| match texts.iter().map(|text| quoted(text)).collect::<Vec<_>>() {
                none if none.is_empty() => String::new(),
                texts => format!("{key} = [{}]\n", texts.join(", ")),
            };
        let (hosts, agents) = (list("hosts", &self.hosts), list("agents", &self.agents));
        let tasks = list("tasks", &self.tasks);
        format!(
            "[[rule]]\nid = {}\nis = {}\n{}what = [{}]\neffect = {}\n{hosts}{agents}{tasks}why = {}\n",
            quoted(id),
            quoted(&self.is()),
            places.collect::<String>(),
            what.join(", "),
            quoted(self.effect.word()),
            quoted(&self.why),
        )
    }

    /// As a rule of a layer, in no file yet.
    pub fn rule(&self, layer: Layer) -> Rule {
        Rule {
            id: self.base_id(),
            is: self.is(),
            sites: self.sites.clone(),
            what: self.what,
            effect: self.effect,
            hosts: self.hosts.clone(),
            agents: self.agents.clone(),
            tasks: self.tasks.clone(),
            why: self.why.clone(),
            ..Rule::empty(layer, "")
        }
    }

    /// What lies there: its first place.
    fn is(&self) -> String {
        let first = self.sites.first().map(|site| site.key().1).unwrap_or_default();
        let first = first.chars().take(IS_MAX).collect::<String>();
        match self.sites.len() {
            0 | 1 => first,
            more => format!("{first} and {} more", more - 1),
        }
    }

    fn base_id(&self) -> String {
        let is = self.is();
        let name = is.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
        let name = name.take(ID_MAX).collect::<String>().to_ascii_lowercase();
        let words =
            std::iter::once(self.effect.word()).chain(name.split('-').filter(|part| !part.is_empty()));
        words.collect::<Vec<_>>().join("-")
    }

    fn free_id(&self, there: &Policy) -> String {
        let base = self.base_id();
        let ids = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
        ids.into_iter().find(|id| there.rule(id).is_none()).unwrap_or(base)
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
        let sites = vec![Site::Home(place.to_owned())];
        Said {
            sites,
            what: What::READ | What::CHANGE,
            effect: Effect::Deny,
            hosts: Vec::new(),
            agents: vec!["codex".into()],
            tasks: vec!["review".into()],
            why: "a \"reason\"".into(),
        }
    }

    #[test]
    fn what_is_added_is_read_again_and_can_be_taken_out() {
        let (one, id) = said("a b/C.\"x\"").added_to("", &Policy::default());
        assert_eq!(id, "deny-a-b-c-x");
        let policy = read(&one);
        let rule = &policy.rules()[0];
        assert_eq!((&*rule.why, rule.what), ("a \"reason\"", What::READ | What::CHANGE));
        assert_eq!(
            (&rule.agents[..], &rule.tasks[..]),
            (&["codex".to_owned()][..], &["review".to_owned()][..])
        );
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
