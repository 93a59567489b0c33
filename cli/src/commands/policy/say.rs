//! `wardline policy say`: rules in plain English.

use super::apply;
use super::own::{self, Own};
use crate::client::terminal;
use anyhow::Result;
use command::user::UserArgs;
use command::{Exit, State, print_line};
use guard::rules;
use policy::{Heard, Layer, Limit, Listener, Rules, sentence};
use serde::Serialize;
use std::process::ExitCode;

/// What was said.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sentences, in quotes
    #[arg(required = true)]
    words: Vec<String>,
    /// Write the rules without asking
    #[arg(long)]
    yes: bool,
    /// One JSON array, an object for each sentence; nothing is written without `--yes`
    #[arg(long)]
    json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[command(flatten)]
    user: UserArgs,
}

/// What came of a sentence, for scripts.
#[derive(Debug, Serialize)]
struct Shown<'h> {
    sentence: &'h str,
    understood: bool,
    rules: Vec<String>,
    held_by: &'h [String],
    not_held: Vec<Why<'h>>,
    nearest: &'h [String],
}

/// Words that no rule holds.
#[derive(Debug, Serialize)]
struct Why<'h> {
    words: &'h str,
    kind: &'static str,
    why: &'static str,
}

/// Hears, shows, and writes after a yes.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let own = Own::read(&args.user)?;
    let there = rules::of_sessions(own.uid)?;
    let text = args.words.join(" ");
    let heard = policy::hear(&text, Listener { rules: &there, layer: Layer::User, home: &own.home });
    if heard.is_empty() {
        return Err(Exit::Usage.error("nothing was said"));
    }
    if args.json {
        let shown: Vec<Shown<'_>> = heard.iter().map(shown).collect();
        print_line!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print_line!("{}", heard.iter().map(in_words).collect::<Vec<_>>().join("\n\n"));
    }
    let is_understood = heard.iter().all(Heard::is_understood);
    let said: Vec<_> = heard.iter().flat_map(|heard| &heard.rules).collect();
    if !is_understood {
        if heard.len() > 1 && !said.is_empty() && !args.json {
            print_line!("\nnothing was written: a text is obeyed as a whole or not at all");
        }
        return Ok(Exit::Usage.into());
    }
    if said.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (mut text, mut there, mut ids) = (own.text.clone(), own.there.clone(), Vec::new());
    let file = own.path.display().to_string();
    for said in said {
        let (added, id) = said.added_to(&text, &there);
        let read = policy::Policy::read(Layer::User, &file, &added);
        there = read.map_err(|wrong| Exit::Failed.error(wrong.render()))?;
        ids.push(id);
        text = added;
    }
    if !args.json {
        let added = text.get(own.text.len()..).unwrap_or_default().trim();
        print_line!("\nIn `{file}`:\n\n{added}\n\n{}", tried(&own.with(&text)?, &ids));
    }
    if !args.yes && (args.json || !terminal::foreground()) {
        if !args.json {
            print_line!("\nnothing was written: `sudo wardline policy say --yes` writes it");
        }
        return Ok(ExitCode::SUCCESS);
    }
    own::may_write(state)?;
    if !args.yes && !terminal::is_yes("\nObey this from now on? [y/N] ")? {
        print_line!("nothing was written");
        return Ok(ExitCode::SUCCESS);
    }
    own.write(&text)?;
    if args.json {
        return apply::quietly(state, own.uid);
    }
    let rules = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    print_line!("wrote {rules}: `sudo wardline policy forget ID` takes one back");
    apply::of_user(state, own.uid)
}

/// What shows that rules hold.
fn tried(rules: &Rules, ids: &[String]) -> String {
    const SHOWN: usize = 12;
    let attempts: Vec<_> = rules.attempts().into_iter().filter(|of| ids.contains(&of.rule)).collect();
    let mut lines = vec!["`sudo wardline policy test` tries:".to_owned()];
    lines.extend(attempts.iter().take(SHOWN).map(|attempt| {
        let must = if attempt.refused { "must be refused" } else { "must go on" };
        format!("  {} {}: {must}", attempt.deed.word(), attempt.ground)
    }));
    match attempts.len() {
        0 => lines.push("  nothing: what is opened or told refuses nothing".to_owned()),
        all if all > SHOWN => {
            lines.push(format!("  and {}", text::count((all - SHOWN) as u64, "more attempt")))
        }
        _ => {}
    }
    lines.join("\n")
}

fn shown(heard: &Heard) -> Shown<'_> {
    Shown {
        sentence: &heard.text,
        understood: heard.is_understood(),
        rules: heard.rules.iter().map(|said| sentence(said.effect, said.what, &said.sites)).collect(),
        held_by: &heard.held,
        not_held: heard
            .limits
            .iter()
            .map(|(limit, words)| Why { words, kind: limit.word(), why: limit.reason() })
            .collect(),
        nearest: &heard.nearest,
    }
}

fn in_words(heard: &Heard) -> String {
    let mut lines = vec![format!("\"{}\"", heard.text)];
    lines.extend(
        heard.rules.iter().map(|said| format!("  {}", sentence(said.effect, said.what, &said.sites))),
    );
    if !heard.held.is_empty() {
        let held = heard.held.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        let how = if heard.is_understood() { "holds already" } else { "a part of it may hold already" };
        lines.push(format!("  {how}: {held}"));
    }
    if heard.is_open && heard.is_understood() {
        lines.push("  no rule closes it: there is nothing to open".to_owned());
    }
    if !heard.is_matter {
        lines.push("  not a rule: it says of no place what may be done there".to_owned());
        return lines.join("\n");
    }
    for (limit, words) in &heard.limits {
        let like = match limit {
            Limit::Unknown => policy::word_like(words).map(|like| format!("; did you mean \"{like}\"?")),
            _ => None,
        };
        lines.push(format!("  not held: \"{words}\": {}{}", limit.reason(), like.unwrap_or_default()));
    }
    if !heard.limits.is_empty() {
        lines.push("  nothing was written".to_owned());
    }
    for nearest in &heard.nearest {
        lines.push(format!("  what can be said: \"{nearest}\""));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn said(text: &str) -> String {
        let rules = Rules::default();
        let heard =
            policy::hear(text, Listener { rules: &rules, layer: Layer::User, home: Path::new("/home/u") });
        heard.iter().map(in_words).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_heard_is_said_back() {
        let sentences = [
            "codex may only push to github.com",
            "never let any agent read .env files outside the workspace",
            "ask me before an agent deletes more than ten files",
            "while summarizing, no network except the model",
            "let npm use my token, but only for registry.example.org",
            "Never read ~/customers, because it is under a contract.",
            "agents may read ~/.npmrc but must not change ~/x",
            "agents may read ~/.config/gh/hosts.yml",
            "do not delete ~/backups at night",
            "Never reed ~/diary.",
            "Use tabs.",
        ];
        insta::assert_snapshot!(sentences.map(said).join("\n\n"));
    }
}
