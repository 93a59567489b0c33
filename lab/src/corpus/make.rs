//! `wardline-lab corpus make`
#![expect(clippy::indexing_slicing, reason = "JSON has null where it has nothing")]

use super::profile::Profile;
use super::progress::Progress;
use crate::live::{Interrupts, Stage};
use anyhow::{Context, Result};
use command::Exit;
use command::print_line;
use datasets::agent::{self, Agent};
use datasets::corpus::plan::{Plan, Planned, Wanted};
use datasets::corpus::{
    AgentVersion, Corpus, Description, FORMAT, Kind, Mode, RepositoryVersion, Split, Variant,
};
use datasets::repository::{self, Repository};
use datasets::scenario::{self, Scenario};
use datasets::template::{self, Family};
use datasets::{User, corpus};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of `corpus make`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Agents are installed at pinned versions, once, through npm and pip; repositories are fetched through cargo, npm and pip. \
Both are kept in $WARDLINE_CACHE (~/.cache/wardline). Sessions run in a network of their own, as a user that owns nothing \
else. What is planned is recorded first, some of it once more with another version of its agent; then baselines are made of the training split and calibrated with \
the calibration split, and the attacks and the test split run once more, guarded. An interrupted making goes on where it was.\n\nExamples:\n  sudo wardline-lab corpus make --profile quick --dir /var/tmp/corpus\n  sudo wardline-lab corpus make --profile full --dir /var/tmp/corpus --agent codex --task edit"
)]
pub struct Args {
    /// Directory of the corpus
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The size of the corpus
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    pub profile: Profile,
    /// Only these agents
    #[arg(long, value_name = "AGENT", value_parser = named)]
    pub agent: Vec<&'static Agent>,
    /// Only these tasks
    #[arg(long, value_name = "TASK")]
    pub task: Vec<String>,
    /// Only these scenarios of attacks
    #[arg(long, value_name = "S01")]
    pub scenario: Vec<String>,
    /// Attacks only in these variants: immediate, delayed, spread, padded
    #[arg(long, value_name = "VARIANT", value_parser = variant)]
    pub variant: Vec<Variant>,
    /// Normal work only, without attacks
    #[arg(long, conflicts_with_all = ["scenario", "variant"])]
    pub clean: bool,
    /// Only recordings, no guarded runs
    #[arg(long)]
    pub record_only: bool,
    /// Clean sessions of each agent and task
    #[arg(long, value_name = "N")]
    pub sessions: Option<usize>,
    /// Another seed gives other sessions
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Args {
    /// Whether less is asked for than the profile has.
    fn is_part(&self) -> bool {
        let chosen = !(self.agent.is_empty()
            && self.task.is_empty()
            && self.scenario.is_empty()
            && self.variant.is_empty());
        let fewer = self.sessions.is_some_and(|sessions| sessions < self.profile().sessions());
        chosen || fewer || self.clean || self.record_only
    }

    fn profile(&self) -> corpus::Profile {
        self.profile.into()
    }
}

/// Makes it, or goes on with it.
pub fn run(args: &Args) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Exit::CannotProtect
            .error("a corpus is recorded through the kernel: use `sudo wardline-lab corpus make`"));
    }
    let families = template::families()?;
    let agents = if args.agent.is_empty() {
        args.profile().agents().into_iter().map(agent::named).collect::<Result<_, _>>()?
    } else {
        args.agent.clone()
    };
    let tasks = if args.task.is_empty() { args.profile().tasks(&families) } else { args.task.clone() };
    if let Some(unknown) = tasks.iter().find(|task| !families.iter().any(|family| family.name == **task)) {
        return Err(Exit::Usage.error(format!("there is no task family `{unknown}`")));
    }
    let families: Vec<Family> = families.into_iter().filter(|family| tasks.contains(&family.name)).collect();
    let repositories = repository::all()?;
    let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    let profile = args.profile();
    let (wanted, variants) = profile.attacks();
    let scenarios = if args.clean { Vec::new() } else { scenarios(&args.scenario, wanted)? };
    // The agents of the profile take turns, whichever of them are made now.
    let all = profile.agents();
    let wanted = Wanted {
        agents: &names,
        turns: if names.iter().all(|name| all.contains(name)) { &all } else { &names },
        families: &families,
        repositories: &repositories,
        scenarios: &scenarios,
        variants: if args.variant.is_empty() { variants } else { &args.variant },
        sessions: args.sessions.unwrap_or_else(|| profile.sessions()),
        upgraded: profile.upgraded(),
    };
    let mut plan = wanted.plan(args.seed)?;
    if args.record_only {
        plan.live.clear();
    }
    let corpus = open(args, &agents, &repositories)?;
    make(corpus, &agents, &repositories, families, &plan)
}

/// The agent of a name that sessions can be made of.
fn named(name: &str) -> Result<&'static Agent, datasets::Error> {
    agent::named(name)
}

fn variant(name: &str) -> Result<Variant, String> {
    let known = Variant::ALL.into_iter().find(|variant| variant.name() == name);
    known.ok_or_else(|| format!("the variants are {}", Variant::ALL.map(Variant::name).join(", ")))
}

/// What of a plan is not there yet: to be recorded, and to run guarded.
fn left<'p>(plan: &'p Plan, done: &BTreeSet<String>) -> (Vec<&'p Planned>, Vec<&'p Planned>) {
    let is_left = |planned: &&Planned| !done.contains(&planned.id);
    (plan.recorded.iter().filter(is_left).collect(), plan.live.iter().filter(is_left).collect())
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
    agents: &[&'static Agent],
    repositories: &[Repository],
    families: Vec<Family>,
    plan: &Plan,
) -> Result<()> {
    let done: BTreeSet<String> = corpus.runs()?.into_iter().map(|run| run.id).collect();
    let (recorded, live) = left(plan, &done);
    let (all, left) = (plan.recorded.len() + plan.live.len(), recorded.len() + live.len());
    if left == 0 {
        print_line!("{}: all {all} runs are there", corpus.path().display());
        return Ok(());
    }
    anstream::eprintln!(
        "{all} runs, {left} of them to be made, {} guarded: about {} minutes, besides what has to be installed",
        live.len(),
        recorded.iter().chain(&live).map(|planned| seconds(&planned.agent)).sum::<u64>().div_ceil(60)
    );
    let interrupts = Interrupts::take()?;
    let progress = Progress::new(left);
    let (began, before_seconds) = (Instant::now(), corpus.description.making_seconds);
    let upgraded = recorded.iter().any(|planned| planned.version.is_some());
    let staged = Stage::open(&corpus, agents, upgraded, repositories, families, &interrupts, |what| {
        progress.say(what)
    });
    let made = staged.and_then(|mut stage| {
        let mut new = 0;
        let mut run = |stage: &mut Stage<'_>, corpus: &mut Corpus, planned: &Planned, mode| -> Result<()> {
            interrupts.check()?;
            progress.say(&planned.id);
            let run = stage.run(planned, mode)?;
            note(corpus, &run, before_seconds + began.elapsed().as_secs())?;
            corpus.append(&run)?;
            progress.step();
            new += 1;
            Ok(())
        };
        for planned in recorded {
            run(&mut stage, &mut corpus, planned, Mode::Record)?;
        }
        if !live.is_empty() {
            let guarded = baselines(&stage, &corpus, &progress)?;
            for planned in live {
                let key = (planned.agent.clone(), planned.task.clone());
                if guarded.contains(&key) {
                    run(&mut stage, &mut corpus, planned, Mode::Enforce)?;
                } else {
                    progress
                        .note(&format!("{} did not run: {}/{} has no baseline", planned.id, key.0, key.1));
                }
            }
        }
        Ok(new)
    });
    drop(progress);
    if let Some(signal) = interrupts.arrived() {
        anstream::eprintln!("interrupted: the same command goes on from here");
        command::exit::die_by(signal);
    }
    print_line!("{}: {all} runs, {} of them new", corpus.path().display(), made?);
    Ok(())
}

/// Makes baselines of the clean recordings of the training split, calibrates them with those of the calibration split,
/// and uses nothing else: for which agents and tasks there are any. One agent after the other, since none leans on
/// another's sessions.
fn baselines(stage: &Stage<'_>, corpus: &Corpus, progress: &Progress) -> Result<BTreeSet<(String, String)>> {
    let mut sessions: BTreeMap<String, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
    for run in corpus.runs()?.into_iter().filter(|run| run.mode == Mode::Record && run.kind == Kind::Clean) {
        let (train, calibrate) = sessions.entry(run.agent).or_default();
        match run.split {
            Split::Train => train.push(run.session),
            Split::Calibrate => calibrate.push(run.session),
            Split::Test => {}
        }
    }
    let mut made = BTreeSet::new();
    for (agent, (train, calibrate)) in sessions.into_iter().filter(|(_, (train, _))| !train.is_empty()) {
        progress.say(&format!("training baselines of {agent}"));
        let baselines = stage.train(&train, &calibrate)?;
        made.extend(baselines.into_iter().map(|baseline| (baseline.agent, baseline.task)));
    }
    Ok(made)
}

/// What a session of an agent takes on two idle cores of today, with everything around it, in seconds.
fn seconds(agent: &str) -> u64 {
    match agent {
        "shell" => 1,
        "codex" | "codex-sandbox" => 2,
        _ => 5,
    }
}

/// Notes in the description what is known when a run ended.
fn note(corpus: &mut Corpus, run: &corpus::Run, making_seconds: u64) -> Result<()> {
    let description = &mut corpus.description;
    if description.tier.is_empty()
        && let Some(tier) = run.summary["tier"].as_str()
    {
        tier.clone_into(&mut description.tier);
    }
    description.making_seconds = making_seconds;
    Ok(corpus.describe()?)
}

/// BLAKE3 of this program, hex.
fn build() -> Result<String> {
    // Even where the file was replaced since it was started.
    let program = File::open("/proc/self/exe").context("this program cannot read itself")?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(program).context("this program cannot read itself")?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Opens the corpus that is there, or begins one.
fn open(args: &Args, agents: &[&'static Agent], repositories: &[Repository]) -> Result<Corpus> {
    let build = build()?;
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
            profile: args.profile().name().to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            tier: String::new(),
            wardline: env!("CARGO_PKG_VERSION").to_owned(),
            build: Some(build.clone()),
            making_seconds: 0,
            uid: User::of_recordings()?.id,
            home: format!("{}/home/agent", datasets::FIXED),
            agents: Vec::new(),
            repositories: repositories.iter().map(described).collect(),
        };
        Corpus::begin(&path, description)?
    };
    let description = &mut corpus.description;
    if !args.is_part() {
        args.profile().name().clone_into(&mut description.profile);
    }
    if description.seed != args.seed {
        return Err(Exit::Usage.error(format!(
            "`{}` was begun with the seed {}: name that one, or another directory",
            args.dir.display(),
            description.seed
        )));
    }
    if let Some(known) = &description.build
        && *known != build
    {
        return Err(Exit::Usage.error(format!(
            "`{}` was begun by another build of Wardline ({known}, this is {build}): use that one, or choose another directory",
            args.dir.display()
        )));
    }
    for agent in agents {
        let version = AgentVersion { name: agent.name.clone(), version: agent.version.clone() };
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
