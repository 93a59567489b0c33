//! Where a rule in a file holds.

use super::reader::{MAX_SITES, Reader, Value, not_yet};
use crate::mistake::Mistake;
use crate::rule::{Effect, Layer};
use crate::site::{Site, site};
use agents::Agent;
use std::ops::Range;

const SITES: [&str; 18] = [
    "workspace",
    "home",
    "config",
    "data",
    "state",
    "cache",
    "root",
    "runtime",
    "name",
    "named",
    "pattern",
    "repository",
    "variable",
    "address",
    "abstract",
    "host",
    "program",
    OF_AGENTS,
];
/// What every known agent has of that word in its file.
const OF_AGENTS: &str = "of-agents";
const LATER_SITES: [&str; 2] = ["abstract", "program"];
/// Places that are the same for every user: the kernel side has one deny-list for all sessions.
pub(crate) const FOR_ALL_SITES: [&str; 3] = ["name", "named", "address"];
/// Places of files that may be lent: below the home.
const LENT_SITES: [&str; 5] = ["home", "config", "data", "state", "cache"];
/// Places that can be closed to some sessions alone: those of files with a path of their own.
const SOME_SESSIONS_SITES: [&str; 7] = ["workspace", "home", "config", "data", "state", "cache", "root"];
/// Places of files whose changes and reads are told by their paths.
pub(crate) const WATCHED_SITES: [&str; 8] =
    ["workspace", "repository", "home", "config", "data", "state", "cache", "root"];

/// The places that a rule has.
pub(super) fn sites(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    effect: Option<Effect>,
    of_some: bool,
) -> Option<Vec<Site>> {
    let Some(table) = value.get_ref().as_table() else {
        let mistake = Mistake::new("`where` has a key for each kind of place", value.span());
        reader.wrong(mistake.help("for example `where.home = [\".ssh\"]`"));
        return None;
    };
    reader.known("kind of place", table, &SITES, &LATER_SITES);
    let mut kinds: Vec<_> = table.iter().collect();
    // As they stand in the file.
    kinds.sort_by_key(|(key, _)| key.span().start);
    let (mut sites, wrong_before) = (Vec::new(), reader.mistakes.len());
    for (key, value) in kinds {
        let kind: &str = key.get_ref();
        if !SITES.contains(&kind) || LATER_SITES.contains(&kind) {
            continue;
        }
        if reader.layer == Layer::User && effect == Some(Effect::Deny) && FOR_ALL_SITES.contains(&kind) {
            let mistake =
                Mistake::new(format!("`{kind}` would hold in other users' sessions, too"), key.span());
            reader.wrong(mistake.help("root may put such a rule into `/etc/wardline/policy.d`"));
        }
        if reader.layer == Layer::Repository && kind != "workspace" {
            let mistake = Mistake::new(format!("`{kind}` is not the repository's"), key.span());
            reader.wrong(mistake.help("a repository's rules are about what lies in it: `where.workspace`"));
        }
        if kind == OF_AGENTS && reader.layer != Layer::Shipped {
            reader.wrong(Mistake::new("only a rule that Wardline brings along has this", key.span()));
            continue;
        }
        if of_some && effect == Some(Effect::Deny) && !SOME_SESSIONS_SITES.contains(&kind) {
            let mistake = Mistake::new(format!("`{kind}` would be closed to all sessions"), key.span());
            reader.wrong(mistake.help("a path can be closed to some agents, or during some tasks, alone"));
        }
        if effect == Some(Effect::Watch) && kind != OF_AGENTS && !WATCHED_SITES.contains(&kind) {
            reader.wrong(not_yet(&format!("watch` of `{kind}"), key.span()));
        }
        if effect == Some(Effect::Lend) && !LENT_SITES.contains(&kind) {
            reader.wrong(not_yet(&format!("lend` of `{kind}"), key.span()));
        }
        if kind == "host" && effect.is_some_and(|effect| effect != Effect::Allow) {
            let mistake = Mistake::new("a host's name closes nothing", key.span());
            reader.wrong(mistake.help("`allow` names hosts that stay open to who was lent a credential"));
        }
        for value in reader.list(value) {
            let Some(text) = reader.text(value) else { continue };
            if kind == OF_AGENTS {
                sites.extend(of_agents(reader, &text, effect, value.span()));
                continue;
            }
            match site(kind, &text) {
                Ok(site) => sites.push(site),
                Err(why) => reader.wrong(Mistake::new(why, value.span())),
            }
        }
    }
    // Where each of its places is a mistake, that is said.
    if sites.is_empty() && reader.mistakes.len() == wrong_before {
        reader.wrong(Mistake::new("the rule holds nowhere", value.span()));
    }
    (!sites.is_empty() && sites.len() <= MAX_SITES).then_some(sites)
}

/// The places of a word in the files of agents.
fn of_agents(reader: &mut Reader<'_>, word: &str, effect: Option<Effect>, at: Range<usize>) -> Vec<Site> {
    let mut sites = Vec::new();
    for agent in Agent::all() {
        let places = agent.places.get(word).into_iter().flatten();
        for (kind, text) in places.flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text))) {
            if effect == Some(Effect::Watch) && !WATCHED_SITES.contains(&kind.as_str()) {
                reader.wrong(not_yet(&format!("watch` of `{kind}"), at.clone()));
            }
            match site(kind, text) {
                Ok(site) => sites.push(site),
                Err(why) => {
                    reader.wrong(Mistake::new(format!("`{text}` of `{}`: {why}", agent.name), at.clone()));
                }
            }
        }
    }
    if sites.is_empty() {
        reader.wrong(Mistake::new(format!("no agent has places called `{word}`"), at));
    }
    sites
}
