//! `wardline policy diff`: what users' rules change of the shipped ones.

use super::here::here;
use anyhow::Result;
use command::print_line;
use policy::{Effect, Row, Rule, Rules, Site, What, sentence};
use serde::Serialize;
use std::process::ExitCode;

/// A change, for scripts.
#[derive(Debug, Serialize)]
struct Change {
    change: &'static str,
    sentence: String,
    rule: String,
    from: &'static str,
    file: String,
}

/// Shows them.
pub fn run(json: bool) -> Result<ExitCode> {
    let rules = here()?;
    let changes: Vec<Change> = rules.own().flat_map(|rule| changes(&rules, rule)).collect();
    if json {
        print_line!("{}", serde_json::to_string_pretty(&changes)?);
    } else if changes.is_empty() {
        print_line!("the shipped rules hold as they are");
    } else {
        for change in changes {
            let Change { change, sentence, rule, file, .. } = change;
            print_line!("{change} {sentence} (`{rule}` of `{file}`)");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Place by place: a later layer may take one of them back.
fn changes(rules: &Rules, rule: &Rule) -> Vec<Change> {
    let said = |change, what, sites: &[Site]| Change {
        change,
        sentence: sentence(rule.effect, what, sites),
        rule: rule.id.clone(),
        from: rule.layer.word(),
        file: rule.file.clone(),
    };
    let mut all: Vec<(&str, What, Vec<Site>)> = Vec::new();
    for site in &rule.sites {
        let (change, what) = match rule.effect {
            Effect::Watch => ("+", rule.what),
            Effect::Deny => {
                let left = rules.left(Row { rule, site });
                if left.is_empty() { ("(taken back)", rule.what) } else { ("+", left) }
            }
            Effect::Lend => ("-", rule.what),
            Effect::Allow => {
                let open = rule.what - rules.refused_at(site);
                if open.is_empty() { ("(closed again)", rule.what) } else { ("-", open) }
            }
        };
        match all.iter_mut().find(|of| (of.0, of.1) == (change, what)) {
            Some((.., sites)) => sites.push(site.clone()),
            None => all.push((change, what, vec![site.clone()])),
        }
    }
    all.iter().map(|(change, what, sites)| said(*change, *what, sites)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{Layer, Source};

    #[test]
    fn what_rules_of_ones_own_change_is_said() {
        let text = "[[rule]]\nid = \"a\"\nis = \"x\"\nwhere.home = [\".npmrc\"]\nwhat = \"read\"\neffect = \"allow\"\nwhy = \"w\"\n\
                    [[rule]]\nid = \"b\"\nis = \"x\"\nwhere.home = [\"x\", \"y\"]\nwhat = \"everything\"\neffect = \"deny\"\nwhy = \"w\"\n";
        let source = Source { layer: Layer::User, file: "own.toml".into(), text: text.into() };
        let rules = Rules::read(&[source], policy::Day::at(0)).unwrap();
        let changes: Vec<_> = rules.own().flat_map(|rule| changes(&rules, rule)).collect();
        let words: Vec<_> = changes.iter().map(|of| format!("{} {}", of.change, of.sentence)).collect();
        assert_eq!(
            words,
            ["- Agent sessions may read `~/.npmrc`.", "+ No agent session may touch `~/x` or `~/y`."]
        );
    }
}
