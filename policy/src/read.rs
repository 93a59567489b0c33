//! Rules from TOML. Every key and word that is not known is a mistake with its place, and so is what is known and cannot be
//! enforced: nothing is passed over.

use crate::day::Day;
use crate::mistake::{Mistake, Mistakes, is_seen};
use crate::name::is_name;
use crate::rule::{Effect, Harmless, Kind, Layer, Policy, Rule, Walk, What};
use crate::site::{NAME_MAX, Pattern, Site};
use agents::Agent;
use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a file of rules is, for people.
pub(crate) const POLICY: &str = "policy";
/// Larger files are no policy.
pub const MAX_BYTES: usize = 1 << 20;
/// Larger files of a repository are none: somebody reads all of it before it counts.
pub const MAX_BYTES_OF_REPOSITORY: usize = 1 << 16;
/// Rules of one file.
const MAX_RULES: usize = 10_000;
/// Places of a repository's rules.
const MAX_ROWS_OF_REPOSITORY: usize = 100;
/// Places of one rule.
pub(crate) const MAX_SITES: usize = 1_000;
/// Mistakes that are told of one file.
const MAX_MISTAKES: usize = 50;
/// Bytes of a text or path.
pub(crate) const MAX_TEXT: usize = 1_024;

/// What may stand in a rule.
const KEYS: [&str; 19] = [
    "id", "is", "where", "what", "effect", "why", "source", "final", "kind", "routine", "unless", "walk",
    "names", "replaced", "empty", "hosts", "agents", "tasks", "expires",
];
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
const EFFECTS: [&str; 5] = ["deny", "allow", "watch", "lend", "ask"];
const LATER_EFFECTS: [&str; 1] = ["ask"];
/// Hosts that one credential is for.
const MAX_HOSTS: usize = 16;

/// What says how Wardline itself treats a place.
const SHIPPED_KEYS: [&str; 5] = ["kind", "routine", "names", "replaced", "empty"];
/// Places that are the same for every user: the kernel side has one deny-list for all sessions.
pub(crate) const FOR_ALL_SITES: [&str; 3] = ["name", "named", "address"];
/// Places of files that may be lent: below the home.
const LENT_SITES: [&str; 5] = ["home", "config", "data", "state", "cache"];
/// Places that can be closed to some sessions alone: those of files with a path of their own.
const SOME_SESSIONS_SITES: [&str; 7] = ["workspace", "home", "config", "data", "state", "cache", "root"];
/// Agents, or tasks, that one rule is for.
const MAX_NAMES: usize = 64;
/// Places of files whose changes and reads are told by their paths.
pub(crate) const WATCHED_SITES: [&str; 8] =
    ["workspace", "repository", "home", "config", "data", "state", "cache", "root"];

/// A value with its place.
type Value<'v> = Spanned<DeValue<'v>>;

impl Policy {
    /// The rules in a file of a layer; `file` is its name, for people.
    pub fn read(layer: Layer, file: &str, text: &str) -> Result<Policy, Mistakes> {
        let mut reader = Reader { layer, file, mistakes: Vec::new() };
        let max = if layer == Layer::Repository { MAX_BYTES_OF_REPOSITORY } else { MAX_BYTES };
        if text.len() > max {
            reader.wrong(Mistake::new(format!("the file has more than {max} bytes"), 0..0));
            return Err(Mistakes::new(file, POLICY, "", reader.mistakes));
        }
        let policy = reader.policy(text);
        match policy {
            Some(policy) if reader.mistakes.is_empty() => Ok(policy),
            _ => Err(Mistakes::new(file, POLICY, text, reader.mistakes)),
        }
    }
}

struct Reader<'f> {
    layer: Layer,
    file: &'f str,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, mistake: Mistake) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(mistake);
        }
    }

    fn policy(&mut self, text: &str) -> Option<Policy> {
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(e) => {
                let at = e.span().unwrap_or(0..0);
                self.wrong(Mistake::new(format!("this is no TOML: {}", e.message()), at));
                return None;
            }
        };
        let mut policy = Policy::default();
        let mut ids = HashSet::new();
        for (key, value) in table.get_ref() {
            if key.get_ref() != "rule" {
                let word: &str = key.get_ref();
                self.wrong(Mistake::unknown("part of a policy", word, &["rule"], key.span()));
                continue;
            }
            let Some(rules) = value.get_ref().as_array() else {
                self.wrong(Mistake::new("rules begin with `[[rule]]`", value.span()));
                continue;
            };
            if rules.len() > MAX_RULES {
                self.wrong(Mistake::new(format!("a file has at most {MAX_RULES} rules"), value.span()));
                continue;
            }
            for rule in rules {
                let at = rule.span();
                if let Some(rule) = self.rule(rule) {
                    if !ids.insert(rule.id.clone()) {
                        self.wrong(Mistake::new(format!("there are two rules `{}`", rule.id), at));
                    }
                    policy.rules.push(rule);
                }
            }
        }
        if self.layer == Layer::Repository && policy.rows().count() > MAX_ROWS_OF_REPOSITORY {
            let message = format!("a repository's rules have at most {MAX_ROWS_OF_REPOSITORY} places");
            self.wrong(Mistake::new(message, 0..0));
        }
        Some(policy)
    }

    fn rule(&mut self, value: &Value<'_>) -> Option<Rule> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(Mistake::new("a rule is a table: `[[rule]]`", value.span()));
            return None;
        };
        self.known("key of a rule", table, &KEYS, &[]);
        if self.layer != Layer::Shipped {
            for key in table.keys().filter(|key| SHIPPED_KEYS.contains(&key.get_ref().as_ref())) {
                self.wrong(Mistake::new("only a rule that Wardline brings along has this", key.span()));
            }
        }
        let get = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        let text = |reader: &mut Self, name: &str| get(name).and_then(|value| reader.text(value));
        let id = text(self, "id").filter(|id| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let fits = !id.is_empty() && id.bytes().all(fits);
            if let (false, Some(at)) = (fits, get("id")) {
                self.wrong(Mistake::new("an id has lower-case letters, digits and `-`", at.span()));
            }
            fits
        });
        let (is, why, source) = (text(self, "is"), text(self, "why"), text(self, "source"));
        let effect = get("effect").and_then(|value| self.effect(value));
        let what = get("what").and_then(|value| self.what(value));
        let agents = get("agents").map(|value| self.agents(value, effect)).unwrap_or_default();
        let tasks = get("tasks").map(|value| self.tasks(value, effect)).unwrap_or_default();
        let expires = get("expires").and_then(|value| self.day(value));
        let of_some = !agents.is_empty() || !tasks.is_empty();
        let sites = get("where").and_then(|value| self.sites(value, effect, of_some));
        let hosts = self.hosts(get("hosts"), effect, value.span());
        if let Some(value) = get("what")
            .filter(|_| effect == Some(Effect::Lend) && what.is_some_and(|what| what != What::READ))
        {
            self.wrong(Mistake::new("what is lent is read: `what = \"read\"`", value.span()));
        }
        let is_final = get("final").is_none_or(|value| self.bool(value));
        let routine = get("routine").is_some_and(|value| self.bool(value));
        let is_replaced = get("replaced").is_some_and(|value| self.bool(value));
        let is_empty = get("empty").is_some_and(|value| self.bool(value));
        let frees_names = get("names").is_some_and(|value| self.bool(value));
        if let Some(value) = get("names").filter(|_| effect == Some(Effect::Deny)) {
            self.wrong(Mistake::new("only a rule that allows can leave names alone", value.span()));
        }
        let kind = get("kind").and_then(|value| self.word(value, "kind", Kind::ALL, Kind::word));
        let harmless =
            get("unless").and_then(|value| self.word(value, "exception", Harmless::ALL, Harmless::word));
        let walk = get("walk").and_then(|value| self.word(value, "walk", Walk::ALL, Walk::word));
        for name in ["id", "is", "where", "what", "effect", "why"] {
            if get(name).is_none() {
                self.wrong(Mistake::new(format!("the rule has no `{name}`"), value.span()));
            }
        }
        Some(Rule {
            id: id?,
            layer: self.layer,
            file: self.file.to_owned(),
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
        &mut self,
        value: Option<&Value<'_>>,
        effect: Option<Effect>,
        rule: Range<usize>,
    ) -> Vec<String> {
        let is_lent = effect == Some(Effect::Lend);
        let Some(value) = value else {
            if is_lent {
                let mistake = Mistake::new("the rule does not say what the credential is for", rule);
                self.wrong(mistake.help("for example `hosts = [\"registry.example.org\"]`"));
            }
            return Vec::new();
        };
        if !is_lent {
            let mistake = Mistake::new("only a rule that lends has hosts", value.span());
            self.wrong(mistake.help("`where.host` names hosts that an `allow` leaves open"));
        }
        let mut hosts = Vec::new();
        for value in self.list(value) {
            let Some(text) = self.text(value) else { continue };
            match text.parse::<IpAddr>().map(|address| address.to_string()).or_else(|_| host(&text)) {
                Ok(host) => hosts.push(host),
                Err(why) => self.wrong(Mistake::new(why, value.span())),
            }
        }
        if is_lent && (hosts.is_empty() || hosts.len() > MAX_HOSTS) {
            self.wrong(Mistake::new(format!("a credential is for 1 to {MAX_HOSTS} hosts"), value.span()));
        }
        hosts
    }

    /// The agents whose sessions alone have the rule.
    fn agents(&mut self, value: &Value<'_>, effect: Option<Effect>) -> Vec<String> {
        if self.layer == Layer::Shipped {
            self.wrong(Mistake::new("only a rule of one's own is for some agents", value.span()));
        }
        if effect == Some(Effect::Allow) {
            // What a session of another agent closes at the same time would be closed to this one.
            let mistake = Mistake::new("what is allowed is allowed to all agents", value.span());
            self.wrong(mistake.help("`lend` opens a credential to sessions of some agents alone"));
        }
        self.names(value, "an agent", "agents", "for example `agents = [\"codex\"]`, as `--agent` says it")
    }

    /// The tasks during which alone the rule holds.
    fn tasks(&mut self, value: &Value<'_>, effect: Option<Effect>) -> Vec<String> {
        if self.layer == Layer::Shipped {
            self.wrong(Mistake::new("only a rule of one's own is for some tasks", value.span()));
        }
        if matches!(effect, Some(Effect::Allow | Effect::Lend)) {
            // What was read during one task is known during the next.
            let mistake = Mistake::new("what is opened is opened whatever the task", value.span());
            self.wrong(mistake.help("`deny` and `watch` can be for some tasks"));
        }
        self.names(value, "a task", "tasks", "for example `tasks = [\"review\"]`, as `--task` says it")
    }

    /// Names of agents or tasks.
    fn names(&mut self, value: &Value<'_>, of: &str, all: &str, example: &str) -> Vec<String> {
        let mut names = Vec::new();
        for value in self.list(value) {
            let Some(text) = self.text(value) else { continue };
            if is_name(&text) {
                names.push(text);
            } else {
                self.wrong(Mistake::new(format!("this is no name of {of}"), value.span()).help(example));
            }
        }
        if names.is_empty() || names.len() > MAX_NAMES {
            let message = format!("a rule is for 1 to {MAX_NAMES} {all}, or for all");
            self.wrong(Mistake::new(message, value.span()));
        }
        names
    }

    fn day(&mut self, value: &Value<'_>) -> Option<Day> {
        let text = self.text(value)?;
        let day = Day::read(&text);
        if day.is_none() {
            let mistake = Mistake::new("this is no day", value.span());
            self.wrong(mistake.help(
                "for example `expires = \"2027-01-31\"`: the last day on which sessions begin with the rule",
            ));
        }
        day
    }

    /// Tells what is not known, and what is and cannot be enforced.
    fn known(&mut self, what: &str, table: &DeTable<'_>, known: &[&str], later: &[&str]) {
        for key in table.keys() {
            let word: &str = key.get_ref();
            if !known.contains(&word) {
                self.wrong(Mistake::unknown(what, word, known, key.span()));
            } else if later.contains(&word) {
                self.wrong(not_yet(word, key.span()));
            }
        }
    }

    fn text(&mut self, value: &Value<'_>) -> Option<String> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(Mistake::new("this should be a text in quotes", value.span()));
            return None;
        };
        if text.trim().is_empty() || text.len() > MAX_TEXT || !text.chars().all(is_seen) {
            let message = format!("a text has 1 to {MAX_TEXT} bytes on one line, all of which are seen");
            self.wrong(Mistake::new(message, value.span()));
            return None;
        }
        // Whoever is shown it in quotes could take what follows for what is said of it.
        if self.layer == Layer::Repository && text.contains(['`', '"']) {
            self.wrong(Mistake::new("a text of a repository has no quotation marks in it", value.span()));
            return None;
        }
        Some(text.to_owned())
    }

    fn bool(&mut self, value: &Value<'_>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(Mistake::new("this is `true` or `false`", value.span()));
            false
        })
    }

    fn word<T: Copy>(
        &mut self,
        value: &Value<'_>,
        what: &str,
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(value)?;
        let found = all.iter().copied().find(|one| word(*one) == text);
        if found.is_none() {
            let known: Vec<&str> = all.iter().map(|one| word(*one)).collect();
            self.wrong(Mistake::unknown(what, &text, &known, value.span()));
        }
        found
    }

    fn effect(&mut self, value: &Value<'_>) -> Option<Effect> {
        let text = self.text(value)?;
        if LATER_EFFECTS.contains(&&*text) {
            self.wrong(not_yet(&text, value.span()));
            return None;
        }
        let found = Effect::ALL.iter().copied().find(|effect| effect.word() == text);
        if found.is_none() {
            self.wrong(Mistake::unknown("effect", &text, &EFFECTS, value.span()));
        }
        if self.layer == Layer::Repository && matches!(found, Some(Effect::Allow | Effect::Lend)) {
            let mistake = Mistake::new("a repository's rules open nothing", value.span());
            self.wrong(mistake.help("`deny` or `watch`; a user opens a place with `wardline policy allow`"));
        }
        found
    }

    fn list<'v>(&mut self, value: &'v Value<'v>) -> &'v [Value<'v>] {
        match value.get_ref() {
            DeValue::String(_) => std::slice::from_ref(value),
            DeValue::Array(list) if list.len() <= MAX_SITES => list,
            DeValue::Array(_) => {
                self.wrong(Mistake::new(format!("a list has at most {MAX_SITES} entries"), value.span()));
                &[]
            }
            _ => {
                self.wrong(Mistake::new("this should be a text in quotes, or a list of them", value.span()));
                &[]
            }
        }
    }

    fn what(&mut self, value: &Value<'_>) -> Option<What> {
        let mut all = What::empty();
        for value in self.list(value) {
            let Some(text) = self.text(value) else { continue };
            match What::WORDS.iter().find(|(word, _)| *word == text) {
                Some((_, what)) => all |= *what,
                None => {
                    let known = What::WORDS.map(|(word, _)| word);
                    self.wrong(Mistake::unknown("operation", &text, &known, value.span()));
                }
            }
        }
        (!all.is_empty()).then_some(all)
    }

    fn sites(&mut self, value: &Value<'_>, effect: Option<Effect>, of_some: bool) -> Option<Vec<Site>> {
        let Some(table) = value.get_ref().as_table() else {
            let mistake = Mistake::new("`where` has a key for each kind of place", value.span());
            self.wrong(mistake.help("for example `where.home = [\".ssh\"]`"));
            return None;
        };
        self.known("kind of place", table, &SITES, &LATER_SITES);
        let mut kinds: Vec<_> = table.iter().collect();
        // As they stand in the file.
        kinds.sort_by_key(|(key, _)| key.span().start);
        let mut sites = Vec::new();
        for (key, value) in kinds {
            let kind: &str = key.get_ref();
            if !SITES.contains(&kind) || LATER_SITES.contains(&kind) {
                continue;
            }
            if self.layer == Layer::User && effect == Some(Effect::Deny) && FOR_ALL_SITES.contains(&kind) {
                let mistake =
                    Mistake::new(format!("`{kind}` would hold in other users' sessions, too"), key.span());
                self.wrong(mistake.help("root may put such a rule into `/etc/wardline/policy.d`"));
            }
            if self.layer == Layer::Repository && kind != "workspace" {
                let mistake = Mistake::new(format!("`{kind}` is not the repository's"), key.span());
                self.wrong(mistake.help("a repository's rules are about what lies in it: `where.workspace`"));
            }
            if kind == OF_AGENTS && self.layer != Layer::Shipped {
                self.wrong(Mistake::new("only a rule that Wardline brings along has this", key.span()));
                continue;
            }
            if of_some && effect == Some(Effect::Deny) && !SOME_SESSIONS_SITES.contains(&kind) {
                let mistake = Mistake::new(format!("`{kind}` would be closed to all sessions"), key.span());
                self.wrong(mistake.help("a path can be closed to some agents, or during some tasks, alone"));
            }
            if effect == Some(Effect::Watch) && kind != OF_AGENTS && !WATCHED_SITES.contains(&kind) {
                self.wrong(not_yet(&format!("watch` of `{kind}"), key.span()));
            }
            if effect == Some(Effect::Lend) && !LENT_SITES.contains(&kind) {
                self.wrong(not_yet(&format!("lend` of `{kind}"), key.span()));
            }
            if kind == "host" && effect.is_some_and(|effect| effect != Effect::Allow) {
                let mistake = Mistake::new("a host's name closes nothing", key.span());
                self.wrong(mistake.help("`allow` names hosts that stay open to who was lent a credential"));
            }
            for value in self.list(value) {
                let Some(text) = self.text(value) else { continue };
                if kind == OF_AGENTS {
                    sites.extend(self.of_agents(&text, effect, value.span()));
                    continue;
                }
                match site(kind, &text) {
                    Ok(site) => sites.push(site),
                    Err(why) => self.wrong(Mistake::new(why, value.span())),
                }
            }
        }
        if sites.is_empty() {
            self.wrong(Mistake::new("the rule holds nowhere", value.span()));
        }
        (!sites.is_empty() && sites.len() <= MAX_SITES).then_some(sites)
    }

    /// The places of a word in the files of agents.
    fn of_agents(&mut self, word: &str, effect: Option<Effect>, at: Range<usize>) -> Vec<Site> {
        let mut sites = Vec::new();
        for agent in Agent::all() {
            let places = agent.places.get(word).into_iter().flatten();
            for (kind, text) in places.flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text))) {
                if effect == Some(Effect::Watch) && !WATCHED_SITES.contains(&kind.as_str()) {
                    self.wrong(not_yet(&format!("watch` of `{kind}"), at.clone()));
                }
                match site(kind, text) {
                    Ok(site) => sites.push(site),
                    Err(why) => {
                        self.wrong(Mistake::new(format!("`{text}` of `{}`: {why}", agent.name), at.clone()));
                    }
                }
            }
        }
        if sites.is_empty() {
            self.wrong(Mistake::new(format!("no agent has places called `{word}`"), at));
        }
        sites
    }
}

fn not_yet(word: &str, at: Range<usize>) -> Mistake {
    Mistake::new(format!("`{word}` cannot be enforced yet"), at)
        .help("leave it out: a rule that says it would not hold")
}

/// The place that a text of a kind names.
pub fn site(kind: &str, text: &str) -> Result<Site, String> {
    let below = |directory: &str| relative(text).map(|path| Site::Home(format!("{directory}{path}")));
    match kind {
        "home" => below(""),
        "config" => below(".config/"),
        "data" => below(".local/share/"),
        "state" => below(".local/state/"),
        "cache" => below(".cache/"),
        "root" => match text.strip_prefix('/') {
            Some(rest) => relative(rest).map(|path| Site::System(format!("/{path}"))),
            None => Err("a path from the root begins with `/`".into()),
        },
        "runtime" => relative(text).map(Site::Runtime),
        "repository" => relative(text).map(Site::Repository),
        "workspace" => relative(text).map(Site::Workspace),
        "name" => name(text).map(Site::Name),
        "named" => match text.split_once('/') {
            Some((directory, file)) => Ok(Site::NameIn(name(directory)?, name(file)?)),
            None => Err("this is a directory's name, `/`, and a name in it".into()),
        },
        "pattern" => Pattern::new(text).map(Site::Pattern).ok_or_else(|| {
            "a pattern is a name with one `*` at most, and two other characters at least".into()
        }),
        "variable" => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let fits = text.bytes().all(fits);
            fits.then(|| Site::Variable(text.into())).ok_or_else(|| "this is no name of a variable".into())
        }
        "host" => host(text).map(Site::Host),
        _ => text.parse::<IpAddr>().map(Site::Address).map_err(|_| "this is no address".into()),
    }
}

/// A path that stays below where it begins.
fn relative(text: &str) -> Result<String, String> {
    let fits = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let fits = fits && !text.contains(['*', '~']);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "this is no plain path: no leading `/`, `.`, `..`, `~` or `*`".into())
}

/// A host's whole name, RFC 1123, 2.1, in lower case.
fn host(text: &str) -> Result<String, String> {
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(fits);
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_host = (is_name || text == "localhost") && !is_number;
    is_host
        .then(|| text.to_owned())
        .ok_or_else(|| "this is no host: a whole name in lower case, or an address, without a port".into())
}

/// A name that the kernel side can compare.
fn name(text: &str) -> Result<String, String> {
    let name = relative(text)?;
    let fits = name.len() <= NAME_MAX && !name.contains('/');
    fits.then_some(name).ok_or_else(|| format!("a name has {NAME_MAX} bytes at most, and no `/`"))
}

#[cfg(test)]
mod tests;
