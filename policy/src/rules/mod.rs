//! The rules of a session: the shipped ones, with this machine's and the user's own upon them.
//!
//! Any rule that denies refuses. A rule that allows takes back what rules of earlier layers refuse at exactly its site, and
//! what they close by a pattern or as a copy; never what is final, and never a part of what is closed as a whole: such a
//! rule is a mistake, since it would not hold. Neither the order of files nor that of rules in them means anything.
#![expect(clippy::indexing_slicing, reason = "rows were counted in the same policy, and a pair has two")]

mod attempt;
mod running;

pub use attempt::{Attempt, Deed, Ground};
pub use running::Taken;

use crate::day::Day;
use crate::mistake::{Mistake, Mistakes, POLICY};
use crate::policy::Policy;
use crate::policy::meet::Meeting;
use crate::rule::{Effect, Layer, Row, Rule, What};
use crate::shipped::shipped;
use crate::site::Site;
use std::collections::HashSet;
use std::sync::Arc;

/// Rules of a session that may lend: the kernel side keeps a bit for each.
pub const MAX_LOANS: usize = 16;

/// A file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whose.
    pub layer: Layer,
    /// Its name, for people.
    pub file: String,
    /// What it holds.
    pub text: String,
}

/// What is wrong with files of rules.
#[derive(Debug)]
pub struct Wrong(pub Vec<Mistakes>);

/// What a rule refuses at one of its sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'p> {
    /// The rule and the site.
    pub row: Row<'p>,
    /// What is refused: less than the rule says where something was taken back.
    pub what: What,
    /// Which of the shipped rows it is.
    pub shipped: Option<usize>,
}

/// The rules of a session. To copy them costs nothing: sessions under the same files share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The shipped rules first, in their order; then by layer and id.
    policy: Arc<Policy>,
    /// Which of them are one's own and allow: each refusal asks them.
    allows: Arc<[usize]>,
    /// Those of one's own whose last day is over: they say nothing any more.
    expired: Arc<[Rule]>,
}

/// The shipped ones alone.
impl Default for Rules {
    fn default() -> Self {
        Self { policy: shipped().clone(), allows: Arc::default(), expired: Arc::default() }
    }
}

impl Rules {
    /// The shipped rules, with those of files upon them that have not expired on a day.
    pub fn read(sources: &[Source], today: Day) -> Result<Self, Wrong> {
        let (mut own, mut wrong) = (Vec::new(), Vec::new());
        for source in sources {
            match Policy::read(source.layer, &source.file, &source.text) {
                Ok(policy) => own.extend(policy.rules),
                Err(mistakes) => wrong.push(mistakes),
            }
        }
        if !wrong.is_empty() {
            return Err(Wrong(wrong));
        }
        if own.is_empty() {
            return Ok(Self::default());
        }
        own.sort_by(|a, b| (a.layer, &a.id, &a.file).cmp(&(b.layer, &b.id, &b.file)));
        let twice = own.windows(2).filter(|two| (two[0].layer, &two[0].id) == (two[1].layer, &two[1].id));
        // Repositories know nothing of each other.
        let twice = twice.filter(|two| two[0].layer != Layer::Repository);
        let twice = twice.map(|two| {
            let message = format!("`{}` has a rule `{}`, too", two[0].file, two[0].id);
            (two[1].clone(), Mistake::new(message, two[1].at.clone()))
        });
        let mut wrong: Vec<(Rule, Mistake)> = twice.collect();
        let (expired, own): (Vec<Rule>, Vec<Rule>) =
            own.into_iter().partition(|rule| rule.has_expired(today));
        let rules: Vec<Rule> = shipped().rules.iter().cloned().chain(own).collect();
        let rules = Self { expired: expired.into(), ..Self::of(rules) };
        let own = || rules.policy.rules.iter().filter(|rule| rule.layer != Layer::Shipped);
        for rule in own().filter(|rule| matches!(rule.effect, Effect::Allow | Effect::Lend)) {
            let vain = rule.sites.iter().filter_map(|site| rules.in_vain(Row { rule, site }));
            wrong.extend(vain.map(|mistake| (rule.clone(), mistake)));
        }
        wrong.extend(own().filter(|rule| rule.effect == Effect::Lend).skip(MAX_LOANS).map(|rule| {
            let message = format!("at most {MAX_LOANS} rules may lend something");
            (rule.clone(), Mistake::new(message, rule.at.clone()))
        }));
        if wrong.is_empty() { Ok(rules) } else { Err(Wrong::of(wrong, sources)) }
    }

    fn of(rules: Vec<Rule>) -> Self {
        let allows = |(index, rule): (usize, &Rule)| {
            (rule.layer != Layer::Shipped && rule.effect == Effect::Allow).then_some(index)
        };
        let allows = rules.iter().enumerate().filter_map(allows).collect();
        Self { policy: Arc::new(Policy { rules }), allows, expired: Arc::default() }
    }

    /// Those that sessions of an agent have.
    pub fn of_session(&self, agent: &str) -> Self {
        self.only(|rule| rule.is_for(agent))
    }

    /// The same, and nothing is lent.
    pub fn lending_nothing(&self) -> Self {
        self.only(|rule| rule.effect != Effect::Lend)
    }

    /// Those that hold during a task.
    pub fn of_task(&self, task: &str) -> Self {
        self.only(|rule| rule.is_during(task))
    }

    /// The shipped ones, with these upon them.
    pub(crate) fn with_own(&self, own: Vec<Rule>) -> Self {
        let shipped = self.policy.rules.iter().filter(|rule| rule.layer == Layer::Shipped).cloned();
        Self::of(shipped.chain(own).collect())
    }

    fn only(&self, holds: impl Fn(&Rule) -> bool) -> Self {
        if self.policy.rules.iter().all(&holds) {
            return self.clone();
        }
        Self::of(self.policy.rules.iter().filter(|rule| holds(rule)).cloned().collect())
    }

    /// Every rule.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The users' rules that have expired.
    pub fn expired(&self) -> &[Rule] {
        &self.expired
    }

    /// The users' rules.
    pub fn own(&self) -> impl Iterator<Item = &Rule> {
        self.policy.rules.iter().filter(|rule| rule.layer != Layer::Shipped)
    }

    /// The rules that lend, in the order in which their loans are numbered.
    pub fn loans(&self) -> impl Iterator<Item = &Rule> {
        self.policy.rules.iter().filter(|rule| rule.effect == Effect::Lend).take(MAX_LOANS)
    }

    /// What is lent at a place, and by which rule.
    pub fn lent_at(&self, place: &Site) -> Option<&Rule> {
        self.loan_at(place).map(|met| met.row.rule)
    }

    /// The rule that lends what lies at a place, and how it meets it.
    pub fn loan_at(&self, place: &Site) -> Option<Meeting<'_>> {
        let met = self.policy().meetings_with(place);
        met.into_iter().find(|met| met.row.rule.effect == Effect::Lend)
    }

    /// What is refused, a row a site.
    pub fn refusals(&self) -> impl Iterator<Item = Refusal<'_>> {
        let denied = self.policy.denied().enumerate().map(|(index, row)| Refusal {
            row,
            what: self.left(row),
            shipped: (row.rule.layer == Layer::Shipped).then_some(index),
        });
        denied.filter(|refusal| !refusal.what.is_empty())
    }

    /// What a row refuses that was not taken back.
    pub fn left(&self, row: Row<'_>) -> What {
        self.taken_back(row, row.site)
    }

    /// What a row that is looked for when a session begins refuses of a place below the home.
    pub fn left_of(&self, row: Row<'_>, path_in_home: &str) -> What {
        self.taken_back(row, &Site::Home(path_in_home.to_owned()))
    }

    /// What a rule that meets a place refuses there.
    pub fn left_at(&self, met: &Meeting<'_>, place: &Site) -> What {
        match place {
            Site::Home(path) if met.is_looked_for() => self.left_of(met.row, path),
            _ => self.left(met.row),
        }
    }

    /// What is refused at a place.
    pub fn refused_at(&self, place: &Site) -> What {
        let met = self.policy().meetings_with(place);
        let denied = met.iter().filter(|met| met.row.rule.effect == Effect::Deny);
        denied.fold(What::empty(), |all, met| all | self.left_at(met, place))
    }

    /// The rules that refuse all of this at a place to everybody and for good, wherever it comes from and whatever it holds:
    /// none, if a part is open.
    pub fn holding(&self, place: &Site, what: What) -> Vec<&Rule> {
        if what.intersects(What::READ) && self.lent_at(place).is_some() {
            return Vec::new();
        }
        let met = self.policy().meetings_with(place);
        let surely = |met: &&Meeting<'_>| {
            let is_found = met.is_looked_for() && met.row.site != place;
            let rule = met.row.rule;
            let always = !rule.is_of_some() && rule.expires.is_none() && rule.harmless.is_none();
            rule.effect == Effect::Deny && always && !is_found
        };
        let holding: Vec<_> =
            met.iter().filter(surely).filter(|met| self.left_at(met, place).intersects(what)).collect();
        let held = holding.iter().fold(What::empty(), |all, met| all | self.left_at(met, place));
        if held.contains(what) { holding.iter().map(|met| met.row.rule).collect() } else { Vec::new() }
    }

    /// Why a rule that is to come upon these would not hold, if it would not.
    pub fn would_not_hold(&self, rule: &Rule) -> Option<Mistake> {
        if !matches!(rule.effect, Effect::Allow | Effect::Lend) {
            return None;
        }
        rule.sites.iter().find_map(|site| self.in_vain(Row { rule, site }))
    }

    fn taken_back(&self, row: Row<'_>, site: &Site) -> What {
        let allows = self.allows.iter().map(|&index| &self.policy.rules[index]);
        let allows =
            allows.filter(|own| own.layer > row.rule.layer && !row.rule.is_final && own.sites.contains(site));
        allows.fold(row.rule.what, |left, own| left - own.what)
    }

    /// Why what a rule allows stays closed, if it does.
    fn in_vain(&self, allow: Row<'_>) -> Option<Mistake> {
        let mut met = self.policy.meetings_with(allow.site);
        if let Site::Home(path) = allow.site {
            met.extend(self.policy.meetings_in(path));
        }
        let closed = met.iter().find(|met| {
            let left = self.left_at(met, allow.site);
            // A later layer may close what this one opens.
            let is_earlier = met.row.rule.layer <= allow.rule.layer;
            // What is lent is lent by itself, also out of what is closed as a whole; but a name is closed wherever it is.
            let is_lent = allow.rule.effect == Effect::Lend && !matches!(met.row.site, Site::Name(_));
            let is_taken_back = met.row.rule.layer < allow.rule.layer
                && !met.row.rule.is_final
                && (met.row.site == allow.site || met.is_looked_for() || is_lent);
            is_earlier
                && !is_taken_back
                && met.row.rule.effect == Effect::Deny
                && left.intersects(allow.rule.what)
        })?;
        let Row { rule, site } = closed.row;
        let message = format!("{} stays closed by rule `{}`", allow.site, rule.id);
        let help = if rule.layer >= allow.rule.layer {
            format!("take `{}` out of `{}`", rule.id, rule.file)
        } else if rule.is_final {
            format!("`{}` is final: {}", rule.id, rule.why)
        } else {
            format!("it closes {site} as a whole: allow that, too, or leave it closed")
        };
        Some(Mistake::new(message, allow.rule.at.clone()).help(help))
    }
}

impl Wrong {
    fn of(wrong: Vec<(Rule, Mistake)>, sources: &[Source]) -> Self {
        let in_file = |source: &Source| {
            let own =
                wrong.iter().filter(|(rule, _)| (rule.layer, &rule.file) == (source.layer, &source.file));
            own.map(|(_, mistake)| mistake.clone()).collect::<Vec<_>>()
        };
        let files: HashSet<&str> = HashSet::from_iter(sources.iter().map(|source| &*source.file));
        debug_assert_eq!(files.len(), sources.len(), "a file is read once");
        let mistakes = sources.iter().map(|source| (source, in_file(source)));
        let mistakes = mistakes.filter(|(_, mistakes)| !mistakes.is_empty());
        Self(mistakes.map(|(source, of)| Mistakes::new(&source.file, POLICY, &source.text, of)).collect())
    }
}

/// A line for each mistake: where, what, and what to do.
impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut first = true;
        for (file, mistake) in self.0.iter().flat_map(|file| file.mistakes.iter().map(move |one| (file, one)))
        {
            let (line, column) = file.position(mistake);
            let separator = if std::mem::take(&mut first) { "" } else { "\n" };
            write!(f, "{separator}{}:{line}:{column}: {}", file.file(), mistake.message)?;
            if let Some(help) = &mistake.help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Wrong {}

#[cfg(test)]
mod tests;
