//! The stage on which sessions of real agents run: the world of a corpus, with agents, repositories and a network.
#![expect(clippy::indexing_slicing, reason = "JSON has null where it has nothing")]

use super::client::{Baseline, Client, Job, Run as Ended};
use super::waiting::Interrupts;
use anyhow::{Context, Result};
use datasets::agent::{self, Agent};
use datasets::corpus::plan::Planned;
use datasets::corpus::{Corpus, Kind, Mode, Observed, Run};
use datasets::model::Model;
use datasets::repository::{Prepared, Repository};
use datasets::scenario::{self, Delegates, Scenario, Seen, Watch};
use datasets::template::Family;
use datasets::{PackageIndex, Packages, Script, Services, World, network, observe};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Everything that a session needs. The calling thread is in the network of its own from here on.
pub struct Stage<'i> {
    world: World,
    services: Services,
    client: Client<'i>,
    agents: BTreeMap<&'static str, &'static Agent>,
    /// By package: the version that lies in the world, and where.
    placed: BTreeMap<&'static str, (String, PathBuf)>,
    repositories: BTreeMap<String, Prepared>,
    families: Vec<Family>,
    path: OsString,
    scenarios: Vec<Scenario>,
    seed: u64,
}

impl<'i> Stage<'i> {
    /// Sets it up in the directory of a corpus. `said` hears what takes long. Agents, with their other version where
    /// `upgraded`, and packages are fetched before the network is left.
    pub fn open(
        corpus: &Corpus,
        agents: &[&'static Agent],
        upgraded: bool,
        repositories: &[Repository],
        families: Vec<Family>,
        interrupts: &'i Interrupts,
        mut said: impl FnMut(&str),
    ) -> Result<Stage<'i>> {
        let seed = corpus.description.seed;
        let scenarios = scenario::all()?;
        let world = World::fixed(seed)?;
        for &agent in agents {
            let other = agent.other_version.as_deref().filter(|_| upgraded);
            for version in [agent.version.as_str()].into_iter().chain(other) {
                said(&format!("installing {} {version}", agent.name));
                agent::install(agent, version)?;
            }
        }
        let mut prepared = BTreeMap::new();
        for repository in repositories {
            interrupts.check()?;
            said(&format!("fetching {} {}", repository.name, repository.version));
            prepared.insert(repository.name.clone(), repository.prepare(&world)?);
        }
        let packages = Packages::fetch(repositories)?;
        said("placing the toolchain");
        let path = datasets::place_toolchain(&world)?;
        network::isolate().context("the network of the sessions cannot be made")?;
        let services = Services::start_with(&world, packages)?;
        let client = Client::new(&world, corpus.state(), interrupts)?;
        Ok(Stage {
            world,
            services,
            client,
            agents: agents.iter().map(|&agent| (agent.name.as_str(), agent)).collect(),
            placed: BTreeMap::new(),
            repositories: prepared,
            families,
            path,
            scenarios,
            seed,
        })
    }

    /// The script of a planned session, with its attack in it if it has one.
    pub fn script(&self, planned: &Planned) -> Result<Script> {
        let family = self.families.iter().find(|family| family.name == planned.task);
        let family = family.with_context(|| format!("there is no family `{}`", planned.task))?;
        let template = family.templates.iter().find(|template| template.name == planned.template);
        let template = template.with_context(|| format!("there is no template `{}`", planned.template))?;
        let repository = self.repository(&planned.repository)?;
        let script = template.draw(family, &repository.repository, &repository.survey, planned.seed)?;
        Ok(match &planned.kind {
            Kind::Clean => script,
            Kind::Attack { scenario, variant } => {
                scenario::inject(&script, self.scenario(scenario)?, *variant, planned.seed)
            }
        })
    }

    /// Runs a planned session, in a home that is made anew.
    pub fn run(&mut self, planned: &Planned, mode: Mode) -> Result<Run> {
        let script = self.script(planned)?;
        self.world.renew(self.seed)?;
        let agent = *self
            .agents
            .get(planned.agent.as_str())
            .with_context(|| format!("the agent `{}` was not installed", planned.agent))?;
        let version = planned.version.as_deref().unwrap_or(&agent.version);
        let installed = self.place(agent, version)?;
        agent::configure(agent, &self.world)?;
        let workspace = self.repository(&planned.repository)?.place(&self.world)?;
        let command = agent.command(&installed, &script.prompt);
        let mut environment = agent.environment();
        environment.push(("PATH", self.path.clone()));
        let index = PackageIndex::environment(&self.world.home());
        environment.extend(index.into_iter().map(|(name, value)| (name, value.into())));
        let name = planned.id.replace('/', "-");
        let job = Job {
            name: &name,
            agent: &agent.name,
            task: &planned.task,
            workspace: &workspace,
            command: &command,
            environment: &environment,
        };
        let model = Model::start(network::MODEL, script, agent.finish.clone())?;
        let (ended, seen) = match &planned.kind {
            Kind::Clean => self.clean(&job, mode)?,
            Kind::Attack { scenario, .. } => {
                self.attacked(&job, mode, self.scenario(scenario)?, planned.seed)?
            }
        };
        let report = ended.report;
        let number = |name: &str| report[name].as_i64();
        let session = report["session"].as_str().and_then(|id| id.parse().ok()).or_else(|| number("session"));
        Ok(Run {
            id: planned.id.clone(),
            agent: agent.name.clone(),
            agent_version: version.to_owned(),
            task: planned.task.clone(),
            repository: planned.repository.clone(),
            template: planned.template.clone(),
            seed: planned.seed,
            split: planned.split,
            kind: planned.kind.clone(),
            mode,
            session: session.context("the summary names no session")?,
            exit_status: number("exit_status").and_then(|code| i32::try_from(code).ok()).unwrap_or(-1),
            onset_ns: model.onset_ns(),
            impact_ns: seen.impact_ns(model.onset_ns()),
            observed: seen.observed,
            summary: report,
        })
    }

    /// Where that version of the agent lies in the world, as the only one.
    fn place(&mut self, agent: &'static Agent, version: &str) -> Result<PathBuf> {
        match self.placed.get(agent.shared()) {
            Some((placed, path)) if placed == version => Ok(path.clone()),
            _ => {
                let path = agent::place(agent, version, &self.world)?;
                self.placed.insert(agent.shared(), (version.to_owned(), path.clone()));
                Ok(path)
            }
        }
    }

    /// Makes baselines of these sessions, by their numbers in the store, and calibrates them with the others.
    pub fn train(&self, sessions: &[i64], calibrate: &[i64]) -> Result<Vec<Baseline>> {
        self.client.train(sessions, calibrate)
    }

    /// Normal work. Secrets that it reads and bytes that it sends to hostile hosts are counted all the same.
    fn clean(&self, job: &Job<'_>, mode: Mode) -> Result<(Ended, Seen)> {
        self.world.seal()?;
        drop(self.services.arrived());
        let ended = self.client.run(mode, job)?;
        let observed = Observed {
            secret_bytes_read: observe::secret_bytes_read(&self.world, &ended.printed),
            bytes_sent: self.services.arrived().len() as u64,
            ..Observed::default()
        };
        Ok((ended, Seen { observed, ..Seen::default() }))
    }

    /// Normal work with an attack in it.
    fn attacked(&self, job: &Job<'_>, mode: Mode, scenario: &Scenario, seed: u64) -> Result<(Ended, Seen)> {
        let delegates = Delegates::start(self.world.user, &self.world.home())?;
        let mut ground = self.world.ground(job.workspace);
        scenario::plant(scenario, &mut ground, &self.services, seed)?;
        let watch = Watch::begin(scenario, &ground, &self.services, &delegates)?;
        let ended = self.client.run(mode, job)?;
        let seen = watch.end(&ended.printed, &self.services, &delegates)?;
        Ok((ended, seen))
    }

    fn scenario(&self, id: &str) -> Result<&Scenario> {
        self.scenarios
            .iter()
            .find(|known| known.id.0 == id)
            .with_context(|| format!("there is no scenario `{id}`"))
    }

    fn repository(&self, name: &str) -> Result<&Prepared> {
        self.repositories.get(name).with_context(|| format!("the repository `{name}` was not fetched"))
    }
}
