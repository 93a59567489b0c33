//! `wardline policy diff`: what rules of one's own change of the shipped ones.

use super::here::here;
use anyhow::Result;
use command::print_line;
use policy::{Effect, Layer, Rule, Rules, What, sentence};
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

fn changes(rules: &Rules, rule: &Rule) -> Vec<Change> {
    let said = |change, sentence| Change {
        change,
        sentence,
        rule: rule.id.clone(),
        from: rule.layer.word(),
        file: rule.file.clone(),
    };
    match rule.effect {
        // Where a later layer takes it back, nothing is left of it.
        Effect::Deny => {
            let left =
                rules.refusals().filter(|of| of.row.rule.layer != Layer::Shipped && of.row.rule == rule);
            let is_left = left.fold(What::empty(), |all, of| all | of.what);
            let (change, what) =
                if is_left.is_empty() { ("  (taken back)", rule.what) } else { ("+", is_left) };
            vec![said(change, sentence(Effect::Deny, what, &rule.sites))]
        }
        Effect::Allow => vec![said("-", rule.sentence())],
        Effect::Watch => vec![said("+", rule.sentence())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Source;

    #[test]
    fn what_rules_of_ones_own_change_is_said() {
        let text = "[[rule]]\nid = \"a\"\nis = \"x\"\nwhere.home = [\".npmrc\"]\nwhat = \"read\"\neffect = \"allow\"\nwhy = \"w\"\n\
                    [[rule]]\nid = \"b\"\nis = \"x\"\nwhere.home = [\"x\", \"y\"]\nwhat = \"everything\"\neffect = \"deny\"\nwhy = \"w\"\n";
        let source = Source { layer: Layer::User, file: "own.toml".into(), text: text.into() };
        let rules = Rules::read(&[source]).unwrap();
        let changes: Vec<_> = rules.own().flat_map(|rule| changes(&rules, rule)).collect();
        let words: Vec<_> = changes.iter().map(|of| format!("{} {}", of.change, of.sentence)).collect();
        assert_eq!(
            words,
            ["- Agent sessions may read `~/.npmrc`.", "+ No agent session may touch `~/x` or `~/y`."]
        );
    }
}
