//! `wardline policy`: the rules that hold, which of them meet a place, and rules of one's own.

mod diff;
mod here;
mod own;
mod say;

use super::demo;
use anyhow::{Context, Result};
use command::print_line;
use command::user::UserArgs;
use command::{Exit, State, table, user};
use guard::rules;
use here::here;
use policy::{Effect, Layer, Meeting, Rule, Rules, Site, Source, Way, What};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The rules hold in every session from its first instruction on, whatever was learned. Rules of one's own come upon the shipped ones: \
root's for everybody, in `/etc/wardline/policy.d/*.toml`, and each user's, in `/etc/wardline/users/UID.toml`, which `allow`, `lend` and `deny` write. Any rule that denies refuses; one that allows \
takes back what an earlier layer refuses at exactly its place and does not call final. A mistake in such a file stops the start of every session (exit code 122).\n\nExamples:\n  wardline policy list\n  wardline policy show ssh\n  wardline policy explain ~/.netrc\n  wardline policy explain 169.254.169.254\n  sudo wardline policy allow ~/.npmrc\n  sudo wardline policy deny ~/customers\n  wardline policy check rules.toml"
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
        /// Its id; a layer of one's own may have the same
        id: String,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Say which rules meet a place, and which of them speaks
    #[command(
        after_help = "A path need not be there. Where it leads somewhere else by links, both places are explained. The rules come in this order: those that refuse before those that allow; \
of these the rule of the place itself, then of its name, then of what it lies in, nearest first. Any that refuses holds.\n\nExamples:\n  wardline policy explain ~/.config/gh/hosts.yml\n  wardline policy explain --workspace . .vscode/tasks.json\n  wardline policy explain 169.254.169.254"
    )]
    Explain {
        /// A path, or an address
        place: String,
        /// The home that it is in, if it is not yours
        #[arg(long, value_name = "DIR")]
        home: Option<PathBuf>,
        /// The session's workspace
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Try each rule on this machine, in a session of a throw-away home: what it closes must be refused, and what lies beside go
    /// on
    #[command(
        disable_help_flag = true,
        after_help = "Needs root. Exit code 124 says that an attempt came to something else than the rules say.\n\nExamples:\n  sudo wardline policy test\n  sudo wardline policy test ssh npm --json"
    )]
    Test(demo::Args),
    /// Write rules in plain English: what was understood is shown, and counts after a yes
    #[command(
        after_help = "The same words give the same rule. A text is obeyed when each of its words was understood and the rules can hold all of it; of anything else it is said \
which words no rule holds, why, and what comes near. Exit code 120 says that something was not understood.\n\nExamples:\n  wardline policy say \"never read ~/customers\"\n  sudo wardline policy say --yes \"agents may read ~/.npmrc\""
    )]
    Say(say::Args),
    /// Say what rules of one's own change of the shipped ones
    #[command(after_help = "`+` closes or tells more, `-` opens.\n\nExamples:\n  wardline policy diff")]
    Diff {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Edit your own rules with `$EDITOR`: they are written if they are rules
    #[command(after_help = "Examples:\n  sudo wardline policy edit")]
    Edit(UserArgs),
    /// Open a place for your own sessions, where a rule closes it that is not final
    #[command(
        after_help = "Without `--what`, reading. Sessions that run already keep the rules that they began with.\n\nExamples:\n  sudo wardline policy allow ~/.npmrc\n  sudo wardline policy allow ~/.vimrc --what change"
    )]
    Allow(own::PlaceArgs),
    /// Lend a credential to your own sessions: whoever reads it connects to the hosts that it is for, from then on
    #[command(
        after_help = "From the first read on, the session connects to these hosts, and to those that rules (`where.host` and `where.address` of one that allows) or its baseline name, and to nobody else. What is lent later narrows it further. A task whose baseline never used the credential is refused it. Sessions that run already keep the rules that they began with.\n\nExamples:\n  sudo wardline policy lend ~/.npmrc --host registry.npmjs.org\n  sudo wardline policy lend ~/.config/gh --host api.github.com --host github.com"
    )]
    Lend(own::LendArgs),
    /// Close a place of yours in your own sessions
    #[command(
        after_help = "Without `--what`, everything. Sessions that run already keep the rules that they began with.\n\nExamples:\n  sudo wardline policy deny ~/customers\n  sudo wardline policy deny ~/.config/app --what change"
    )]
    Deny(own::PlaceArgs),
    /// Take a rule of your own back
    #[command(
        after_help = "Examples:\n  sudo wardline policy forget allow-npmrc\n  sudo wardline policy forget ~/.npmrc"
    )]
    Forget(own::RuleArgs),
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
    hosts: &'r [String],
    agents: &'r [String],
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
            expires: rule.expires.map(|day| day.to_string()),
            why: &rule.why,
            source: rule.source.as_deref(),
            r#final: rule.is_final,
            from: rule.layer.word(),
            file: &rule.file,
        }
    }
}

/// A rule that meets a place, for scripts.
#[derive(Debug, Serialize)]
struct Met<'r> {
    how: &'static str,
    site: String,
    /// What is left of what it refuses.
    refused: Vec<&'static str>,
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

impl Args {
    /// Whether it changes what root obeys.
    pub fn writes(&self) -> bool {
        matches!(
            self.verb,
            Verb::Allow(_) | Verb::Lend(_) | Verb::Deny(_) | Verb::Forget(_) | Verb::Say(_) | Verb::Edit(_)
        )
    }
}

/// Does what was asked.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Allow(args) => own::add(state, Effect::Allow, args),
        Verb::Deny(args) => own::add(state, Effect::Deny, args),
        Verb::Lend(args) => own::lend(state, args),
        Verb::Forget(args) => own::forget(state, args),
        Verb::Say(args) => say::run(state, args),
        Verb::Diff { json } => diff::run(*json),
        Verb::Edit(user) => own::edit(state, user),
        Verb::Test(args) => test(state, args),
        Verb::List { json } => list(*json),
        Verb::Show { id, json } => show(id, *json),
        Verb::Explain { place, home, workspace, json } => {
            explain(place, home.as_deref(), workspace.as_deref(), *json)
        }
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
    let rules = rules.policy().rules();
    if json {
        let rules: Vec<Shown<'_>> = rules.iter().map(Shown::from).collect();
        print_line!("{}", serde_json::to_string_pretty(&rules)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table::table(&["rule", "no session may", "where", "from", "why"]);
    for rule in rules {
        let verb = match rule.effect {
            Effect::Deny => rule.verb(),
            Effect::Watch => "(told)",
            Effect::Allow => "(left open)",
            Effect::Lend => "(lent)",
            Effect::Ask => "(asked about)",
        };
        table.add_row([&*rule.id, verb, &some_places(rule), rule.layer.word(), &rule.why]);
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
    let rules: Vec<&Rule> = rules.policy().rules().iter().filter(|rule| rule.id == id).collect();
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
    format!("{}\nFrom: `{}` ({}{last})", rule.in_english(), rule.file, rule.layer.word())
}

/// Whose places are asked for.
struct Around {
    uid: u32,
    home: PathBuf,
    workspace: Option<PathBuf>,
}

impl Around {
    /// What was named, as a rule would name it. Where its path leads somewhere else, that as well.
    fn sites(&self, place: &str) -> Result<Vec<(String, Site)>> {
        if let Ok(address) = place.parse() {
            return Ok(vec![(place.to_owned(), Site::Address(address))]);
        }
        let in_home = place.strip_prefix("~/").map(|rest| self.home.join(rest));
        let path = in_home.unwrap_or_else(|| place.into());
        let path = std::path::absolute(path).context("there is no current directory")?;
        let mut sites = vec![(place.to_owned(), self.site(&path))];
        let leads_to = resolved(&path);
        let there = self.resolved().site(&leads_to);
        if sites.iter().all(|(_, site)| *site != there) {
            sites.push((leads_to.display().to_string(), there));
        }
        Ok(sites)
    }

    fn site(&self, path: &Path) -> Site {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let below = |directory: &Path| path.strip_prefix(directory).ok().map(text);
        let runtime = Path::new("/run/user").join(self.uid.to_string());
        let in_workspace = self.workspace.as_deref().and_then(below).map(Site::Workspace);
        let in_runtime = || below(&runtime).map(Site::Runtime);
        let in_home = || below(&self.home).map(Site::Home);
        in_workspace.or_else(in_runtime).or_else(in_home).unwrap_or_else(|| Site::System(text(path)))
    }

    /// As the kernel names it.
    fn resolved(&self) -> Self {
        let workspace = self.workspace.as_deref().map(resolved);
        Self { uid: self.uid, home: resolved(&self.home), workspace }
    }
}

/// Where a path leads: through the links in as much of it as is there.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    there.map_or_else(
        || path.to_owned(),
        |(above, real)| match path.strip_prefix(above) {
            Ok(rest) if rest != Path::new("") => real.join(rest),
            _ => real,
        },
    )
}

fn explain(place: &str, home: Option<&Path>, workspace: Option<&Path>, json: bool) -> Result<ExitCode> {
    let user = user::here()?;
    let rules = here()?;
    let absolute = |path: &Path| std::path::absolute(path).context("there is no current directory");
    let around = Around {
        uid: user.uid,
        home: absolute(home.unwrap_or(&user.home))?,
        workspace: workspace.map(absolute).transpose()?,
    };
    let sites = around.sites(place)?;
    if json {
        let met: Vec<Met<'_>> = sites.iter().flat_map(|(_, site)| met(&rules, site)).collect();
        print_line!("{}", serde_json::to_string_pretty(&met)?);
    } else {
        let words = sites.iter().map(|(place, site)| explained(place, &rules, site));
        print_line!("{}", words.collect::<Vec<_>>().join("\nit leads to another place: "));
    }
    Ok(ExitCode::SUCCESS)
}

fn met<'r>(rules: &'r Rules, site: &Site) -> Vec<Met<'r>> {
    let met = rules.policy().meetings_with(site);
    let shown = met.iter().map(|met| Met {
        how: how(met.way),
        site: met.row.site.to_string(),
        refused: match met.row.rule.effect {
            Effect::Deny | Effect::Ask => rules.left_at(met, site).words().collect(),
            Effect::Allow | Effect::Watch | Effect::Lend => Vec::new(),
        },
        rule: met.row.rule.into(),
    });
    shown.collect()
}

fn how(way: Way) -> &'static str {
    match way {
        Way::Itself => "it is",
        Way::Named => "it has the name of",
        Way::Below => "it lies in",
        Way::Copy => "it is a copy of",
    }
}

fn explained(place: &str, rules: &Rules, site: &Site) -> String {
    let met = rules.policy().meetings_with(site);
    let left = |met: &Meeting<'_>| match met.row.rule.effect {
        Effect::Deny | Effect::Ask => rules.left_at(met, site),
        Effect::Allow | Effect::Watch | Effect::Lend => What::empty(),
    };
    // What is lent may be read, whatever else closes it.
    if let Some(rule) = rules.lent_at(site) {
        let Rule { id, hosts, why, .. } = rule;
        return format!(
            "`{place}` is lent (`{id}`) for {}: who reads it connects there, and to what rules or the baseline name, from then on: {why}",
            hosts.join(" and ")
        );
    }
    let Some(first) = met.iter().find(|met| !left(met).is_empty()).or(met.first()) else {
        return format!("no rule meets `{place}`: what was learned decides");
    };
    let Rule { id, is, why, .. } = first.row.rule;
    let mut words = match (left(first), first.row.rule.effect) {
        (what, Effect::Deny) if !what.is_empty() => format!(
            "no agent session may {} `{place}`: {} {} (`{id}`, {is}): {why}",
            what.verb(),
            how(first.way),
            first.row.site
        ),
        (what, Effect::Ask) if !what.is_empty() => format!(
            "an agent session may {} `{place}` if its baseline saw its task do so: {} {} (`{id}`, {is}): {why}",
            what.verb(),
            how(first.way),
            first.row.site
        ),
        (_, Effect::Deny | Effect::Ask) => {
            format!("`{place}` is open: what rule `{id}` refuses is taken back")
        }
        (_, Effect::Watch) => format!("`{place}` is open, and what is done there is told (`{id}`): {why}"),
        (_, Effect::Allow) => format!("`{place}` is left open (`{id}`): {why}"),
        (_, Effect::Lend) => format!("`{place}` is lent (`{id}`): {why}"),
    };
    for other in met.iter().filter(|other| *other != first) {
        let Rule { id, file, layer, what, .. } = other.row.rule;
        let effect = match (left(other), other.row.rule.effect) {
            (left, Effect::Ask) if !left.is_empty() => {
                format!("asked about before it may {} it", left.verb())
            }
            (left, Effect::Deny) if left == *what => format!("closed to {}", what.verb()),
            (left, Effect::Deny | Effect::Ask) if left.is_empty() => "taken back".to_owned(),
            (left, Effect::Deny | Effect::Ask) => {
                format!("closed to {}; the rest is taken back", left.verb())
            }
            (_, Effect::Watch) => "told".to_owned(),
            (_, Effect::Allow) => "left open".to_owned(),
            (_, Effect::Lend) => "lent".to_owned(),
        };
        let from = if *layer == Layer::Shipped { String::new() } else { format!(" of `{file}`") };
        words.push_str(&format!("\n  also: {} {} (`{id}`{from}): {effect}", how(other.way), other.row.site));
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
    // As it would be read at a start: beside what is there already, which it may be, or may contradict.
    let is_users = file.parent().is_some_and(|above| above.ends_with("wardline/users"));
    let layer = if is_users { Layer::User } else { Layer::Machine };
    let mut sources = rules::of_machine().unwrap_or_default();
    sources.retain(|other| Path::new(&other.file) != file);
    sources.push(Source { layer, file: name.clone(), text });
    let read = Rules::read(&sources);
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
                print_line!("`{name}` is a policy of {}", table::count(own as u64, "rule"))
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

    fn said(place: &str) -> String {
        let around = Around { uid: 1000, home: "/home/u".into(), workspace: Some("/home/u/app".into()) };
        let sites = around.sites(place).unwrap();
        let words = sites.iter().map(|(place, site)| explained(place, &Rules::default(), site));
        words.collect::<Vec<_>>().join("\n")
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
            "~/.cargo/registry/src/x/tests/id_rsa",
            "/home/u/app/AGENTS.md",
            "/run/user/1000/bus",
        ];
        insta::assert_snapshot!(places.map(said).join("\n\n"));
    }

    #[test]
    fn a_rule_is_shown() {
        insta::assert_snapshot!(in_words(policy::shipped().rule("gpg").unwrap()));
    }
}
