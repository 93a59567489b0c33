//! The stage on which sessions of real agents run: the world of a corpus, with agents, repositories and a network.

use super::client::{Client, Job};
use super::waiting::Interrupts;
use anyhow::{Context, Result};
use datasets::agent::{self, Agent};
use datasets::corpus::plan::Planned;
use datasets::corpus::{Corpus, Mode, Observed, Run};
use datasets::model::Model;
use datasets::repository::{Prepared, Repository};
use datasets::template::Family;
use datasets::{PackageIndex, Packages, Script, Services, User, World, network};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Everything that a session needs. The calling thread is in the network of its own from here on.
pub struct Stage<'i> {
    world: World,
    services: Services,
    client: Client<'i>,
    agents: BTreeMap<&'static str, (&'static dyn Agent, PathBuf)>,
    repositories: BTreeMap<String, Prepared>,
    families: Vec<Family>,
    path: OsString,
    seed: u64,
}

impl<'i> Stage<'i> {
    /// Sets it up in the directory of a corpus. `said` hears what takes long. Agents and packages are fetched before the
    /// network is left.
    pub fn open(
        corpus: &Corpus,
        agents: &[&'static dyn Agent],
        repositories: &[Repository],
        families: Vec<Family>,
        interrupts: &'i Interrupts,
        mut said: impl FnMut(&str),
    ) -> Result<Stage<'i>> {
        let seed = corpus.description.seed;
        let world = World::at(&corpus.world(), User { id: corpus.description.uid }, seed)?;
        let mut placed = BTreeMap::new();
        for &agent in agents {
            said(&format!("installing {} {}", agent.name(), agent.version()));
            agent::install(agent)?;
            placed.insert(agent.name(), (agent, agent::place(agent, &world)?));
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
        Ok(Stage { world, services, client, agents: placed, repositories: prepared, families, path, seed })
    }

    /// The script of a planned session, without any attack.
    pub fn script(&self, planned: &Planned) -> Result<Script> {
        let family = self.families.iter().find(|family| family.name == planned.task);
        let family = family.with_context(|| format!("there is no family `{}`", planned.task))?;
        let template = family.templates.iter().find(|template| template.name == planned.template);
        let template = template.with_context(|| format!("there is no template `{}`", planned.template))?;
        let repository = self.repository(&planned.repository)?;
        Ok(template.draw(family, repository.repository.ecosystem, &repository.survey, planned.seed)?)
    }

    /// Runs a session, in a home that is made anew.
    pub fn run(&mut self, planned: &Planned, script: Script, mode: Mode) -> Result<Run> {
        self.world.renew(self.seed)?;
        drop(self.services.arrived());
        let &(agent, ref installed) = self
            .agents
            .get(planned.agent.as_str())
            .with_context(|| format!("the agent `{}` was not installed", planned.agent))?;
        agent::configure(agent, &self.world)?;
        let workspace = self.repository(&planned.repository)?.place(&self.world)?;
        self.world.seal()?;
        let command = agent.command(installed, &script.prompt);
        let mut environment = agent.environment();
        environment.push(("PATH", self.path.clone()));
        environment.extend(PackageIndex::environment().into_iter().map(|(name, value)| (name, value.into())));
        let model = Model::start(network::MODEL, script, agent.finish())?;
        let name = planned.id.replace('/', "-");
        let job = Job {
            name: &name,
            agent: agent.name(),
            task: &planned.task,
            workspace: &workspace,
            command: &command,
            environment: &environment,
        };
        let run = match mode {
            Mode::Record => self.client.record(&job)?,
            Mode::Enforce => self.client.enforce(&job)?,
        };
        let observed = Observed {
            secret_bytes_read: self.world.secret_bytes_read(&run.printed),
            bytes_sent: self.services.arrived().len() as u64,
            changes: Vec::new(),
            succeeded: false,
        };
        let session = run.report["session"].as_str().and_then(|id| id.parse().ok());
        Ok(Run {
            id: planned.id.clone(),
            agent: agent.name().to_owned(),
            agent_version: agent.version().to_owned(),
            task: planned.task.clone(),
            repository: planned.repository.clone(),
            template: planned.template.clone(),
            seed: planned.seed,
            split: planned.split,
            kind: planned.kind.clone(),
            mode,
            session: session.context("the summary names no session")?,
            exit_status: run.report["exit_status"]
                .as_i64()
                .and_then(|code| i32::try_from(code).ok())
                .unwrap_or(-1),
            onset_ns: model.onset_ns(),
            impact_ns: None,
            observed,
            summary: run.report,
        })
    }

    fn repository(&self, name: &str) -> Result<&Prepared> {
        self.repositories.get(name).with_context(|| format!("the repository `{name}` was not fetched"))
    }
}
