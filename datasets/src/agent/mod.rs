//! The agents that are driven: how each is installed, set up in a home, and started.
//!
//! Each is described by a table `driven.NAME` in the agent's file of `agents/known/`; another's can be read from a file with the
//! fields of such a table. In its texts `@model@` stands for the address of the scripted model, `@host@` and `@port@` for its parts, `@prompt@` for what the agent is
//! asked, and `@installed@` for where its package lies.

mod description;
mod package;

pub use description::Agent;
pub use package::Package;
pub(crate) use package::{npm, requirements};

use crate::error::at;
use crate::{Error, PackageIndex, World, cache};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Every agent that is described here, by name.
pub fn all() -> Result<&'static [Agent], Error> {
    static ALL: OnceLock<Vec<Agent>> = OnceLock::new();
    if let Some(all) = ALL.get() {
        return Ok(all);
    }
    let described = agents::Agent::all().iter().flat_map(|known| {
        let file = Path::new("agents/known").join(&known.name).with_extension("toml");
        known.driven.iter().map(move |(name, table)| Agent::of_table(&file, name, table.clone()))
    });
    let mut agents = described.collect::<Result<Vec<_>, _>>()?;
    agents.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(ALL.get_or_init(|| agents))
}

/// The agent of that name.
pub fn named(name: &str) -> Result<&'static Agent, Error> {
    let all = all()?;
    all.iter().find(|agent| agent.name == name).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|agent| agent.name.as_str()).collect();
        Error::Missing {
            what: format!("an agent called `{name}`"),
            detail: format!("there are {}", known.join(", ")),
        }
    })
}

/// The agent that a file describes; it has the file's name.
pub fn described(path: &Path) -> Result<Agent, Error> {
    Agent::parse(path, &at("read", path, fs::read_to_string(path))?)
}

/// Puts a version of the agent into the cache, once.
pub fn install(agent: &Agent, version: &str) -> Result<(), Error> {
    let directory = cached(agent, version)?;
    let installed = cache::fill(&directory, |part| agent.package.install(version, part));
    installed.map_err(|error| missing(agent, version, &error))
}

/// Why an agent is not there.
pub(crate) fn missing(agent: &Agent, version: &str, error: &Error) -> Error {
    Error::Missing {
        what: format!("the agent `{}` {version}", agent.name),
        detail: format!(
            "it could not be installed ({error}); its registry's client must be able to reach the registry once. \
             Results without it are incomplete"
        ),
    }
}

/// Puts an installed version of the agent into a world, and tells where it lies there: at the same place as any other
/// version, which it replaces, as an upgrade does.
pub fn place(agent: &Agent, version: &str, world: &World) -> Result<PathBuf, Error> {
    let place = world.path().join("opt").join(agent.shared());
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        removed => at("remove", &place, removed)?,
    }
    cache::share(&cached(agent, version)?, &place)?;
    Ok(place)
}

/// Writes the agent's own files into the home, and what its tools need.
pub fn configure(agent: &Agent, world: &World) -> Result<(), Error> {
    let home = world.home();
    world.write(&home, ".cargo/config.toml", &PackageIndex::cargo_configuration(), 0o644)?;
    for (path, text) in agent.configuration() {
        world.write(&home, path, &text, 0o644)?;
    }
    Ok(())
}

fn cached(agent: &Agent, version: &str) -> Result<PathBuf, Error> {
    Ok(cache::cache()?.join("agents").join(format!("{}-{version}", agent.shared())))
}
