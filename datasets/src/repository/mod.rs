//! Repositories: published source packages, pinned, fetched once, and made git repositories in a world.

mod fetch;
mod survey;
mod workspace;

pub use survey::{Source, Survey};
pub use workspace::Prepared;

use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where a package is published, and so how it is built and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ecosystem {
    /// A Rust crate.
    Crate,
    /// A JavaScript package.
    Npm,
    /// A Python source distribution.
    Pypi,
}

impl Ecosystem {
    /// All of them.
    pub const ALL: [Ecosystem; 3] = [Ecosystem::Crate, Ecosystem::Npm, Ecosystem::Pypi];

    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Ecosystem::Crate => "crate",
            Ecosystem::Npm => "npm",
            Ecosystem::Pypi => "pypi",
        }
    }

    /// Suffixes of its sources.
    pub(crate) fn suffixes(self) -> &'static [&'static str] {
        match self {
            Ecosystem::Crate => &["rs"],
            Ecosystem::Npm => &["js", "mjs", "cjs"],
            Ecosystem::Pypi => &["py"],
        }
    }
}

/// A repository, before it is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Name of the package, and of its workspace.
    pub name: String,
    /// Where it is published.
    pub ecosystem: Ecosystem,
    /// Its version.
    pub version: String,
    /// BLAKE3 of the package's file, hex.
    pub hash: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    repository: Vec<Repository>,
}

/// Every repository of `scripts/repositories.toml`.
pub fn all() -> Result<Vec<Repository>, Error> {
    const TEXT: &str = include_str!("../../scripts/repositories.toml");
    let list: List = toml::from_str(TEXT).map_err(|error| Error::Parse {
        path: Path::new("datasets/scripts/repositories.toml").to_owned(),
        detail: error.to_string(),
    })?;
    Ok(list.repository)
}
