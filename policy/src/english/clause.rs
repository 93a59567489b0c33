//! A sentence as clauses: what comes of what, where, and what of it no rule holds.

use super::limit::Limit;
use super::phrase::{self, Meaning};
use super::place::{Around, Places, is_host};
use super::token::Token;
use crate::rule::{Effect, What};
use crate::site::Site;
use std::ops::Range;

/// One clause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clause {
    /// What comes of it, if it says so.
    pub effect: Option<Effect>,
    /// What is done.
    pub what: What,
    /// Where.
    pub sites: Vec<Site>,
    /// What no rule holds, and the words.
    pub limits: Vec<(Limit, Range<usize>)>,
    /// Something is done.
    has_verb: bool,
    /// Places of a kind, and none that was named.
    of_kind: Option<Range<usize>>,
    /// Things without a place.
    vague: Option<Range<usize>>,
    /// What lies at a place, or nowhere.
    things: Option<Range<usize>>,
    /// It is about something that a kernel sees.
    is_matter: bool,
    is_it: bool,
    said_it: Option<Range<usize>>,
    /// A program is started.
    runs: bool,
    /// A place is named from nowhere.
    bare: Option<Range<usize>>,
    /// What is done is all that can be done.
    all: Option<Range<usize>>,
    /// Words that refuse: with two of them it is not known what is meant.
    denials: usize,
    /// Something is to be left, and it is left alone.
    left: Option<Range<usize>>,
    is_alone: bool,
    /// Words that mean nothing where something is refused.
    loose: Option<Range<usize>>,
}

/// What a clause is made of.
#[derive(Clone, Debug)]
enum Symbol {
    Means(Meaning),
    Places(Places),
    Unknown,
}

/// A piece of a sentence, and its words.
struct Piece {
    symbol: Symbol,
    at: Range<usize>,
    /// A host is named in it.
    host: bool,
}

impl Piece {
    fn is_places(&self) -> bool {
        matches!(self.symbol, Symbol::Places(_))
    }

    fn says_what_comes(&self) -> bool {
        let Symbol::Means(meaning) = self.symbol else { return false };
        matches!(
            meaning,
            Meaning::Deny
                | Meaning::Allow
                | Meaning::Tell
                | Meaning::Ask
                | Meaning::Shut
                | Meaning::Only
                | Meaning::Condition(_)
        )
    }

    fn means(&self, meaning: Meaning) -> bool {
        matches!(self.symbol, Symbol::Means(of) if of == meaning)
    }
}

/// The clauses of a sentence.
pub fn clauses(tokens: &[Token], around: Around<'_>) -> Vec<Clause> {
    let pieces = pieces(tokens, around);
    let mut all = vec![Clause::default()];
    let mut is_but = false;
    let asks = tokens.iter().any(|token| token.asks);
    for (nth, piece) in pieces.iter().enumerate() {
        let Some(last) = all.last_mut() else { break };
        if last.is_ended_by(piece, is_but) {
            let next = last.next(piece);
            all.push(next);
        }
        is_but = piece.means(Meaning::But);
        let mut after = pieces.get(nth + 1..).unwrap_or_default().iter();
        let after = after.find(|piece| !piece.means(Meaning::Filler) && !piece.means(Meaning::Loose));
        if is_but
            && !after.is_some_and(Piece::says_what_comes)
            && let Some(last) = all.last_mut()
        {
            // All but this.
            last.limit(Limit::Except, &piece.at);
        }
        let next = pieces.get(nth + 1);
        if let Some(last) = all.last_mut() {
            last.take(piece, nth.checked_sub(1).and_then(|before| pieces.get(before)), next);
        }
    }
    let mut before = Clause::default();
    for clause in &mut all {
        if clause.is_it && clause.sites.is_empty() {
            clause.sites.clone_from(&before.sites);
            clause.of_kind.clone_from(&before.of_kind);
            clause.things.clone_from(&before.things);
            clause.bare.clone_from(&before.bare);
            clause.is_matter |= !before.sites.is_empty();
        } else if let Some(at) = clause.said_it.clone() {
            clause.limit(Limit::Unknown, &at);
        }
        before = clause.clone();
        clause.finish();
        if asks && let Some(token) = tokens.last() {
            clause.limits.push((Limit::Unknown, token.at.clone()));
        }
    }
    all
}

fn pieces(tokens: &[Token], around: Around<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(rest) = tokens.get(at..).filter(|rest| !rest.is_empty()) {
        let (symbol, mut count) = if let Some((places, count)) = around.places(rest) {
            (Symbol::Places(places), count)
        } else if let Some((meaning, count)) = phrase::at(rest) {
            (Symbol::Means(meaning), count)
        } else {
            (Symbol::Unknown, 1)
        };
        let mut host = false;
        if matches!(symbol, Symbol::Means(Meaning::Condition(_))) {
            // What belongs to a condition is not looked at: it ends at a comma, or with the sentence.
            while rest.get(count).is_some() && !rest.get(count - 1).is_some_and(|token| token.comma) {
                count += 1;
            }
            let names = rest.get(..count).unwrap_or_default().iter().filter_map(Token::name);
            host = names.into_iter().any(is_host);
        }
        let (start, end) = (rest.first(), rest.get(count - 1));
        let at_bytes = start.map_or(0, |token| token.at.start)..end.map_or(0, |token| token.at.end);
        pieces.push(Piece { symbol, at: at_bytes, host });
        at += count;
    }
    pieces
}

impl Clause {
    /// Whether a piece begins another clause: it says again what comes of something, or what is done elsewhere.
    fn is_ended_by(&self, piece: &Piece, is_but: bool) -> bool {
        let Symbol::Means(meaning) = piece.symbol else { return false };
        let is_whole = self.effect.is_some() && self.has_verb && !self.sites.is_empty();
        match meaning {
            Meaning::Deny | Meaning::Allow | Meaning::Tell | Meaning::Ask | Meaning::Shut => {
                is_whole || is_but && self.has_verb
            }
            Meaning::Leave => is_whole || is_but && self.has_verb,
            Meaning::Verb(_) | Meaning::All | Meaning::Part(..) => is_whole,
            _ => false,
        }
    }

    /// The next clause: it means the same where it does not say otherwise.
    fn next(&self, piece: &Piece) -> Self {
        let says =
            !matches!(piece.symbol, Symbol::Means(Meaning::Verb(_) | Meaning::All | Meaning::Part(..)));
        let limits =
            self.limits.iter().filter(|(limit, _)| matches!(limit, Limit::Agent | Limit::Task | Limit::Ask));
        Self { effect: self.effect.filter(|_| !says), limits: limits.cloned().collect(), ..Self::default() }
    }

    fn limit(&mut self, limit: Limit, at: &Range<usize>) {
        self.limits.push((limit, at.clone()));
    }

    fn take(&mut self, piece: &Piece, before: Option<&Piece>, next: Option<&Piece>) {
        let at = &piece.at;
        match &piece.symbol {
            Symbol::Unknown => self.limit(Limit::Unknown, at),
            Symbol::Places(places) => self.place(places, at),
            Symbol::Means(meaning) => match *meaning {
                Meaning::Deny => self.denies(at),
                Meaning::Shut => {
                    self.denies(at);
                    self.does(What::EVERYTHING);
                }
                Meaning::Leave => {
                    self.denies(at);
                    self.does(What::EVERYTHING);
                    self.left = Some(at.clone());
                }
                Meaning::Alone => self.is_alone = true,
                Meaning::All => {
                    self.all = Some(at.clone());
                    self.does(What::EVERYTHING);
                }
                // What was refused before is not opened by it: "do not let agents".
                Meaning::Allow => self.effect = self.effect.or(Some(Effect::Allow)),
                Meaning::Tell => self.effect = self.effect.or(Some(Effect::Watch)),
                Meaning::Ask => {
                    self.effect = Some(Effect::Deny);
                    self.limit(Limit::Ask, at);
                }
                Meaning::Verb(what) => self.does(what),
                Meaning::Part(what, limit) => {
                    self.does(what);
                    self.limit(limit, at);
                    self.is_matter |= !matches!(limit, Limit::Narrower);
                    self.runs |= limit == Limit::Program;
                }
                Meaning::Beyond(limit) => {
                    self.limit(limit, at);
                    self.is_matter |= !matches!(limit, Limit::Agent | Limit::Time);
                }
                Meaning::ReadOnly => {
                    self.denies(at);
                    self.does(What::CHANGE);
                }
                Meaning::OffLimits => {
                    self.denies(at);
                    if !self.has_verb {
                        self.does(What::EVERYTHING);
                    }
                }
                Meaning::Only => {
                    self.limit(Limit::Only, at);
                    let reads = next.is_some_and(
                        |next| matches!(next.symbol, Symbol::Means(Meaning::Verb(what)) if what == What::READ),
                    );
                    // What may only be read may not be changed.
                    self.effect =
                        if reads { Some(Effect::Deny) } else { self.effect.or(Some(Effect::Allow)) };
                    self.what |= if reads { What::CHANGE } else { What::empty() };
                }
                Meaning::Condition(limit) => {
                    // "for a host" is no task.
                    self.limit(if piece.host && limit == Limit::Task { Limit::Host } else { limit }, at);
                    self.is_matter |= matches!(limit, Limit::Prior) || piece.host;
                }
                Meaning::It => {
                    self.is_it = true;
                    self.said_it = Some(at.clone());
                }
                Meaning::Vague => self.vague = Some(at.clone()),
                // "~/a or files" are others than those of the place.
                Meaning::Thing if before.is_some_and(|before| before.means(Meaning::And)) => {
                    self.vague = Some(at.clone())
                }
                Meaning::Thing => self.things = Some(at.clone()),
                // A name in a place is none that a rule has.
                Meaning::In
                    if before.is_some_and(Piece::is_places)
                        && (next.is_some_and(Piece::is_places) || self.effect == Some(Effect::Allow)) =>
                {
                    self.limit(Limit::Scope, at);
                }
                Meaning::Loose => self.loose = Some(at.clone()),
                Meaning::And | Meaning::But | Meaning::Filler | Meaning::In => {}
            },
        }
    }

    fn denies(&mut self, at: &Range<usize>) {
        self.denials += 1;
        // What is refused twice, or opened and refused, may mean either.
        if self.denials > 1 || self.effect == Some(Effect::Allow) {
            self.limit(Limit::Unknown, at);
        }
        self.effect = Some(Effect::Deny);
    }

    fn does(&mut self, what: What) {
        // `only read`: what is said is what may be done.
        let only_reads =
            self.limits.iter().any(|(limit, _)| *limit == Limit::Only) && self.what == What::CHANGE;
        if !only_reads {
            self.what |= what;
        }
        self.has_verb = true;
    }

    fn place(&mut self, places: &Places, at: &Range<usize>) {
        match places {
            Places::Named(sites) => self.sites.extend(sites.iter().cloned()),
            Places::Kind(sites) => {
                self.of_kind = Some(at.clone());
                self.sites.extend(sites.iter().cloned());
            }
            Places::Bare(sites) => {
                self.bare = Some(at.clone());
                self.sites.extend(sites.iter().cloned());
            }
            Places::Some(sites) => {
                self.sites.extend(sites.iter().cloned());
                self.limit(Limit::Scope, at);
            }
            Places::Host => self.limit(Limit::Host, at),
            Places::Command => self.limit(Limit::Argument, at),
            Places::Unknown => self.limit(Limit::Unknown, at),
        }
        self.is_matter |= !matches!(places, Places::Unknown | Places::Command);
    }

    /// What is known when everything was heard.
    fn finish(&mut self) {
        let limits = |of: &Self, all: &[Limit]| of.limits.iter().any(|(limit, _)| all.contains(limit));
        let opens = self.effect == Some(Effect::Allow);
        let nowhere = self.things.clone().filter(|_| self.sites.is_empty());
        // Of what lies somewhere, and nobody says where.
        if let Some(at) = self.vague.clone().or(nowhere).filter(|_| self.has_verb && self.effect.is_some()) {
            self.limit(Limit::Scope, &at);
            self.is_matter = true;
        }
        // What is opened is named place by place, in words that leave nothing open.
        let unnamed = self.of_kind.clone().or(self.things.clone()).or(self.bare.clone());
        if let Some(at) = unnamed.filter(|_| opens) {
            self.limit(Limit::Scope, &at);
        }
        if let Some(at) = self.loose.clone().or(self.all.clone()).filter(|_| opens) {
            self.limit(Limit::Unknown, &at);
        }
        if let Some(at) = self.left.clone().filter(|_| !self.is_alone) {
            self.limit(Limit::Unknown, &at);
        }
        // Nobody listens at what is named from nowhere: it is somewhere on the network.
        let connects = self.what.intersects(What::CONNECT | What::LISTEN) && self.what != What::EVERYTHING;
        if let Some(at) = self.bare.clone().filter(|_| connects) {
            self.limit(Limit::Host, &at);
        }
        // A program with words behind it is told something.
        let told = self.limits.iter().find(|(limit, _)| self.runs && *limit == Limit::Unknown).cloned();
        if let Some((_, at)) = told {
            self.limit(Limit::Argument, &at);
        }
        let narrows = [Limit::Only, Limit::Program, Limit::Host, Limit::Task];
        if self.effect == Some(Effect::Allow) && limits(self, &narrows) && !limits(self, &[Limit::Lend]) {
            let at = self.limits.iter().find(|(limit, _)| narrows.contains(limit)).map(|(_, at)| at.clone());
            self.limits.extend(at.map(|at| (Limit::Lend, at)));
        }
        let says =
            self.effect.is_some() || limits(self, &[Limit::Count, Limit::Scope, Limit::Only, Limit::Prior]);
        self.is_matter &= says;
    }

    /// Whether a kernel has to do with it.
    pub fn is_matter(&self) -> bool {
        self.is_matter
    }

    /// What it comes to as a rule, whatever no rule holds of it: for what is refused, that is no less.
    pub fn rule(&self) -> Option<(Effect, What, Vec<Site>)> {
        let effect = self.effect?;
        let is_whole = self.has_verb && !self.what.is_empty() && !self.sites.is_empty();
        is_whole.then(|| {
            let mut sites: Vec<Site> = Vec::new();
            for site in &self.sites {
                if !sites.contains(site) {
                    sites.push(site.clone());
                }
            }
            (effect, self.what, sites)
        })
    }
}
