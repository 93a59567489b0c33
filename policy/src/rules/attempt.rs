//! What shows that a rule holds: an operation at one of its places that must be refused, and one beside it that must not be.

use super::Rules;
use crate::rule::{Effect, Row, What};
use crate::site::Site;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A place in a throw-away world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// A file below the home.
    Home(String),
    /// A file below the workspace.
    Workspace(String),
    /// A socket below the home, at which somebody listens.
    Socket(String),
    /// A file of this machine's own, which is as it is.
    Machine(String),
    /// A socket of this machine's own.
    MachineSocket(String),
    /// An address.
    Address(IpAddr),
}

/// The place, for people.
impl std::fmt::Display for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ground::Home(path) | Ground::Socket(path) => write!(f, "`~/{path}`"),
            Ground::Workspace(path) => write!(f, "`{path}` in the workspace"),
            Ground::Machine(path) | Ground::MachineSocket(path) => write!(f, "`{path}`"),
            Ground::Address(address) => write!(f, "`{address}`"),
        }
    }
}

/// What is tried there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// It is opened for reading.
    Read,
    /// It is opened for writing.
    Change,
    /// A socket is connected to it.
    Connect,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The rule.
    pub rule: String,
    /// Its place, in words.
    pub site: String,
    /// What is tried.
    pub deed: Deed,
    /// Where.
    pub ground: Ground,
    /// Whether it must be refused; the others lie beside.
    pub refused: bool,
}

/// What makes a name one that no rule closes.
const BESIDE: &str = "wardline-beside";
/// A directory that no rule knows.
const ELSEWHERE: &str = "elsewhere";

impl Deed {
    /// What it asks for.
    fn what(self) -> What {
        match self {
            Deed::Read => What::READ,
            Deed::Change => What::CHANGE | What::WRITE,
            Deed::Connect => What::CONNECT,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Deed::Read => "read",
            Deed::Change => "change",
            Deed::Connect => "connect",
        }
    }
}

impl Rules {
    /// What shows that these rules hold, and close no more than they say. What lies in the runtime directory, and what a
    /// variable names, is not tried.
    pub fn attempts(&self) -> Vec<Attempt> {
        // A path that another one leads through is a directory.
        let homes = self.policy().rows().filter_map(|row| match row.site {
            Site::Home(path) => Some(&**path),
            _ => None,
        });
        let above: BTreeSet<&str> = homes.flat_map(ancestors).collect();
        let mut all = Vec::new();
        let mut beside = BTreeSet::new();
        for refusal in self.refusals() {
            let is_socket = refusal.row.rule.what == What::CONNECT;
            let Some(ground) = ground(refusal.row.site, is_socket, &above) else { continue };
            for deed in [Deed::Read, Deed::Change, Deed::Connect] {
                let is_lent = deed == Deed::Read && self.lent_at(refusal.row.site).is_some();
                if refusal.what.intersects(deed.what()) && fits(deed, &ground) && !is_lent {
                    all.push(attempt(refusal.row, deed, ground.clone(), true));
                }
                let Some(near) = neighbour(&ground).filter(|near| fits(deed, near)) else { continue };
                if !self.is_closed(&near, deed) && beside.insert((&*refusal.row.rule.id, near.clone(), deed))
                {
                    all.push(attempt(refusal.row, deed, near, false));
                }
            }
        }
        // What was opened or lent is open.
        for rule in self.own().filter(|rule| matches!(rule.effect, Effect::Allow | Effect::Lend)) {
            for site in &rule.sites {
                let Some(ground) = ground(site, false, &above) else { continue };
                let deeds =
                    [Deed::Read, Deed::Change].into_iter().filter(|deed| rule.what.intersects(deed.what()));
                let is_open = |deed| rule.effect == Effect::Lend || !self.is_closed(&ground, deed);
                let open = deeds.filter(|deed| fits(*deed, &ground) && is_open(*deed));
                all.extend(open.map(|deed| attempt(Row { rule, site }, deed, ground.clone(), false)));
            }
        }
        all
    }

    fn is_closed(&self, ground: &Ground, deed: Deed) -> bool {
        let site = match ground {
            Ground::Home(path) | Ground::Socket(path) => Site::Home(path.clone()),
            Ground::Workspace(path) => Site::Workspace(path.clone()),
            Ground::Machine(path) | Ground::MachineSocket(path) => Site::System(path.clone()),
            Ground::Address(address) => Site::Address(*address),
        };
        let met = self.policy().meetings_with(&site);
        let denied = met.iter().filter(|met| met.row.rule.effect == Effect::Deny);
        denied.into_iter().any(|met| self.left_at(met, &site).intersects(deed.what()))
    }
}

fn attempt(row: Row<'_>, deed: Deed, ground: Ground, refused: bool) -> Attempt {
    Attempt { rule: row.rule.id.clone(), site: row.site.to_string(), deed, ground, refused }
}

/// The directories that a path leads through.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(move |(at, _)| path.get(..at))
}

/// Whether an operation means something there.
fn fits(deed: Deed, ground: &Ground) -> bool {
    let connects = matches!(ground, Ground::Address(_) | Ground::Socket(_) | Ground::MachineSocket(_));
    (deed == Deed::Connect) == connects
}

fn ground(site: &Site, is_socket: bool, above: &BTreeSet<&str>) -> Option<Ground> {
    Some(match site {
        Site::Home(path) if is_socket => Ground::Socket(path.clone()),
        Site::System(path) if is_socket => Ground::MachineSocket(path.clone()),
        Site::Home(path) if above.contains(&**path) => Ground::Home(format!("{path}/x")),
        Site::Home(path) => Ground::Home(path.clone()),
        Site::Workspace(path) => Ground::Workspace(path.clone()),
        Site::NameIn(directory, name) => Ground::Workspace(format!("{directory}/{name}")),
        Site::Name(name) => Ground::Home(format!("{ELSEWHERE}/{name}")),
        Site::Pattern(pattern) => {
            let between = if pattern.open { "some" } else { "" };
            Ground::Home(format!("{ELSEWHERE}/{}{between}{}", pattern.prefix, pattern.suffix))
        }
        Site::Repository(path) => Ground::Home(format!("{ELSEWHERE}/{path}")),
        Site::System(path) => Ground::Machine(path.clone()),
        Site::Address(address) => Ground::Address(*address),
        Site::Runtime(_) | Site::Variable(_) | Site::Host(_) => return None,
    })
}

/// Another file in the same directory.
fn neighbour(ground: &Ground) -> Option<Ground> {
    let beside = |path: &str| match path.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{BESIDE}"),
        None => BESIDE.to_owned(),
    };
    match ground {
        Ground::Home(path) => Some(Ground::Home(beside(path))),
        Ground::Workspace(path) => Some(Ground::Workspace(beside(path))),
        Ground::Socket(path) => Some(Ground::Socket(beside(path) + ".sock")),
        Ground::Machine(_) | Ground::MachineSocket(_) | Ground::Address(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_closes_files_is_tried_and_what_lies_beside_too() {
        let rules = Rules::default();
        let attempts = rules.attempts();
        for rule in rules.policy().rules().iter().filter(|rule| rule.effect == Effect::Deny) {
            let is_tried = attempts.iter().any(|attempt| attempt.rule == rule.id && attempt.refused);
            assert_eq!(is_tried, rule.id != "named-sockets", "{}", rule.id);
        }
        let of = |ground: &Ground| attempts.iter().filter(|of| of.ground == *ground).collect::<Vec<_>>();
        let netrc = of(&Ground::Home(".netrc".into()));
        assert!(netrc.iter().all(|of| of.refused) && netrc.len() == 2, "{netrc:?}");
        let beside = of(&Ground::Home(BESIDE.into()));
        assert!(beside.iter().all(|of| !of.refused) && beside.len() > 2, "{beside:?}");
        // One place does not claim another.
        for attempt in attempts.iter().filter(|attempt| !attempt.refused) {
            assert!(!rules.is_closed(&attempt.ground, attempt.deed), "{attempt:?}");
        }
    }
}
