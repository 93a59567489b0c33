//! `wardline policy`: the rules that hold, which of them meet a place, and users' rules.

pub mod apply;
mod diff;
mod explain;
mod here;
mod own;
mod say;
mod shown;
mod trust;

use super::demo;
use anyhow::{Context, Result};
use command::print_line;
use command::user::UserArgs;
use command::{Exit, State, table, user};
use guard::{repository, rules};
use here::here;
use policy::{Effect, Layer, Rule, Rules, Source, say};
use serde::Serialize;
use shown::{Shown, limits};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The rules hold in every session from its first instruction on, whatever a baseline allows. The machine's rules, in \
`/etc/wardline/policy.d/*.toml`, and each user's, in `/etc/wardline/users/UID.toml`, add to the shipped ones; `allow`, `lend` and `deny` write the user's. A rule that denies refuses; one that allows \
cancels rules of earlier layers at exactly its place, unless they are final. While such a file has an error, no session starts (exit code 122).\n\nExamples:\n  wardline policy list\n  wardline policy show ssh\n  wardline policy explain ~/.netrc\n  wardline policy explain 169.254.169.254\n  sudo wardline policy allow ~/.npmrc\n  sudo wardline policy deny ~/customers\n  wardline policy check rules.toml"
)]
pub struct Args {
    /// The operation
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
    /// Show one rule with its places and its reason
    #[command(after_help = "Examples:\n  wardline policy show ssh")]
    Show {
        /// Its id; several layers may have the same
        id: String,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Explain which rules apply to a place, and which one decides
    #[command(
        after_help = "A path need not be there. Where it leads somewhere else by links, both places are explained. The rules come in this order: those that refuse before those that allow; \
of these the rule of the place itself, then of its name, then of what it lies in, nearest first. Any that refuses holds.\n\nExamples:\n  wardline policy explain ~/.config/gh/hosts.yml\n  wardline policy explain --workspace . .vscode/tasks.json\n  wardline policy explain 169.254.169.254"
    )]
    Explain(explain::Args),
    /// Try each rule on this machine, in a session of a throw-away home: what it closes must be refused, and what lies beside go
    /// on
    #[command(
        disable_help_flag = true,
        after_help = "Needs root. Exit code 124 says that an attempt came to something else than the rules say.\n\nExamples:\n  sudo wardline policy test\n  sudo wardline policy test ssh npm --json"
    )]
    Test(demo::Args),
    /// Write rules in plain English; shows them, and asks before writing
    #[command(
        after_help = "The same words give the same rule. A text is obeyed when each of its words was understood and the rules can hold all of it; of anything else it is said \
which words no rule holds, why, and what comes near. Exit code 120 says that something was not understood.\n\nExamples:\n  wardline policy say \"never read ~/customers\"\n  sudo wardline policy say --yes \"agents may read ~/.npmrc\""
    )]
    Say(say::Args),
    /// Show how your rules change the shipped ones
    #[command(after_help = "`+` closes or tells more, `-` opens.\n\nExamples:\n  wardline policy diff")]
    Diff {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Edit your rules with `$EDITOR`, and check them
    #[command(after_help = "Examples:\n  sudo wardline policy edit")]
    Edit(UserArgs),
    /// Open a place for your sessions that a rule closes which is not final
    #[command(
        after_help = "Without `--what`, reading. It counts from the next session on: those that run go on as they are.\n\nExamples:\n  sudo wardline policy allow ~/.npmrc\n  sudo wardline policy allow ~/.vimrc --what change"
    )]
    Allow(own::PlaceArgs),
    /// Lend a credential to your sessions: after reading it, a session connects only to its hosts
    #[command(
        after_help = "From the first read on, the session connects to these hosts, and to those that rules (`where.host` and `where.address` of one that allows) or its baseline name, and to nobody else. What is lent later narrows it further. A task whose baseline never used the credential is refused it. Sessions that run already are lent nothing new.\n\nExamples:\n  sudo wardline policy lend ~/.npmrc --host registry.npmjs.org\n  sudo wardline policy lend ~/.config/gh --host api.github.com --host github.com"
    )]
    Lend(own::LendArgs),
    /// Close a place of yours in your sessions
    #[command(
        after_help = "Without `--what`, everything. Sessions that run already obey it at once. `--task` closes it during that task alone.\n\nExamples:\n  sudo wardline policy deny ~/customers\n  sudo wardline policy deny ~/.config/app --what change"
    )]
    Deny(own::DenyArgs),
    /// Trust the rules of a repository; shows them, and asks
    #[command(
        after_help = "`.wardline.toml` at the top of a workspace has rules about what lies in it. They close and tell, and open nothing. A session says at its start that such a file is there and what it would say, and does not obey it; once it is believed it is obeyed, and no session changes it. A file that was changed is not believed any more.\n\nExamples:\n  sudo wardline policy trust\n  sudo wardline policy trust ~/src/app --yes\n  sudo wardline policy trust ~/src/app --forget"
    )]
    Trust(trust::Args),
    /// Apply the current rules to running sessions
    #[command(
        after_help = "What closes and tells more counts at once, whole or not at all: where something cannot be armed, the rules of before stay. What opens, and what was taken back, counts from the next session on. What a session has open already it goes on using. Links that a session may have made are not followed: it is said where one is on the way, and exit code 125 says that a session does not obey all of it. `deny`, `say`, `edit`, `trust`, `allow`, `lend` and `forget` do the same for your sessions by themselves.\n\nExamples:\n  sudo wardline policy apply\n  wardline policy apply last"
    )]
    Apply(apply::Args),
    /// Remove a rule of yours
    #[command(
        after_help = "Examples:\n  sudo wardline policy forget allow-npmrc\n  sudo wardline policy forget ~/.npmrc"
    )]
    Forget(own::RuleArgs),
    /// Check a file of rules
    #[command(
        after_help = "Exit code 125 says that it is none.\n\nExamples:\n  wardline policy check rules.toml"
    )]
    Check {
        /// The file, TOML
        file: PathBuf,
        /// One JSON array of errors
        #[arg(long)]
        json: bool,
    },
}

/// A mistake, for scripts.
#[derive(Debug, Serialize)]
struct Wrong<'m> {
    line: usize,
    column: usize,
    message: &'m str,
    help: Option<&'m str>,
}

impl Args {
    /// Whether it changes what sessions obey.
    pub fn writes(&self) -> bool {
        matches!(
            self.verb,
            Verb::Allow(_)
                | Verb::Lend(_)
                | Verb::Deny(_)
                | Verb::Apply(_)
                | Verb::Forget(_)
                | Verb::Say(_)
                | Verb::Edit(_)
                | Verb::Trust(_)
        )
    }
}

/// Does what was asked.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Allow(args) => own::allow(state, args),
        Verb::Deny(args) => own::deny(state, args),
        Verb::Lend(args) => own::lend(state, args),
        Verb::Apply(args) => apply::run(state, args),
        Verb::Forget(args) => own::forget(state, args),
        Verb::Say(args) => say::run(state, args),
        Verb::Trust(args) => trust::run(state, args),
        Verb::Diff { json } => diff::run(*json),
        Verb::Edit(user) => own::edit(state, user),
        Verb::Test(args) => test(state, args),
        Verb::List { json } => list(*json),
        Verb::Show { id, json } => show(id, *json),
        Verb::Explain(args) => explain::run(args),
        Verb::Check { file, json } => check(file, *json),
    }
}

/// With the files that hold in one's own sessions.
fn test(state: &State, args: &demo::Args) -> Result<ExitCode> {
    let mut options = args.options.clone();
    let own = rules::of_user(user::owner(None, state)?)?;
    for source in rules::of_machine()?.into_iter().chain(own) {
        options.extend(["--with".into(), source.file.into()]);
    }
    demo::lab("rules", &options)
}

fn list(json: bool) -> Result<ExitCode> {
    let rules = here()?;
    let all = || rules.policy().rules().iter().chain(rules.expired());
    if json {
        let rules: Vec<Shown<'_>> = all().map(Shown::from).collect();
        print_line!("{}", serde_json::to_string_pretty(&rules)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table::table(&["rule", "no session may", "where", "from", "why"]);
    for rule in all() {
        let verb = match rule.effect {
            Effect::Deny => rule.verb(),
            Effect::Watch => "(told)",
            Effect::Allow => "(left open)",
            Effect::Lend => "(lent)",
        };
        let verb = verb.to_owned() + &limits(rule);
        table.add_row([&*rule.id, &verb, &some_places(rule), rule.layer.word(), &rule.why]);
    }
    print_line!("{}", table::plain(&table));
    Ok(ExitCode::SUCCESS)
}

/// The first places of a rule, and how many more it has.
fn some_places(rule: &Rule) -> String {
    const SHOWN: usize = 2;
    let mut places: Vec<String> = rule.sites.iter().take(SHOWN).map(ToString::to_string).collect();
    match rule.sites.len().saturating_sub(SHOWN) {
        0 => {}
        more => places.push(format!("and {more} more")),
    }
    places.join(", ")
}

fn show(id: &str, json: bool) -> Result<ExitCode> {
    let rules = here()?;
    let all = rules.policy().rules().iter().chain(rules.expired());
    let rules: Vec<&Rule> = all.filter(|rule| rule.id == id).collect();
    if rules.is_empty() {
        return Err(Exit::Usage.error(format!("there is no rule `{id}`: `wardline policy list` has them")));
    }
    if json {
        let shown: Vec<Shown<'_>> = rules.into_iter().map(Shown::from).collect();
        print_line!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print_line!("{}", rules.into_iter().map(in_words).collect::<Vec<_>>().join("\n\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(rule: &Rule) -> String {
    let last = if rule.is_final && rule.effect == Effect::Deny { ", final" } else { "" };
    format!("{}\nFrom: `{}` ({}{last})", say(rule), rule.file, rule.layer.word())
}

fn check(file: &Path, json: bool) -> Result<ExitCode> {
    let name = file.display().to_string();
    let text = File::open(file)
        .and_then(|opened| rules::read_text(opened, policy::MAX_BYTES))
        .with_context(|| format!("`{name}` could not be read"))?;
    // As it would be read at a start: beside what is there already, which it may be, or may contradict.
    let is_users = file.parent().is_some_and(|above| above.ends_with("wardline/users"));
    let layer = match file.file_name() {
        Some(name) if name == repository::NAME => Layer::Repository,
        _ if is_users => Layer::User,
        _ => Layer::Machine,
    };
    let mut sources = rules::of_machine().unwrap_or_default();
    sources.retain(|other| Path::new(&other.file) != file);
    sources.push(Source { layer, file: name.clone(), text });
    let read = Rules::read(&sources, rules::today());
    if json {
        let wrong = read.as_ref().err();
        let wrong: Vec<Wrong<'_>> = wrong
            .into_iter()
            .flat_map(|wrong| &wrong.0)
            .flat_map(|wrong| wrong.mistakes.iter().map(move |one| (wrong, one)))
            .map(|(wrong, one)| {
                let (line, column) = wrong.position(one);
                Wrong { line, column, message: &one.message, help: one.help.as_deref() }
            })
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&wrong)?);
    } else {
        match &read {
            Ok(rules) => {
                let own = rules.own().filter(|rule| rule.file == name).count();
                print_line!("`{name}` is a policy of {}", text::count(own as u64, "rule"))
            }
            Err(wrong) => {
                for wrong in &wrong.0 {
                    print_line!("{}", wrong.render().trim_end());
                }
            }
        }
    }
    Ok(if read.is_ok() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_shown() {
        insta::assert_snapshot!(in_words(policy::shipped().rule("gpg").unwrap()));
    }
}
