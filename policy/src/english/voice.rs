//! Rules in English: what [`super::hear`] and [`super::read`] understand again.

use super::token::quoted;
use crate::rule::{Effect, Harmless, Kind, Rule, Walk, What};
use crate::site::Site;

/// What is done, as a verb, and of one who does it.
pub(super) const VERBS: [(What, &str, &str); 6] = [
    (What::EVERYTHING, "touch", "touches"),
    (What::READ, "read", "reads"),
    (What::WRITE, "rewrite in place", "rewrites in place"),
    (What::CHANGE, "change", "changes"),
    (What::CONNECT, "connect to", "connects to"),
    (What::LISTEN, "listen at", "listens at"),
];

/// All of a rule, in sentences: [`super::read`] gives the rule back.
pub fn say(rule: &Rule) -> String {
    let mut lines = vec![
        sentence(rule.effect, rule.what, &rule.sites),
        format!("{ID}{}", rule.id),
        format!("{IS}{}", rule.is),
        format!("{WHY}{}", rule.why),
    ];
    lines.extend(rule.hosts.iter().map(|host| format!("{HOST}{host}")));
    lines.extend(rule.agents.iter().map(|agent| format!("{AGENT}{agent}")));
    lines.extend(rule.tasks.iter().map(|task| format!("{TASK}{task}")));
    lines.extend(rule.expires.iter().map(|day| format!("{EXPIRES}{day}")));
    lines.extend(rule.source.iter().map(|source| format!("{SOURCE}{source}")));
    let flags = [
        (!rule.is_final, NOT_FINAL),
        (rule.routine, ROUTINE),
        (rule.frees_names, FREES_NAMES),
        (rule.is_replaced, REPLACED),
        (rule.is_empty, EMPTY),
    ];
    lines.extend(flags.into_iter().filter(|(is_so, _)| *is_so).map(|(_, line)| line.to_owned()));
    lines.extend(KINDS.iter().filter(|(of, _)| *of == rule.kind).map(|(_, line)| (*line).to_owned()));
    lines.extend(
        HARMLESS.iter().filter(|(of, _)| Some(*of) == rule.harmless).map(|(_, line)| (*line).to_owned()),
    );
    if rule.walk == Walk::Directories {
        lines.push(DIRECTORIES.to_owned());
    }
    lines.join("\n")
}

pub(super) const ID: &str = "Its name: ";
pub(super) const IS: &str = "What lies there: ";
pub(super) const WHY: &str = "Why: ";
pub(super) const ON_LOAN: &str = "On loan: ";
pub(super) const HOST: &str = "It is for the host: ";
pub(super) const AGENT: &str = "It holds in sessions of the agent: ";
pub(super) const TASK: &str = "It holds during the task: ";
pub(super) const EXPIRES: &str = "The last day on which sessions begin with it: ";
pub(super) const SOURCE: &str = "Source: ";
pub(super) const NOT_FINAL: &str = "It may be taken back.";
pub(super) const ROUTINE: &str = "Tools look there whenever they run.";
pub(super) const FREES_NAMES: &str = "Names that are closed anywhere are left alone there.";
pub(super) const REPLACED: &str = "What takes its place is open.";
pub(super) const EMPTY: &str = "An empty directory may be made there.";
pub(super) const DIRECTORIES: &str = "Directories alone are labelled there.";
pub(super) const KINDS: [(Kind, &str); 2] =
    [(Kind::Key, "A broker uses such a key for a session."), (Kind::Gpg, "It is where gpg keeps its keys.")];
pub(super) const HARMLESS: [(Harmless, &str); 4] = [
    (Harmless::Npm, "A file that surely holds nothing but plain settings of npm may be read."),
    (Harmless::Netrc, "A file that surely holds nothing but hosts without a password may be read."),
    (Harmless::Settings, "A file that surely holds nothing but plain settings may be read."),
    (Harmless::Public, "A file that surely holds nothing but certificates and public keys may be read."),
];

/// What comes of what, where.
pub fn sentence(effect: Effect, what: What, sites: &[Site]) -> String {
    let places = listed(sites.iter().map(ToString::to_string));
    let mut left = what;
    let verbs: Vec<_> = VERBS
        .iter()
        .filter(|(of, ..)| {
            let says = left.contains(*of);
            left -= if says { *of } else { What::empty() };
            says
        })
        .collect();
    match effect {
        Effect::Deny => {
            format!("No agent session may {} {places}.", listed(verbs.iter().map(|(_, verb, _)| verb)))
        }
        Effect::Allow | Effect::Lend => {
            let on_loan = if effect == Effect::Lend { ON_LOAN } else { "" };
            format!("{on_loan}Agent sessions may {} {places}.", listed(verbs.iter().map(|(_, verb, _)| verb)))
        }
        Effect::Watch => {
            format!(
                "Wardline tells when an agent session {} {places}.",
                listed(verbs.iter().map(|(.., verb)| verb))
            )
        }
    }
}

/// `a, b or c`.
fn listed<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    let words: Vec<T> = words.collect();
    let mut text = String::new();
    for (nth, word) in words.iter().enumerate() {
        text.push_str(match nth {
            0 => "",
            nth if nth + 1 == words.len() => " or ",
            _ => ", ",
        });
        text.push_str(word.as_ref());
    }
    text
}

/// The place in words, for people.
impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Site::Home(path) => f.write_str(&quoted(&format!("~/{path}"))),
            Site::System(path) => f.write_str(&quoted(path)),
            Site::NameIn(directory, name) => {
                write!(f, "{} in any directory called {}", quoted(name), quoted(directory))
            }
            Site::Name(name) => write!(f, "a file called {}", quoted(name)),
            Site::Pattern(pattern) => write!(f, "a file called {} in the home", quoted(&pattern.to_string())),
            Site::Repository(path) => write!(f, "{} of another repository", quoted(path)),
            Site::Workspace(path) => write!(f, "{} in the workspace", quoted(path)),
            Site::Runtime(path) => write!(f, "{} in the user's runtime directory", quoted(path)),
            Site::Variable(name) => write!(f, "the socket that {} names", quoted(&format!("${name}"))),
            Site::Host(name) => write!(f, "the host called {}", quoted(name)),
            Site::Address(address) => f.write_str(&quoted(&address.to_string())),
        }
    }
}
