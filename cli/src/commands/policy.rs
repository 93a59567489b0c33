//! `wardline policy`: the rules that are compiled in, which of them meet a place, and whether a file of rules is one.

use super::table;
use crate::exit::Exit;
use anyhow::{Context, Result};
use policy::{Effect, Meeting, Policy, Rule, Way, shipped};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The rules hold in every session from its first instruction on, whatever was learned.\n\nExamples:\n  wardline policy list\n  wardline policy show ssh\n  wardline policy explain ~/.netrc\n  wardline policy explain 169.254.169.254\n  wardline policy check rules.toml"
)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done with rules.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the rules
    #[command(after_help = "Examples:\n  wardline policy list\n  wardline policy list --json")]
    List {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show one rule: where it holds, and why
    #[command(after_help = "Examples:\n  wardline policy show ssh")]
    Show {
        /// Its id
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say which rules meet a place, and which of them speaks
    #[command(
        after_help = "A path is read as it is written, and need not be there. The rules come in this order: those that refuse before those that allow; \
of these the rule of the place itself, then of its name, then of what it lies in, nearest first. Any that refuses holds.\n\nExamples:\n  wardline policy explain ~/.config/gh/hosts.yml\n  wardline policy explain --workspace . .vscode/tasks.json\n  wardline policy explain 169.254.169.254"
    )]
    Explain {
        /// A path, or an address
        place: String,
        /// The home that it is in
        #[arg(long, value_name = "DIR", env = "HOME", hide_env = true)]
        home: PathBuf,
        /// The session's workspace
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Say whether a file of rules is one, and where it is not
    #[command(
        after_help = "Exit code 125 says that it is none.\n\nExamples:\n  wardline policy check rules.toml"
    )]
    Check {
        /// The file, TOML
        file: PathBuf,
        /// One JSON array of what is wrong
        #[arg(long)]
        json: bool,
    },
}

/// A rule, for scripts.
#[derive(Debug, Serialize)]
struct Shown<'r> {
    id: &'r str,
    is: &'r str,
    effect: &'static str,
    no_session_may: Option<&'static str>,
    r#where: Vec<String>,
    why: &'r str,
    source: Option<&'r str>,
    r#final: bool,
}

impl<'r> From<&'r Rule> for Shown<'r> {
    fn from(rule: &'r Rule) -> Self {
        Self {
            id: &rule.id,
            is: &rule.is,
            effect: rule.effect.word(),
            no_session_may: (rule.effect == Effect::Deny).then(|| rule.verb()),
            r#where: rule.sites.iter().map(ToString::to_string).collect(),
            why: &rule.why,
            source: rule.source.as_deref(),
            r#final: rule.is_final,
        }
    }
}

/// A rule that meets a place, for scripts.
#[derive(Debug, Serialize)]
struct Met<'r> {
    how: &'static str,
    site: String,
    #[serde(flatten)]
    rule: Shown<'r>,
}

/// A mistake, for scripts.
#[derive(Debug, Serialize)]
struct Wrong<'m> {
    line: usize,
    column: usize,
    message: &'m str,
    help: Option<&'m str>,
}

/// Does what was asked.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::List { json } => list(*json),
        Verb::Show { id, json } => show(id, *json),
        Verb::Explain { place, home, workspace, json } => explain(place, home, workspace.as_deref(), *json),
        Verb::Check { file, json } => check(file, *json),
    }
}

fn list(json: bool) -> Result<ExitCode> {
    let rules = shipped().rules();
    if json {
        let rules: Vec<Shown<'_>> = rules.iter().map(Shown::from).collect();
        print_line!("{}", serde_json::to_string_pretty(&rules)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table::table(&["rule", "no session may", "places", "what it is"]);
    for rule in rules {
        let verb = if rule.effect == Effect::Deny { rule.verb() } else { "(left open)" };
        table.add_row([&*rule.id, verb, &rule.sites.len().to_string(), &rule.is]);
    }
    print_line!("{}", table::plain(&table));
    Ok(ExitCode::SUCCESS)
}

fn show(id: &str, json: bool) -> Result<ExitCode> {
    let Some(rule) = shipped().rule(id) else {
        return Err(Exit::Usage.error(format!("there is no rule `{id}`: `wardline policy list` has them")));
    };
    if json {
        print_line!("{}", serde_json::to_string_pretty(&Shown::from(rule))?);
    } else {
        print_line!("{}", in_words(rule));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(rule: &Rule) -> String {
    let mut words = match rule.effect {
        Effect::Deny => format!("`{}` ({}): no agent session may {} it\n", rule.id, rule.is, rule.verb()),
        Effect::Allow => format!("`{}` ({}): left open\n", rule.id, rule.is),
    };
    words.push_str(&format!("why: {}\n", rule.why));
    if let Some(source) = &rule.source {
        words.push_str(&format!("source: {source}\n"));
    }
    words.push_str("where:");
    for site in &rule.sites {
        words.push_str(&format!("\n  {site}"));
    }
    words
}

/// The rules that meet what was named.
fn meetings(place: &str, home: &Path, workspace: Option<&Path>) -> Result<Vec<Meeting<'static>>> {
    if let Ok(address) = place.parse() {
        return Ok(shipped().meetings_at(address));
    }
    let absolute = |path: &Path| std::path::absolute(path).context("there is no current directory");
    let in_home = place.strip_prefix("~/").map(|rest| home.join(rest));
    let path = absolute(&in_home.unwrap_or_else(|| place.into()))?;
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    if let Some(workspace) = workspace
        && let Ok(rest) = path.strip_prefix(absolute(workspace)?)
    {
        return Ok(shipped().meetings_in_workspace(&bytes(rest)));
    }
    Ok(match path.strip_prefix(absolute(home)?) {
        Ok(rest) => shipped().meetings_in_home(&bytes(rest)),
        Err(_) => shipped().meetings_in_system(&bytes(&path)),
    })
}

fn explain(place: &str, home: &Path, workspace: Option<&Path>, json: bool) -> Result<ExitCode> {
    let met = meetings(place, home, workspace)?;
    if json {
        let met: Vec<Met<'_>> = met
            .iter()
            .map(|met| Met { how: how(met.way), site: met.row.site.to_string(), rule: met.row.rule.into() })
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&met)?);
    } else {
        print_line!("{}", explained(place, &met));
    }
    Ok(ExitCode::SUCCESS)
}

fn how(way: Way) -> &'static str {
    match way {
        Way::Itself => "it is",
        Way::Named => "it has the name of",
        Way::Below => "it lies in",
        Way::Copy => "it is a copy of",
    }
}

fn explained(place: &str, met: &[Meeting<'_>]) -> String {
    let Some(first) = met.first() else {
        return format!("no rule meets `{place}`: what was learned decides");
    };
    let mut words = match first.row.rule.effect {
        Effect::Deny => {
            let Rule { id, is, why, .. } = first.row.rule;
            format!(
                "no agent session may {} `{place}`: {} {} (`{id}`, {is}): {why}",
                first.row.rule.verb(),
                how(first.way),
                first.row.site
            )
        }
        Effect::Allow => {
            let Rule { id, why, .. } = first.row.rule;
            format!("`{place}` is left open (`{id}`): {why}")
        }
    };
    for other in &met[1..] {
        let effect = match other.row.rule.effect {
            Effect::Deny => format!("closed to {}", other.row.rule.verb()),
            Effect::Allow => "left open".to_owned(),
        };
        words.push_str(&format!(
            "\n  also: {} {} (`{}`): {effect}",
            how(other.way),
            other.row.site,
            other.row.rule.id
        ));
    }
    words
}

fn check(file: &Path, json: bool) -> Result<ExitCode> {
    let name = file.display().to_string();
    let mut text = String::new();
    // One byte more than may be there: a longer file is told as one.
    let limit = policy::MAX_BYTES as u64 + 1;
    File::open(file)
        .and_then(|opened| opened.take(limit).read_to_string(&mut text))
        .with_context(|| format!("`{name}` could not be read"))?;
    let read = Policy::read(&name, &text);
    if json {
        let wrong = read.as_ref().err();
        let wrong: Vec<Wrong<'_>> = wrong
            .into_iter()
            .flat_map(|wrong| wrong.mistakes.iter().map(move |one| (wrong, one)))
            .map(|(wrong, one)| {
                let (line, column) = wrong.position(one);
                Wrong { line, column, message: &one.message, help: one.help.as_deref() }
            })
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&wrong)?);
    } else {
        match &read {
            Ok(policy) => {
                print_line!("`{name}` is a policy of {}", table::count(policy.rules().len() as u64, "rule"))
            }
            Err(wrong) => print_line!("{}", wrong.render().trim_end()),
        }
    }
    Ok(if read.is_ok() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(place: &str) -> String {
        let met = meetings(place, Path::new("/home/u"), Some(Path::new("/home/u/app"))).unwrap();
        explained(place, &met)
    }

    #[test]
    fn a_place_is_explained() {
        let places = [
            "~/.ssh/config",
            "~/.netrc.bak",
            "/etc/shadow",
            "~/notes.txt",
            "~/.local/bin/x",
            "/home/u/app/.vscode/tasks.json",
            "169.254.169.254",
            "~/other/.git/hooks/pre-commit",
        ];
        insta::assert_snapshot!(places.map(said).join("\n\n"));
    }

    #[test]
    fn a_rule_is_shown() {
        insta::assert_snapshot!(in_words(shipped().rule("gpg").unwrap()));
    }
}
