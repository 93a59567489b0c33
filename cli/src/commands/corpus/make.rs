//! `wardline corpus make`

use crate::exit::Exit;
use crate::live::{Interrupts, Stage};
use anyhow::{Context, Result};
use datasets::agent::{self, Agent};
use datasets::corpus::{AgentVersion, Corpus, Description, FORMAT, Mode, RepositoryVersion, Variant, plan};
use datasets::repository::{self, Repository};
use datasets::scenario::{self, Scenario};
use datasets::template::{self, Family};
use datasets::{User, corpus};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `corpus make`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Agents are installed at pinned versions, once, through npm and pip; repositories are fetched through cargo, npm and pip. \
Both are kept in $WARDLINE_CACHE (~/.cache/wardline). Sessions run in a network of their own, as a user that owns nothing \
else. An interrupted making goes on where it was.\n\nExamples:\n  sudo wardline corpus make --profile quick --dir /var/tmp/corpus\n  sudo wardline corpus make --profile full --dir /var/tmp/corpus --agent codex --task edit"
)]
pub struct Args {
    /// Directory of the corpus
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// How much of everything
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    pub profile: Profile,
    /// Only these agents
    #[arg(long, value_name = "AGENT")]
    pub agent: Vec<String>,
    /// Only these tasks
    #[arg(long, value_name = "TASK")]
    pub task: Vec<String>,
    /// Only these scenarios of attacks
    #[arg(long, value_name = "S01")]
    pub scenario: Vec<String>,
    /// Normal work only, without attacks
    #[arg(long, conflicts_with = "scenario")]
    pub clean: bool,
    /// Clean sessions of each agent and task
    #[arg(long, value_name = "N")]
    pub sessions: Option<usize>,
    /// Another seed gives other sessions
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// How large a corpus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// One agent, one task, five sessions: to see that it works
    Smoke,
    /// Two agents, three tasks, 20 sessions of each
    Quick,
    /// Every agent, every task, 40 sessions of each
    Full,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Smoke => "smoke",
            Profile::Quick => "quick",
            Profile::Full => "full",
        }
    }

    fn agents(self) -> Vec<&'static str> {
        match self {
            Profile::Smoke => vec!["shell"],
            Profile::Quick => vec!["codex", "shell"],
            Profile::Full => agent::all().iter().map(|agent| agent.name()).collect(),
        }
    }

    fn tasks(self, families: &[Family]) -> Vec<String> {
        match self {
            Profile::Smoke => vec!["edit".into()],
            Profile::Quick => ["summarize", "edit", "review"].map(String::from).to_vec(),
            Profile::Full => families.iter().map(|family| family.name.clone()).collect(),
        }
    }

    /// Scenarios of attacks, and in which variants. The first ten meet each of what a session can be stopped by: jewels,
    /// configuration of agents, sockets of delegated authority, hosts, and only the score.
    fn attacks(self) -> (&'static [&'static str], &'static [Variant]) {
        const QUICK: [&str; 10] = ["S01", "S04", "S08", "S25", "S03", "S06", "S15", "S20", "S21", "S26"];
        match self {
            Profile::Smoke => (&QUICK[..4], &[Variant::Immediate]),
            Profile::Quick => (&QUICK, &[Variant::Immediate, Variant::Delayed]),
            Profile::Full => (&[], &Variant::ALL),
        }
    }

    fn sessions(self) -> usize {
        match self {
            Profile::Smoke => 5,
            Profile::Quick => 20,
            Profile::Full => 40,
        }
    }
}

/// Makes it, or goes on with it.
pub fn run(args: &Args) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Exit::CannotProtect
            .error("a corpus is recorded through the kernel: use `sudo wardline corpus make`"));
    }
    let families = template::families()?;
    let names = if args.agent.is_empty() {
        args.profile.agents().into_iter().map(String::from).collect()
    } else {
        args.agent.clone()
    };
    let agents = names.iter().map(|name| agent::named(name)).collect::<Result<Vec<_>, _>>();
    let agents = agents.map_err(|error| Exit::Usage.error(error.to_string()))?;
    let tasks = if args.task.is_empty() { args.profile.tasks(&families) } else { args.task.clone() };
    if let Some(unknown) = tasks.iter().find(|task| !families.iter().any(|family| family.name == **task)) {
        return Err(Exit::Usage.error(format!("there is no task family `{unknown}`")));
    }
    let families: Vec<Family> = families.into_iter().filter(|family| tasks.contains(&family.name)).collect();
    let repositories = repository::all()?;
    let corpus = open(args, &agents, &repositories)?;
    let sessions = args.sessions.unwrap_or_else(|| args.profile.sessions());
    let names: Vec<&str> = agents.iter().map(|agent| agent.name()).collect();
    let mut planned = plan::clean(args.seed, &names, &families, &repositories, sessions)?;
    if !args.clean {
        let (wanted, variants) = args.profile.attacks();
        let scenarios = scenarios(&args.scenario, wanted)?;
        planned.extend(plan::attacks(args.seed, &names, &families, &repositories, &scenarios, variants)?);
    }
    make(corpus, &agents, &repositories, families, &planned)
}

/// The scenarios that are asked for by name, else those of the profile; an empty list is all of them.
fn scenarios(asked: &[String], wanted: &[&str]) -> Result<Vec<Scenario>> {
    let all = scenario::all()?;
    if let Some(unknown) = asked.iter().find(|id| !all.iter().any(|known| known.id.0 == **id)) {
        return Err(Exit::Usage.error(format!("there is no scenario `{unknown}`")));
    }
    let is_wanted = |id: &str| match asked {
        [] => wanted.is_empty() || wanted.contains(&id),
        asked => asked.iter().any(|name| name == id),
    };
    let chosen: Vec<Scenario> = all.into_iter().filter(|scenario| is_wanted(&scenario.id.0)).collect();
    let is_here = |name: &str| {
        ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(name).exists())
    };
    for scenario in &chosen {
        if let Some(missing) = scenario.needs.iter().find(|name| !is_here(name)) {
            return Err(Exit::CannotProtect.error(format!(
                "{} needs `{missing}`, which is not in /usr/local/bin, /usr/bin or /bin: install it, or leave the scenario out",
                scenario.id.0
            )));
        }
    }
    Ok(chosen)
}

fn make(
    mut corpus: Corpus,
    agents: &[&'static dyn Agent],
    repositories: &[Repository],
    families: Vec<Family>,
    planned: &[plan::Planned],
) -> Result<()> {
    let done: BTreeSet<String> = corpus.runs()?.into_iter().map(|run| run.id).collect();
    let left: Vec<&plan::Planned> = planned.iter().filter(|planned| !done.contains(&planned.id)).collect();
    if left.is_empty() {
        anstream::println!("{}: all {} runs are there", corpus.path().display(), planned.len());
        return Ok(());
    }
    anstream::eprintln!(
        "{} runs, {} of them to be made: about {} minutes, besides what has to be installed",
        planned.len(),
        left.len(),
        left.iter().map(|planned| seconds(&planned.agent)).sum::<u64>().div_ceil(60)
    );
    let interrupts = Interrupts::take()?;
    let progress = Progress::new(left.len());
    let staged = Stage::open(&corpus, agents, repositories, families, &interrupts, |what| progress.say(what));
    let made = staged.and_then(|mut stage| {
        for planned in &left {
            interrupts.check()?;
            progress.say(&planned.id);
            let run = stage.run(planned, Mode::Record)?;
            note_tier(&mut corpus, &run)?;
            corpus.append(&run)?;
            progress.step();
        }
        Ok(())
    });
    drop(progress);
    if let Some(signal) = interrupts.arrived() {
        anstream::eprintln!("interrupted: the same command goes on from here");
        crate::client::die_by(signal);
    }
    made?;
    anstream::println!("{}: {} runs, {} of them new", corpus.path().display(), planned.len(), left.len());
    Ok(())
}

/// What a session of an agent takes on two cores of today, with everything around it, in seconds.
fn seconds(agent: &str) -> u64 {
    match agent {
        "shell" => 2,
        "codex" | "codex-sandbox" => 4,
        "opencode" => 8,
        _ => 9,
    }
}

fn note_tier(corpus: &mut Corpus, run: &corpus::Run) -> Result<()> {
    if corpus.description.tier.is_empty()
        && let Some(tier) = run.summary["tier"].as_str()
    {
        tier.clone_into(&mut corpus.description.tier);
        corpus.describe()?;
    }
    Ok(())
}

/// Opens the corpus that is there, or begins one.
fn open(args: &Args, agents: &[&'static dyn Agent], repositories: &[Repository]) -> Result<Corpus> {
    let mut corpus = if Corpus::exists(&args.dir) {
        Corpus::open(&args.dir)?
    } else {
        std::fs::create_dir_all(&args.dir)
            .with_context(|| format!("`{}` cannot be made", args.dir.display()))?;
        let path =
            args.dir.canonicalize().with_context(|| format!("`{}` cannot be found", args.dir.display()))?;
        let description = Description {
            format: FORMAT,
            seed: args.seed,
            profile: args.profile.name().to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            tier: String::new(),
            wardline: env!("CARGO_PKG_VERSION").to_owned(),
            uid: User::of_recordings()?.id,
            home: format!("{}/home/agent", datasets::FIXED),
            agents: Vec::new(),
            repositories: repositories.iter().map(described).collect(),
        };
        Corpus::begin(&path, description)?
    };
    let description = &mut corpus.description;
    if description.seed != args.seed {
        return Err(Exit::Usage.error(format!(
            "`{}` was begun with the seed {}: name that one, or another directory",
            args.dir.display(),
            description.seed
        )));
    }
    for agent in agents {
        let version = AgentVersion { name: agent.name().to_owned(), version: agent.version().to_owned() };
        match description.agents.iter().find(|known| known.name == version.name) {
            Some(known) if *known != version => {
                return Err(Exit::Usage.error(format!(
                    "`{}` has sessions of {} {}, and this program runs {}: choose another directory",
                    args.dir.display(),
                    known.name,
                    known.version,
                    version.version
                )));
            }
            Some(_) => {}
            None => description.agents.push(version),
        }
    }
    corpus.describe()?;
    Ok(corpus)
}

fn described(repository: &Repository) -> RepositoryVersion {
    RepositoryVersion {
        name: repository.name.clone(),
        ecosystem: repository.ecosystem.name().to_owned(),
        version: repository.version.clone(),
        hash: repository.hash.clone(),
    }
}

/// The progress bar, on standard error, with the time that is left; hidden where nobody looks.
struct Progress(ProgressBar);

impl Progress {
    fn new(steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos:>4}/{len} {elapsed} of {duration} {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Progress(bar)
    }

    fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
