//! Rules in plain English. A fixed grammar: the same words give the same rule, and nothing is guessed. What it says of a rule
//! ([`say`]) it understands again ([`read`]).
//!
//! What people say is heard sentence by sentence ([`hear`]). A sentence is a rule when each of its words was understood and
//! the rules can hold all of it. Of any other it is said which words no rule holds, why, and which rule comes near: one
//! that opens nothing, or none.

mod clause;
mod limit;
mod phrase;
mod place;
mod read;
mod token;
mod voice;

pub use limit::Limit;
pub use phrase::nearest as word_like;
pub use read::read;
pub use token::MAX_BYTES as MAX_HEARD;
pub use voice::{say, sentence};

use crate::policy::edit::Said;
use crate::policy::read::reader::{MAX_SITES, MAX_TEXT};
use crate::policy::read::sites::{FOR_ALL_SITES, WATCHED_SITES};
use crate::rule::{Effect, Layer, What};
use crate::rules::Rules;
use crate::site::{Pattern, Site};
use clause::{Clause, clauses};
use place::Around;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use token::Token;

/// Sentences that are heard at once.
const MAX_SENTENCES: usize = 100;

/// What can be told of.
const WATCHED: What = What::READ.union(What::WRITE).union(What::CHANGE);

/// What came of a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The sentence.
    pub text: String,
    /// The rules that it says.
    pub rules: Vec<Said>,
    /// Rules that hold it already.
    pub held: Vec<String>,
    /// What it opens, no rule closes.
    pub is_open: bool,
    /// Which of its words no rule holds, and why.
    pub limits: Vec<(Limit, String)>,
    /// What comes near, in sentences that are understood.
    pub nearest: Vec<String>,
    /// It is about something that a kernel sees.
    pub is_matter: bool,
}

impl Heard {
    /// Whether all of it was understood, and holds or would hold.
    pub fn is_understood(&self) -> bool {
        self.is_matter && self.limits.is_empty()
    }
}

/// For whom something is heard.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// The rules that there are.
    pub rules: &'a Rules,
    /// Which rules are to come upon them.
    pub layer: Layer,
    /// The user's home.
    pub home: &'a Path,
}

/// What the sentences of a text come to.
pub fn hear(text: &str, listener: Listener<'_>) -> Vec<Heard> {
    let mut end = text.len().min(MAX_HEARD);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let heard = text.get(..end).unwrap_or_default();
    let mut all: Vec<Heard> = token::sentences(heard)
        .iter()
        .take(MAX_SENTENCES)
        .map(|tokens| listener.sentence(heard, tokens))
        .collect();
    if end < text.len() {
        let limits = vec![(Limit::Unknown, format!("what comes after {MAX_HEARD} bytes"))];
        all.push(Heard { limits, ..Heard::default() });
    }
    all
}

impl Listener<'_> {
    fn sentence(&self, text: &str, tokens: &[Token]) -> Heard {
        let around = Around { policy: self.rules.policy(), home: self.home };
        let words = |at: &Range<usize>| {
            text.get(at.clone()).unwrap_or_default().trim_end_matches(['.', ',', ';', '!', '?'])
        };
        let whole = span(tokens).map_or("", |at| text.get(at).unwrap_or_default());
        let (said, why) = without_why(tokens);
        let mut all = clauses(said, around);
        let mut heard = Heard { text: whole.to_owned(), ..Heard::default() };
        let opens = all.iter().any(|clause| clause.effect == Some(Effect::Allow));
        if let (Some(tail), Some(last)) = (why, all.last_mut())
            && let Some(at) = span(tail).filter(|_| opens || !phrase::is_plain(tail))
        {
            // A reason may hold a condition, which takes back what is opened, or another sentence.
            last.limits.push((Limit::Unknown, at));
        }
        let why = why
            .and_then(span)
            .and_then(|at| text.get(at))
            .map(|why| why.trim_end_matches(['.', ';', '!', '?']));
        heard.is_matter = all.iter().any(Clause::is_matter);
        for clause in &all {
            heard.limits.extend(clause.limits.iter().map(|(limit, at)| (*limit, words(at).to_owned())));
        }
        let reason =
            why.map_or_else(|| format!("said as: {}", words(&(span(tokens).unwrap_or(0..0)))), str::to_owned);
        for clause in &all {
            self.clause(clause, &reason, &mut heard);
        }
        let mut seen = HashSet::new();
        heard.limits.retain(|limit| seen.insert(limit.clone()));
        if !heard.limits.is_empty() || !heard.is_matter {
            heard.nearest = if heard.is_matter { self.nearest(&heard) } else { Vec::new() };
            heard.rules.clear();
        }
        heard
    }

    fn clause(&self, clause: &Clause, why: &str, heard: &mut Heard) {
        let Some((effect, what, sites)) = clause.rule() else {
            if heard.limits.is_empty() && heard.is_matter {
                heard.limits.push((Limit::Unknown, heard.text.clone()));
            }
            return;
        };
        if sites.len() > MAX_SITES {
            heard.limits.push((Limit::Unknown, heard.text.clone()));
            return;
        }
        let why = if why.len() <= MAX_TEXT { why } else { "said with `wardline policy say`" };
        let why = why.replace(char::is_control, " ");
        let (hosts, agents, tasks) = Default::default();
        let mut said = Said { sites, what, effect, hosts, agents, tasks, why };
        match effect {
            Effect::Deny => said.sites.retain(|site| {
                let holding = self.rules.holding(site, what);
                heard.held.extend(holding.iter().map(|rule| rule.id.clone()));
                holding.is_empty()
            }),
            Effect::Allow => {
                said.sites.retain(|site| self.rules.refused_at(site).intersects(what));
                heard.is_open |= said.sites.is_empty();
            }
            Effect::Watch | Effect::Lend => {}
        }
        heard.held.dedup();
        for site in &said.sites {
            let (kind, text) = site.key();
            let closed = self.closed(&said, site);
            let limit = match effect {
                Effect::Deny | Effect::Watch if kind == "host" => Limit::Host,
                Effect::Deny if self.layer == Layer::User && FOR_ALL_SITES.contains(&kind) => Limit::Everyone,
                Effect::Watch if !WATCHED_SITES.contains(&kind) || !WATCHED.contains(what) => Limit::Unheld,
                Effect::Allow if closed.is_some() => Limit::Closed,
                _ => continue,
            };
            heard.limits.push((limit, closed.unwrap_or(text)));
        }
        if !said.sites.is_empty() {
            heard.rules.push(said);
        }
    }

    /// Why a place stays closed, if it does.
    fn closed(&self, said: &Said, site: &Site) -> Option<String> {
        let rule = Said { sites: vec![site.clone()], ..said.clone() }.rule(self.layer);
        self.rules.would_not_hold(&rule).map(|mistake| mistake.message)
    }

    /// What comes near to what was said, of what rules can hold. It opens nothing. None where words are not known that may turn
    /// its meaning round.
    fn nearest(&self, heard: &Heard) -> Vec<String> {
        let has = |of| heard.limits.iter().any(|(limit, _)| *limit == of);
        if has(Limit::Unknown) && !has(Limit::Flow) {
            return Vec::new();
        }
        let tightening = heard.rules.iter().filter(|said| said.effect != Effect::Allow);
        let of_user = |site: &Site| match site {
            Site::Name(name) if self.layer == Layer::User => Pattern::new(name).map(Site::Pattern),
            site if self.layer == Layer::User && FOR_ALL_SITES.contains(&site.key().0) => None,
            site => Some(site.clone()),
        };
        let sentences = tightening.filter_map(|said| {
            let sites: Vec<Site> = said.sites.iter().filter_map(of_user).collect();
            (!sites.is_empty()).then(|| sentence(said.effect, said.what, &sites))
        });
        sentences.collect()
    }
}

/// Where some tokens stand.
fn span(tokens: &[Token]) -> Option<Range<usize>> {
    Some(tokens.first()?.at.start..tokens.last()?.at.end)
}

/// A sentence without what it gives as its reason, and that.
fn without_why(tokens: &[Token]) -> (&[Token], Option<&[Token]>) {
    const BEFORE: usize = 2;
    let opens = tokens.iter().position(|token| matches!(token.word(), Some("because" | "since")));
    match opens.filter(|at| *at >= BEFORE && *at + 1 < tokens.len()) {
        Some(at) => (tokens.get(..at).unwrap_or_default(), tokens.get(at + 1..)),
        None => (tokens, None),
    }
}

#[cfg(test)]
mod tests;
