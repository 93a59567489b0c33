//! The environment that a command inherits: the caller's own under `sudo`, the client's otherwise.

mod caller;
mod secret;

pub use caller::split;
pub use secret::secrets;

use anyhow::Result;
use caller::Caller;
use command::Exit;
use command::user::Identity;
use event::jewel::jewels;
use event::moved;
use policy::Site;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A variable and its value.
pub type Variable = (OsString, OsString);

/// Variables that `sudo` sets by itself, whatever the caller's are.
const OF_SUDO: [&str; 7] = ["HOME", "LOGNAME", "MAIL", "PATH", "SHELL", "TERM", "USER"];

/// `--env` and `--path` of the commands that start an agent.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EnvironmentArgs {
    /// Set a variable of the command, or pass one of your shell's that would be dropped; repeatable
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,
    /// PATH of the command, and for finding it
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
}

/// The environment of a command.
#[derive(Debug)]
pub struct Environment {
    variables: Vec<Variable>,
    origin: Origin,
    /// Names that were said on the command line.
    said: Vec<OsString>,
    /// Names that `sudo` was told to set: not the caller's, and no doing of its own.
    added: Vec<OsString>,
}

/// Where it comes from.
#[derive(Debug)]
enum Origin {
    /// The client was started by who the command runs as, or by root.
    Own,
    /// The shell that ran `sudo`.
    Caller(Caller),
    /// `sudo`, since the shell's could not be had.
    Sudo(String),
}

impl Environment {
    /// Of a command that runs as `user`.
    pub fn of_command(user: &Identity, args: &EnvironmentArgs) -> Result<Environment> {
        let own = std::env::vars_os().collect();
        let caller = user.ran_sudo.then(|| Caller::find(user.uid));
        let mut environment = match caller {
            None => Self::from(own, Origin::Own),
            Some(Err(why)) => Self::from(own, Origin::Sudo(why)),
            Some(Ok(caller)) => Self::merged(caller, own),
        };
        if user.change {
            environment.variables.retain(|(name, _)| !name.as_bytes().starts_with(b"SUDO_"));
            environment.belong_to(user);
        }
        environment.say(args)?;
        Ok(environment)
    }

    /// Of a name that stands there twice, the last holds, as in a shell.
    fn from(mut variables: Vec<Variable>, origin: Origin) -> Environment {
        let mut known = HashSet::new();
        variables.reverse();
        variables.retain(|(name, _)| known.insert(name.clone()));
        variables.reverse();
        Environment { variables, origin, said: Vec::new(), added: Vec::new() }
    }

    /// The caller's, and what was added on the way: `sudo NAME=VALUE wardline`.
    fn merged(mut caller: Caller, own: Vec<Variable>) -> Environment {
        let variables = std::mem::take(&mut caller.variables);
        let mut merged = Self::from(variables, Origin::Caller(caller));
        for (name, value) in own {
            if !OF_SUDO.iter().any(|of_sudo| name == *of_sudo) && merged.get(&name) != Some(&value) {
                merged.set(name.clone(), value);
                merged.added.push(name);
            }
        }
        merged.added.retain(|name| !name.as_bytes().starts_with(b"SUDO_"));
        merged
    }

    /// The user's own places. Of the shell, the caller's own choice goes before the password file's.
    fn belong_to(&mut self, user: &Identity) {
        let is_callers = matches!(self.origin, Origin::Caller(_));
        let name = user.name.as_ref().map(OsStr::new);
        for (variable, value) in [("USER", name), ("LOGNAME", name), ("HOME", Some(user.home.as_os_str()))] {
            self.variables.retain(|(name, _)| name != variable);
            if let Some(value) = value {
                self.set(variable.into(), value.to_owned());
            }
        }
        if let Some(shell) = &user.shell
            && !(is_callers && self.get("SHELL").is_some())
        {
            self.set("SHELL".into(), shell.into());
        }
    }

    /// What the command line says.
    fn say(&mut self, args: &EnvironmentArgs) -> Result<()> {
        for word in &args.env {
            let (name, value) = match split(word.as_bytes()) {
                Some(variable) => variable,
                None if word.is_empty() || word.as_bytes().starts_with(b"=") => {
                    return Err(Exit::Usage.error("`--env` takes NAME or NAME=VALUE"));
                }
                None => {
                    let value = self.get(word).cloned().or_else(|| std::env::var_os(word));
                    let unset = || Exit::Usage.error(format!("`--env {0}`: {0} is not set", word.display()));
                    (word.clone(), value.ok_or_else(unset)?)
                }
            };
            self.set(name.clone(), value);
            self.said.push(name);
        }
        if let Some(path) = &args.path {
            self.set("PATH".into(), path.clone());
            self.said.push("PATH".into());
        }
        Ok(())
    }

    /// All of it.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// One value.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsString> {
        self.variables.iter().rev().find(|(of, _)| of == name.as_ref()).map(|(_, value)| value)
    }

    fn set(&mut self, name: OsString, value: OsString) {
        self.variables.retain(|(of, _)| *of != name);
        self.variables.push((name, value));
    }

    /// Whether a variable was asked for by its name.
    pub fn is_said(&self, name: &str) -> bool {
        self.said.iter().any(|said| said == name)
    }

    /// Drops variables.
    pub fn drop_names(&mut self, names: &[String]) {
        self.variables.retain(|(name, _)| !names.iter().any(|dropped| name == OsStr::new(dropped)));
    }

    /// Whose PATH it is.
    pub fn whose_path(&self) -> String {
        match &self.origin {
            _ if self.is_said("PATH") => "the command line".to_owned(),
            Origin::Own => "the environment of `wardline`".to_owned(),
            Origin::Caller(caller) => {
                format!("the environment with which {} ran {}", caller.shell, caller.sudo)
            }
            Origin::Sudo(_) => "the environment that `sudo` made".to_owned(),
        }
    }

    /// What was taken from where, a line each.
    pub fn told(&self) -> Vec<String> {
        let names = |names: &[OsString]| {
            names.iter().map(|name| format!("`{}`", name.display())).collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![match &self.origin {
            Origin::Own => "environment: of `wardline` itself".to_owned(),
            Origin::Caller(caller) => {
                format!("environment: of {}, as {} ran it", caller.sudo, caller.shell)
            }
            Origin::Sudo(why) => {
                format!("environment: of `sudo`, not of the shell that ran it: {why}")
            }
        }];
        if !self.added.is_empty() {
            lines.push(format!("set on the way through `sudo`: {}", names(&self.added)));
        }
        if !self.said.is_empty() {
            lines.push(format!("set by the command line: {}", names(&self.said)));
        }
        let path = self.get("PATH").map_or_else(|| "not set".to_owned(), |path| path.display().to_string());
        lines.push(format!("PATH: {path}; from {}", self.whose_path()));
        lines
    }
}

/// The variables that name sockets of delegated authority, and where parts of the home are: the deny-list closes what they
/// point to.
pub fn delegates(variables: &[Variable]) -> Vec<(bstr::BString, bstr::BString)> {
    variables
        .iter()
        .filter(|(name, _)| {
            *name == "GNUPGHOME"
                || moved::is_named(name.as_bytes())
                || jewels()
                    .iter()
                    .any(|jewel| matches!(jewel.site, Site::Variable(variable) if name == variable.as_str()))
        })
        .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
        .collect()
}
