//! A rule, as scripts and people are shown it.

use guard::rules;
use policy::{Effect, Rule};
use serde::Serialize;

/// A rule, for scripts.
#[derive(Debug, Serialize)]
pub struct Shown<'r> {
    id: &'r str,
    is: &'r str,
    effect: &'static str,
    no_session_may: Option<&'static str>,
    r#where: Vec<String>,
    hosts: &'r [String],
    agents: &'r [String],
    tasks: &'r [String],
    expires: Option<String>,
    why: &'r str,
    source: Option<&'r str>,
    r#final: bool,
    from: &'static str,
    file: &'r str,
}

impl<'r> From<&'r Rule> for Shown<'r> {
    fn from(rule: &'r Rule) -> Self {
        Self {
            id: &rule.id,
            is: &rule.is,
            effect: rule.effect.word(),
            no_session_may: (rule.effect == Effect::Deny).then(|| rule.verb()),
            r#where: rule.sites.iter().map(ToString::to_string).collect(),
            hosts: &rule.hosts,
            agents: &rule.agents,
            tasks: &rule.tasks,
            expires: rule.expires.map(|day| day.to_string()),
            why: &rule.why,
            source: rule.source.as_deref(),
            r#final: rule.is_final,
            from: rule.layer.word(),
            file: &rule.file,
        }
    }
}

/// In whose sessions a rule holds, where not in all of them, and how long.
pub fn limits(rule: &Rule) -> String {
    let mut words = match &*rule.agents {
        [] => String::new(),
        agents => format!(", for {} alone", agents.join(" and ")),
    };
    if !rule.tasks.is_empty() {
        words.push_str(&format!(", during {} alone", rule.tasks.join(" and ")));
    }
    if let Some(day) = rule.expires {
        let until = if rule.has_expired(rules::today()) { "expired after" } else { "until" };
        words.push_str(&format!(", {until} {day}"));
    }
    words
}
