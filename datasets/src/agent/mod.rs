//! The agents: how each is installed, set up in a home, and started.
//!
//! Adding one is a file beside this one and a line in [`all`].

mod codex;
mod mini;
mod opencode;
mod shell;

use crate::error::at;
use crate::model::Finish;
use crate::{Error, PackageIndex, World, cache};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A coding agent that can be driven without a person and against a model of one's own.
pub trait Agent: Sync {
    /// As its baselines are named.
    fn name(&self) -> &'static str;

    /// The version that baselines are made of, as its package names it.
    fn version(&self) -> &'static str;

    /// Another published version: what baselines are still worth when the agent is another one.
    fn other_version(&self) -> Option<&'static str> {
        None
    }

    /// Installs that version into `directory`, which is empty, through the registry's ordinary client.
    fn install(&self, version: &str, directory: &Path) -> Result<(), Error>;

    /// Name of its directory in the cache: agents that only differ in how they are started share one.
    fn package(&self) -> &'static str {
        self.name()
    }

    /// Whether it runs commands in a sandbox of its own, which may keep an attack from anything.
    fn is_sandboxed(&self) -> bool {
        false
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

/// Puts a version of the agent into the cache, once.
pub fn install(agent: &dyn Agent, version: &str) -> Result<(), Error> {
    let directory = cached(agent, version)?;
    cache::fill(&directory, |part| agent.install(version, part)).map_err(|error| Error::Missing {
        what: format!("the agent `{}` {version}", agent.name()),
        detail: format!(
            "it could not be installed ({error}); its registry's client must be able to reach the registry once. \
             Results without it are incomplete"
        ),
    })
}

/// Puts an installed version of the agent into a world, and tells where it lies there: at the same place as any other
/// version, which it replaces, as an upgrade does.
pub fn place(agent: &dyn Agent, version: &str, world: &World) -> Result<PathBuf, Error> {
    let place = world.path().join("opt").join(agent.package());
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        removed => at("remove", &place, removed)?,
    }
    cache::share(&cached(agent, version)?, &place)?;
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

fn cached(agent: &dyn Agent, version: &str) -> Result<PathBuf, Error> {
    Ok(cache::cache()?.join("agents").join(format!("{}-{version}", agent.package())))
}

/// Installs a package of npm, with the scripts that it needs to be complete.
fn npm(directory: &Path, package: &str) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--foreground-scripts", "--prefix"]);
    cache::run(npm.arg(directory).arg(package), &format!("`npm install {package}`"))
}
