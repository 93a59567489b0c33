//! Rules from TOML. Every key and word that is not known is a mistake with its place, and so is what is known and cannot be
//! enforced: nothing is passed over.

pub(crate) mod reader;
pub(crate) mod sites;

use crate::day::Day;
use crate::mistake::{Mistake, Mistakes, POLICY};
use crate::name::is_name;
use crate::policy::Policy;
use crate::rule::{Effect, Harmless, Kind, Layer, Rule, Walk, What};
use crate::site::host;
use reader::{Reader, Value, not_yet};
use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;
use toml::de::DeTable;

/// Larger files are no policy.
pub const MAX_BYTES: usize = 1 << 20;
/// Larger files of a repository are none: somebody reads all of it before it counts.
pub const MAX_BYTES_OF_REPOSITORY: usize = 1 << 16;
/// Rules of one file.
const MAX_RULES: usize = 10_000;
/// Places of a repository's rules.
const MAX_ROWS_OF_REPOSITORY: usize = 100;

/// What may stand in a rule.
const KEYS: [&str; 19] = [
    "id", "is", "where", "what", "effect", "why", "source", "final", "kind", "routine", "unless", "walk",
    "names", "replaced", "empty", "hosts", "agents", "tasks", "expires",
];
const EFFECTS: [&str; 5] = ["deny", "allow", "watch", "lend", "ask"];
const LATER_EFFECTS: [&str; 1] = ["ask"];
/// Hosts that one credential is for.
const MAX_HOSTS: usize = 16;

/// What says how Wardline itself treats a place.
const SHIPPED_KEYS: [&str; 5] = ["kind", "routine", "names", "replaced", "empty"];
/// Agents, or tasks, that one rule is for.
const MAX_NAMES: usize = 64;

impl Policy {
    /// The rules in a file of a layer; `file` is its name, for people.
    pub fn read(layer: Layer, file: &str, text: &str) -> Result<Policy, Mistakes> {
        let mut reader = Reader { layer, file, mistakes: Vec::new() };
        let max = if layer == Layer::Repository { MAX_BYTES_OF_REPOSITORY } else { MAX_BYTES };
        if text.len() > max {
            reader.wrong(Mistake::new(format!("the file has more than {max} bytes"), 0..0));
            return Err(Mistakes::new(file, POLICY, "", reader.mistakes));
        }
        let policy = policy(&mut reader, text);
        match policy {
            Some(policy) if reader.mistakes.is_empty() => Ok(policy),
            _ => Err(Mistakes::new(file, POLICY, text, reader.mistakes)),
        }
    }
}

fn policy(reader: &mut Reader<'_>, text: &str) -> Option<Policy> {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(e) => {
            let at = e.span().unwrap_or(0..0);
            reader.wrong(Mistake::new(format!("this is no TOML: {}", e.message()), at));
            return None;
        }
    };
    let mut policy = Policy::default();
    let mut ids = HashSet::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() != "rule" {
            let word: &str = key.get_ref();
            reader.wrong(Mistake::unknown("part of a policy", word, &["rule"], key.span()));
            continue;
        }
        let Some(rules) = value.get_ref().as_array() else {
            reader.wrong(Mistake::new("rules begin with `[[rule]]`", value.span()));
            continue;
        };
        if rules.len() > MAX_RULES {
            reader.wrong(Mistake::new(format!("a file has at most {MAX_RULES} rules"), value.span()));
            continue;
        }
        for rule in rules {
            let at = rule.span();
            if let Some(rule) = self::rule(reader, rule) {
                if !ids.insert(rule.id.clone()) {
                    reader.wrong(Mistake::new(format!("there are two rules `{}`", rule.id), at));
                }
                policy.rules.push(rule);
            }
        }
    }
    if reader.layer == Layer::Repository && policy.rows().count() > MAX_ROWS_OF_REPOSITORY {
        let message = format!("a repository's rules have at most {MAX_ROWS_OF_REPOSITORY} places");
        reader.wrong(Mistake::new(message, 0..0));
    }
    Some(policy)
}

fn rule(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Rule> {
    let Some(table) = value.get_ref().as_table() else {
        reader.wrong(Mistake::new("a rule is a table: `[[rule]]`", value.span()));
        return None;
    };
    reader.known("key of a rule", table, &KEYS, &[]);
    if reader.layer != Layer::Shipped {
        for key in table.keys().filter(|key| SHIPPED_KEYS.contains(&key.get_ref().as_ref())) {
            reader.wrong(Mistake::new("only a rule that Wardline brings along has this", key.span()));
        }
    }
    let get = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
    let text = |reader: &mut Reader<'_>, name: &str| get(name).and_then(|value| reader.text(value));
    let id = text(reader, "id").filter(|id| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = !id.is_empty() && id.bytes().all(fits);
        if let (false, Some(at)) = (fits, get("id")) {
            reader.wrong(Mistake::new("an id has lower-case letters, digits and `-`", at.span()));
        }
        fits
    });
    let (is, why, source) = (text(reader, "is"), text(reader, "why"), text(reader, "source"));
    let effect = get("effect").and_then(|value| effect(reader, value));
    let what = get("what").and_then(|value| what(reader, value));
    let agents = get("agents").map(|value| agents(reader, value, effect)).unwrap_or_default();
    let tasks = get("tasks").map(|value| tasks(reader, value, effect)).unwrap_or_default();
    let expires = get("expires").and_then(|value| day(reader, value));
    let of_some = !agents.is_empty() || !tasks.is_empty();
    let sites = get("where").and_then(|value| sites::sites(reader, value, effect, of_some));
    let hosts = hosts(reader, get("hosts"), effect, value.span());
    if let Some(value) =
        get("what").filter(|_| effect == Some(Effect::Lend) && what.is_some_and(|what| what != What::READ))
    {
        reader.wrong(Mistake::new("what is lent is read: `what = \"read\"`", value.span()));
    }
    let is_final = get("final").is_none_or(|value| reader.bool(value));
    let routine = get("routine").is_some_and(|value| reader.bool(value));
    let is_replaced = get("replaced").is_some_and(|value| reader.bool(value));
    let is_empty = get("empty").is_some_and(|value| reader.bool(value));
    let frees_names = get("names").is_some_and(|value| reader.bool(value));
    if let Some(value) = get("names").filter(|_| effect == Some(Effect::Deny)) {
        reader.wrong(Mistake::new("only a rule that allows can leave names alone", value.span()));
    }
    let kind = get("kind").and_then(|value| reader.word(value, "kind", Kind::ALL, Kind::word));
    let harmless =
        get("unless").and_then(|value| reader.word(value, "exception", Harmless::ALL, Harmless::word));
    let walk = get("walk").and_then(|value| reader.word(value, "walk", Walk::ALL, Walk::word));
    for name in ["id", "is", "where", "what", "effect", "why"] {
        if get(name).is_none() {
            reader.wrong(Mistake::new(format!("the rule has no `{name}`"), value.span()));
        }
    }
    Some(Rule {
        id: id?,
        layer: reader.layer,
        file: reader.file.to_owned(),
        at: value.span(),
        is: is?,
        sites: sites?,
        what: what?,
        effect: effect?,
        hosts,
        agents,
        tasks,
        expires,
        why: why?,
        source,
        is_final,
        kind: kind.unwrap_or(Kind::Other),
        routine,
        harmless,
        walk: walk.unwrap_or(Walk::Whole),
        frees_names,
        is_replaced,
        is_empty,
    })
}

/// The hosts that something lent is for.
fn hosts(
    reader: &mut Reader<'_>,
    value: Option<&Value<'_>>,
    effect: Option<Effect>,
    rule: Range<usize>,
) -> Vec<String> {
    let is_lent = effect == Some(Effect::Lend);
    let Some(value) = value else {
        if is_lent {
            let mistake = Mistake::new("the rule does not say what the credential is for", rule);
            reader.wrong(mistake.help("for example `hosts = [\"registry.example.org\"]`"));
        }
        return Vec::new();
    };
    if !is_lent {
        let mistake = Mistake::new("only a rule that lends has hosts", value.span());
        reader.wrong(mistake.help("`where.host` names hosts that an `allow` leaves open"));
    }
    let mut hosts = Vec::new();
    for value in reader.list(value) {
        let Some(text) = reader.text(value) else { continue };
        match text.parse::<IpAddr>().map(|address| address.to_string()).or_else(|_| host(&text)) {
            Ok(host) => hosts.push(host),
            Err(why) => reader.wrong(Mistake::new(why, value.span())),
        }
    }
    if is_lent && (hosts.is_empty() || hosts.len() > MAX_HOSTS) {
        reader.wrong(Mistake::new(format!("a credential is for 1 to {MAX_HOSTS} hosts"), value.span()));
    }
    hosts
}

/// The agents whose sessions alone have the rule.
fn agents(reader: &mut Reader<'_>, value: &Value<'_>, effect: Option<Effect>) -> Vec<String> {
    if reader.layer == Layer::Shipped {
        reader.wrong(Mistake::new("only a rule of one's own is for some agents", value.span()));
    }
    if effect == Some(Effect::Allow) {
        // What a session of another agent closes at the same time would be closed to this one.
        let mistake = Mistake::new("what is allowed is allowed to all agents", value.span());
        reader.wrong(mistake.help("`lend` opens a credential to sessions of some agents alone"));
    }
    names(reader, value, "an agent", "agents", "for example `agents = [\"codex\"]`, as `--agent` says it")
}

/// The tasks during which alone the rule holds.
fn tasks(reader: &mut Reader<'_>, value: &Value<'_>, effect: Option<Effect>) -> Vec<String> {
    if reader.layer == Layer::Shipped {
        reader.wrong(Mistake::new("only a rule of one's own is for some tasks", value.span()));
    }
    if matches!(effect, Some(Effect::Allow | Effect::Lend)) {
        // What was read during one task is known during the next.
        let mistake = Mistake::new("what is opened is opened whatever the task", value.span());
        reader.wrong(mistake.help("`deny` and `watch` can be for some tasks"));
    }
    names(reader, value, "a task", "tasks", "for example `tasks = [\"review\"]`, as `--task` says it")
}

/// Names of agents or tasks.
fn names(reader: &mut Reader<'_>, value: &Value<'_>, of: &str, all: &str, example: &str) -> Vec<String> {
    let mut names = Vec::new();
    for value in reader.list(value) {
        let Some(text) = reader.text(value) else { continue };
        if is_name(&text) {
            names.push(text);
        } else {
            reader.wrong(Mistake::new(format!("this is no name of {of}"), value.span()).help(example));
        }
    }
    if names.is_empty() || names.len() > MAX_NAMES {
        let message = format!("a rule is for 1 to {MAX_NAMES} {all}, or for all");
        reader.wrong(Mistake::new(message, value.span()));
    }
    names
}

fn day(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Day> {
    let text = reader.text(value)?;
    let day = Day::read(&text);
    if day.is_none() {
        let mistake = Mistake::new("this is no day", value.span());
        reader.wrong(mistake.help(
            "for example `expires = \"2027-01-31\"`: the last day on which sessions begin with the rule",
        ));
    }
    day
}

fn effect(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Effect> {
    let text = reader.text(value)?;
    if LATER_EFFECTS.contains(&&*text) {
        reader.wrong(not_yet(&text, value.span()));
        return None;
    }
    let found = Effect::ALL.iter().copied().find(|effect| effect.word() == text);
    if found.is_none() {
        reader.wrong(Mistake::unknown("effect", &text, &EFFECTS, value.span()));
    }
    if reader.layer == Layer::Repository && matches!(found, Some(Effect::Allow | Effect::Lend)) {
        let mistake = Mistake::new("a repository's rules open nothing", value.span());
        reader.wrong(mistake.help("`deny` or `watch`; a user opens a place with `wardline policy allow`"));
    }
    found
}

fn what(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<What> {
    let mut all = What::empty();
    for value in reader.list(value) {
        let Some(text) = reader.text(value) else { continue };
        match What::WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, what)) => all |= *what,
            None => {
                let known = What::WORDS.map(|(word, _)| word);
                reader.wrong(Mistake::unknown("operation", &text, &known, value.span()));
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests;
