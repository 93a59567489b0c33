//! The ways in which people install agents, and an agent installed so.

use super::Account;
use crate::Error;
use crate::agent::{self, Agent, Package};
use crate::cache::{self, run};
use crate::error::at;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How an agent comes to lie where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `npm install -g` with a prefix in the home: `~/.npm-global/bin/NAME` is a link to a script.
    NpmPrefix,
    /// The same where Node.js lies in the home as well, as nvm lays it down.
    Nvm,
    /// `pnpm add --global`: a script for a shell below `~/.local/share/pnpm` starts the package's program.
    Pnpm,
    /// An environment of Python's with a link in `~/.local/bin`, as pipx makes it.
    Pipx,
    /// A native program by its version, with a link in `~/.local/bin`, as installers lay it down.
    Native,
    /// `npm install -g` by the administrator: below `/usr/local`.
    System,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 6] = [Way::NpmPrefix, Way::Nvm, Way::Pnpm, Way::Pipx, Way::Native, Way::System];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Way::NpmPrefix => "npm-prefix",
            Way::Nvm => "nvm",
            Way::Pnpm => "pnpm",
            Way::Pipx => "pipx",
            Way::Native => "native",
            Way::System => "system",
        }
    }

    /// The way of that name.
    pub fn named(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Whether an agent can be installed so.
    pub fn suits(self, agent: &Agent) -> bool {
        match (&agent.package, self) {
            (Package::Npm(_), Way::NpmPrefix | Way::Nvm | Way::Pnpm | Way::System) => true,
            (Package::Npm(_), Way::Native) => agent.native.is_some(),
            (Package::Pip(_), Way::Pipx) => true,
            _ => false,
        }
    }

    /// The first that suits an agent.
    pub fn usual(agent: &Agent) -> Option<Way> {
        [Way::Native, Way::NpmPrefix, Way::Pipx].into_iter().find(|way| way.suits(agent))
    }
}

/// Puts what an agent is installed from into the cache, once.
pub fn fetch(agent: &Agent, version: &str) -> Result<(), Error> {
    let directory = cached(agent, version)?;
    let fetched = cache::fill(&directory, |part| match &agent.package {
        Package::Npm(name) => agent::npm(&["--global"], part, &format!("{name}@{version}")),
        Package::Pip(names) => {
            let mut pip = Command::new("/usr/bin/python3");
            pip.args(["-m", "pip", "download", "-q", "--disable-pip-version-check", "--dest"]).arg(part);
            run(pip.args(agent::requirements(names, version)), "`pip download`")
        }
        Package::Script { .. } => Ok(()),
    });
    fetched.map_err(|error| agent::missing(agent, version, &error))
}

/// An agent that lies where its user finds it. Dropping it removes what lies outside the home.
#[derive(Debug)]
pub struct Installed {
    outside: Vec<PathBuf>,
}

impl Drop for Installed {
    fn drop(&mut self) {
        for path in &self.outside {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "an installation that failed left nothing to remove"
            )]
            let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
        }
    }
}

/// Installs a version of an agent, which was fetched, in the home of an account.
pub fn install(agent: &Agent, version: &str, way: Way, account: &Account) -> Result<Installed, Error> {
    let from = cached(agent, version)?;
    let mut installed = Installed { outside: Vec::new() };
    match way {
        Way::NpmPrefix => copy(&from, &account.home.join(".npm-global"))?,
        Way::Nvm => {
            let prefix = account.home.join(".nvm/versions/node").join(node_version()?);
            copy(&from, &prefix)?;
            let node = prefix.join("bin/node");
            at("copy to", &node, fs::copy("/usr/bin/node", &node))?;
        }
        Way::Pnpm => pnpm(agent, &from, &account.home)?,
        Way::Native => native(agent, version, &from, &account.home)?,
        Way::Pipx => pipx(agent, version, &from, &account.home)?,
        Way::System => system(agent, &from, &mut installed)?,
    }
    own(account)?;
    Ok(installed)
}

/// Gives everything in the home to its user.
pub(super) fn own(account: &Account) -> Result<(), Error> {
    let mut chown = Command::new("chown");
    run(chown.args(["--recursive", "--no-dereference", &account.user.pair()]).arg(&account.home), "`chown`")
}

fn cached(agent: &Agent, version: &str) -> Result<PathBuf, Error> {
    Ok(cache::cache()?.join("installed").join(format!("{}-{version}", agent.name)))
}

/// Copies what a prefix holds, over what is there. The files are the user's own: the cache keeps its.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    at("make", to, fs::create_dir_all(to))?;
    let mut all = from.as_os_str().to_owned();
    all.push("/.");
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(all).arg(to), "copying an agent")
}

fn native(agent: &Agent, version: &str, from: &Path, home: &Path) -> Result<(), Error> {
    let Some(native) = &agent.native else { return Ok(()) };
    let versions = home.join(".local/share").join(&agent.program).join("versions");
    let program = versions.join(version);
    at("make", &versions, fs::create_dir_all(&versions))?;
    at("copy to", &program, fs::copy(from.join(native), &program))?;
    link(&program, &home.join(".local/bin").join(&agent.program))
}

/// The script is the one that pnpm 9 writes, without a search path for modules.
fn pnpm(agent: &Agent, from: &Path, home: &Path) -> Result<(), Error> {
    let place = home.join(".local/share/pnpm");
    copy(&from.join("lib"), &place.join("global/5"))?;
    let link = from.join("bin").join(&agent.program);
    let target = at("read", &link, fs::read_link(&link))?;
    let target = target.strip_prefix("../lib").unwrap_or(&target).display().to_string();
    let file = at("follow", &link, fs::canonicalize(&link))?;
    let is_script = at("read", &file, fs::read(&file))?.starts_with(b"#!");
    let run = |node: &str| {
        let node = if is_script { format!("{node} ") } else { String::new() };
        format!("exec {node}\"$basedir/global/5/{target}\" \"$@\"")
    };
    let script = format!(
        "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n\n\
         case `uname` in\n    *CYGWIN*) basedir=`cygpath -w \"$basedir\"`;;\nesac\n\n\
         if [ -x \"$basedir/node\" ]; then\n  {}\nelse\n  {}\nfi\n",
        run("\"$basedir/node\""),
        run("node"),
    );
    let command = place.join(&agent.program);
    at("write", &command, fs::write(&command, script))?;
    at("set the mode of", &command, fs::set_permissions(&command, fs::Permissions::from_mode(0o755)))
}

fn pipx(agent: &Agent, version: &str, from: &Path, home: &Path) -> Result<(), Error> {
    let Package::Pip(names) = &agent.package else { return Ok(()) };
    let place = home.join(".local/share/pipx/venvs").join(&agent.name);
    run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&place), "`python3 -m venv`")?;
    let mut pip = Command::new(place.join("bin/python3"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--find-links"]);
    run(pip.arg(from).args(agent::requirements(names, version)), "`pip install`")?;
    link(&place.join("bin").join(&agent.program), &home.join(".local/bin").join(&agent.program))
}

/// Lays the packages and their commands beside what lies below `/usr/local` already, and nothing over it.
fn system(agent: &Agent, from: &Path, installed: &mut Installed) -> Result<(), Error> {
    let Package::Npm(name) = &agent.package else { return Ok(()) };
    let modules = Path::new("/usr/local/lib/node_modules");
    let (package, command) = (modules.join(name), Path::new("/usr/local/bin").join(&agent.program));
    for place in [&package, &command] {
        if place.symlink_metadata().is_ok() {
            return Err(Error::Missing {
                what: format!("a place for `{}`", agent.name),
                detail: format!("`{}` is there already: remove it, or choose another way", place.display()),
            });
        }
    }
    installed.outside.extend([package.clone(), command.clone()]);
    copy(&from.join("lib/node_modules").join(name), &package)?;
    let target = fs::read_link(from.join("bin").join(&agent.program));
    symlink(at("read", &command, target)?, &command).map_err(|source| Error::File {
        doing: "make",
        path: command,
        source,
    })
}

fn link(to: &Path, place: &Path) -> Result<(), Error> {
    if let Some(above) = place.parent() {
        at("make", above, fs::create_dir_all(above))?;
    }
    at("make", place, symlink(to, place))
}

fn node_version() -> Result<String, Error> {
    let node = Path::new("/usr/bin/node");
    let output = at("start", node, Command::new(node).arg("--version").output())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
