//! The package of an agent, and its installation.

use crate::Error;
use crate::cache::run;
use crate::error::at;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Package {
    /// Of npm, by its name.
    Npm(String),
    /// Of PyPI, by its name, and what else must be installed with it.
    Pip(Vec<String>),
    /// No package: the program itself, a script for bash, with its file's name.
    Script {
        /// The file.
        name: String,
        /// Its text.
        text: String,
    },
}

impl Package {
    /// Installs a version into `directory`, which is empty, through the registry's ordinary client.
    pub(super) fn install(&self, version: &str, directory: &Path) -> Result<(), Error> {
        match self {
            Package::Npm(name) => npm(&[], directory, &format!("{name}@{version}")),
            Package::Pip(names) => venv(names, version, directory),
            Package::Script { name, text } => {
                let file = directory.join(name);
                at("write", &file, fs::write(&file, text))
            }
        }
    }
}

/// Installs a package of npm, with the scripts that it needs to be complete.
pub(crate) fn npm(how: &[&str], prefix: &Path, package: &str) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.arg("install").args(how).args(["--no-audit", "--no-fund", "--foreground-scripts", "--prefix"]);
    run(npm.arg(prefix).arg(package), &format!("`npm install {package}`"))
}

fn venv(names: &[String], version: &str, directory: &Path) -> Result<(), Error> {
    // The system's interpreter: one below somebody's home could not be reached by the agent's user.
    run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(directory), "`python3 -m venv`")?;
    let mut pip = Command::new(directory.join("bin/python3"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
    run(pip.args(requirements(names, version)), &format!("`pip install {}`", names.join(" ")))
}

/// What pip is asked for: the first of the packages in that version.
pub(crate) fn requirements(names: &[String], version: &str) -> Vec<OsString> {
    let pinned = names.iter().take(1).map(|name| format!("{name}=={version}").into());
    pinned.chain(names.iter().skip(1).map(OsString::from)).collect()
}
