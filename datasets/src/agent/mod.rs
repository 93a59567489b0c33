//! The agents: how each is installed, set up in a home, and started.
//!
//! Adding one is a file beside this one and a line in [`all`].

mod codex;
mod mini;
mod opencode;
mod shell;

use crate::model::Finish;
use crate::{Error, PackageIndex, World, cache};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A coding agent that can be driven without a person and against a model of one's own.
pub trait Agent: Sync {
    /// As its baselines are named.
    fn name(&self) -> &'static str;

    /// The version that is installed, as its package names it.
    fn version(&self) -> &'static str;

    /// Installs it into `directory`, which is empty, through the registry's ordinary client.
    fn install(&self, directory: &Path) -> Result<(), Error>;

    /// Name of its directory in the cache: agents that only differ in how they are started share one.
    fn package(&self) -> &'static str {
        self.name()
    }

    /// How a session ends after its last step.
    fn finish(&self) -> Finish {
        Finish::Message
    }

    /// Files of its own in the home: relative path and content.
    fn configuration(&self) -> Vec<(&'static str, String)>;

    /// Variables of its environment besides the world's.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        Vec::new()
    }

    /// The command that does what `prompt` says. `installed` is where its package lies in the world.
    fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString>;
}

/// Every agent.
pub fn all() -> [&'static dyn Agent; 5] {
    [
        &shell::Shell,
        &codex::Codex { sandbox: false },
        &codex::Codex { sandbox: true },
        &opencode::Opencode,
        &mini::Mini,
    ]
}

/// The agent of that name.
pub fn named(name: &str) -> Result<&'static dyn Agent, Error> {
    all().into_iter().find(|agent| agent.name() == name).ok_or_else(|| {
        let known: Vec<&str> = all().iter().map(|agent| agent.name()).collect();
        Error::Missing {
            what: format!("an agent called `{name}`"),
            detail: format!("there are {}", known.join(", ")),
        }
    })
}

/// Puts the agent into the cache, once for each version.
pub fn install(agent: &dyn Agent) -> Result<(), Error> {
    let directory = cached(agent)?;
    cache::fill(&directory, |part| agent.install(part)).map_err(|error| Error::Missing {
        what: format!("the agent `{}` {}", agent.name(), agent.version()),
        detail: format!(
            "it could not be installed ({error}); its registry's client must be able to reach the registry once. \
             Results without it are incomplete"
        ),
    })
}

/// Puts an installed agent into a world, and tells where it lies there.
pub fn place(agent: &dyn Agent, world: &World) -> Result<PathBuf, Error> {
    let place = world.path().join("opt").join(directory(agent));
    cache::share(&cached(agent)?, &place)?;
    Ok(place)
}

/// Writes the agent's own files into the home, and what its tools need.
pub fn configure(agent: &dyn Agent, world: &World) -> Result<(), Error> {
    let home = world.home();
    world.write(&home, ".cargo/config.toml", &PackageIndex::cargo_configuration(), 0o644)?;
    for (path, text) in agent.configuration() {
        world.write(&home, path, &text, 0o644)?;
    }
    Ok(())
}

fn cached(agent: &dyn Agent) -> Result<PathBuf, Error> {
    Ok(cache::cache()?.join("agents").join(directory(agent)))
}

fn directory(agent: &dyn Agent) -> String {
    format!("{}-{}", agent.package(), agent.version())
}

/// Installs a package of npm, with the scripts that it needs to be complete.
fn npm(directory: &Path, package: &str) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--foreground-scripts", "--prefix"]);
    cache::run(npm.arg(directory).arg(package), &format!("`npm install {package}`"))
}
