//! `wardline policy explain`: which rules meet a place, and which of them speaks.

use super::here::here_in;
use super::shown::{Shown, limits};
use anyhow::{Context, Result};
use command::{print_line, user};
use event::{AgentName, TaskName};
use policy::{Effect, Layer, Meeting, Rule, Rules, Site, Way, What};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A path, or an address
    place: String,
    /// The home of the path, if it is not yours
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The session's workspace
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// The session's agent: rules for others are left out
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
    /// The session's task: rules for others are left out
    #[arg(long, value_name = "NAME")]
    task: Option<TaskName>,
    /// One JSON array
    #[arg(long)]
    json: bool,
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

/// Explains it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let user = user::here()?;
    let absolute = |path: &Path| std::path::absolute(path).context("there is no current directory");
    let workspace = args.workspace.as_deref().map(absolute).transpose()?;
    let workspaces: Vec<PathBuf> = workspace.iter().map(|workspace| resolved(workspace)).collect();
    let (rules, notes) = here_in(&workspaces)?;
    let rules = match &args.agent {
        Some(agent) => rules.of_session(agent.as_str()),
        None => rules,
    };
    let rules = match &args.task {
        Some(task) => rules.of_task(task.as_str()),
        None => rules,
    };
    let around =
        Around { uid: user.uid, home: absolute(args.home.as_deref().unwrap_or(&user.home))?, workspace };
    let sites = around.sites(&args.place)?;
    if args.json {
        let met: Vec<Met<'_>> = sites.iter().flat_map(|(_, site)| met(&rules, site)).collect();
        print_line!("{}", serde_json::to_string_pretty(&met)?);
    } else {
        let words = sites.iter().map(|(place, site)| explained(place, &rules, site));
        print_line!("{}", words.collect::<Vec<_>>().join("\nit leads to another place: "));
        for note in notes {
            print_line!("{note}");
        }
    }
    Ok(ExitCode::SUCCESS)
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

/// What is left of what a rule refuses at a place that it meets. What is lent may be read, whatever else closes it.
fn left(rules: &Rules, met: &Meeting<'_>, site: &Site) -> What {
    match met.row.rule.effect {
        Effect::Deny if rules.lent_at(site).is_some() => rules.left_at(met, site) - What::READ,
        Effect::Deny => rules.left_at(met, site),
        Effect::Allow | Effect::Watch | Effect::Lend => What::empty(),
    }
}

fn met<'r>(rules: &'r Rules, site: &Site) -> Vec<Met<'r>> {
    let met = rules.policy().meetings_with(site);
    let shown = met.iter().map(|met| Met {
        how: how(met.way),
        site: met.row.site.to_string(),
        refused: left(rules, met, site).words().collect(),
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
    let left = |met: &Meeting<'_>| left(rules, met, site);
    let is_lent = |met: &Meeting<'_>| met.row.rule.effect == Effect::Lend;
    let speaks = met.iter().find(|met| is_lent(met)).or(met.iter().find(|met| !left(met).is_empty()));
    let Some(first) = speaks.or(met.first()) else {
        return format!("no rule is about `{place}`: the baseline decides");
    };
    let Rule { id, is, why, hosts, .. } = first.row.rule;
    let limits_of = limits(first.row.rule);
    let mut words = match (left(first), first.row.rule.effect) {
        (what, Effect::Deny) if !what.is_empty() => format!(
            "no agent session may {} `{place}`: {} {} (`{id}`, {is}{limits_of}): {why}",
            what.verb(),
            how(first.way),
            first.row.site
        ),
        (_, Effect::Deny) => format!("`{place}` is open: what rule `{id}` refuses is taken back"),
        (_, Effect::Watch) => {
            format!("`{place}` is open, and what is done there is told (`{id}`{limits_of}): {why}")
        }
        (_, Effect::Allow) => format!("`{place}` is left open (`{id}`{limits_of}): {why}"),
        (_, Effect::Lend) => format!(
            "`{place}` is lent (`{id}`{limits_of}) for {}: who reads it connects there, and to what rules or the baseline name, from then on: {why}",
            hosts.join(" and ")
        ),
    };
    let is_read = is_lent(first);
    for other in met.iter().filter(|other| *other != first) {
        let Rule { id, file, layer, what, .. } = other.row.rule;
        let rest = if is_read && what.contains(What::READ) { "lent" } else { "taken back" };
        let effect = match (left(other), other.row.rule.effect) {
            (left, Effect::Deny) if left == *what => format!("closed to {}", what.verb()),
            (left, Effect::Deny) if left.is_empty() => rest.to_owned(),
            (left, Effect::Deny) => format!("closed to {}; the rest is {rest}", left.verb()),
            (_, Effect::Watch) => "told".to_owned(),
            (_, Effect::Allow) => "left open".to_owned(),
            (_, Effect::Lend) => "lent".to_owned(),
        };
        let from = if *layer == Layer::Shipped { String::new() } else { format!(" of `{file}`") };
        let limits = limits(other.row.rule);
        words.push_str(&format!(
            "\n  also: {} {} (`{id}`{from}{limits}): {effect}",
            how(other.way),
            other.row.site
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Source;

    fn said_by(rules: &Rules, place: &str) -> String {
        let around = Around { uid: 1000, home: "/home/u".into(), workspace: Some("/home/u/app".into()) };
        let sites = around.sites(place).unwrap();
        let words = sites.iter().map(|(place, site)| explained(place, rules, site));
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
        insta::assert_snapshot!(places.map(|place| said_by(&Rules::default(), place)).join("\n\n"));
    }

    #[test]
    fn whom_rules_are_for_and_how_long_is_explained_beside_a_loan_as_well() {
        let rule = |id: &str, place: &str, effect: &str, more: &str| {
            let what = if effect == "deny" { "everything" } else { "read" };
            format!(
                "[[rule]]\nid = \"{id}\"\nis = \"x\"\nwhere.home = \"{place}\"\nwhat = \"{what}\"\neffect = \"{effect}\"\nwhy = \"said\"\n{more}\n"
            )
        };
        let text = [
            rule("lent", ".npmrc", "lend", "hosts = \"registry.example.org\"\nagents = \"codex\""),
            rule("ends", "customers", "deny", "expires = \"9999-12-31\""),
            rule("some", "customers", "deny", "agents = [\"codex\", \"aider\"]"),
        ];
        let source = Source { layer: Layer::User, file: "own.toml".into(), text: text.concat() };
        let rules = Rules::read(&[source], guard::rules::today()).unwrap();
        let places = ["~/.npmrc", "~/customers/list"].map(|place| said_by(&rules, place));
        let aider = said_by(&rules.of_session("aider"), "~/.npmrc");
        insta::assert_snapshot!([&places[..], &[aider]].concat().join("\n\n"));
    }
}
