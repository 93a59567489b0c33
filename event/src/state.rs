//! An agent's own state: the directories in which an agent itself keeps sessions, caches, logs and locks. They are the
//! agent's, whatever its task: what lies there may be read, and its sessions make, change and remove there what they like,
//! in a repository never seen, after an upgrade, or when the agent tidies up.
//!
//! Not so what is [obeyed](is_obeyed): what programs outside the session run, or read as instructions, stays closed to
//! changes, unless sessions were seen to make them. What the deny-list has of an agent's state (`jewel.rs`) stays refused.
//!
//! Which directories these are, recordings say: those of the table (`agent.rs`), and those in which the agent itself was
//! seen to make something ([`Makers`](crate::maker::Makers)). Each is taught as a place below [`KEPT`].

use crate::{Reach, jewel};
use agents::Agent;
use bstr::{BStr, BString, ByteSlice};
use std::collections::BTreeSet;

/// The root of the places by which recordings say where the agent keeps its state: what follows is the directory.
pub const KEPT: &str = "$kept";

/// Directories that hold what is run, or read as instructions.
const OBEYED: &[&str] = &[
    "agent",
    "agents",
    "subagents", // agents of the user's
    "command",
    "commands",
    "prompts",
    "skill",
    "skills",
    "workflows",
    "recipes",
    "modes",
    "output-styles",
    "hooks",
    "mcp",
    "mcp-servers",
    "plugin",
    "plugins",
    "extensions",
    "tool",
    "tools",
    "instructions",
    "rules",
    "steering",
    "policies",
    "memory",
    "memories",
    "bin",
    ".bin",
    "scripts",
    "versions",
    "packages",
    "node_modules",
    "site-packages",
    "venv",
    ".venv",
];

/// Files of the same kind, by their whole names.
const OBEYED_FILES: &[&str] = &[
    "AGENTS.md",
    "AGENT.md",
    "AGENTS.override.md",
    "CLAUDE.md",
    "CLAUDE.local.md",
    "GEMINI.md",
    "QWEN.md",
    "CRUSH.md",
    "MEMORY.md",
    "memory.md",
    "SYSTEM.md",
    "system.md",
    "instructions.md",
    ".env",
    ".npmrc",
    ".mcp.json",
    "package.json",
    "bun.lock",
    "trustedFolders.json",
];

/// Files of configuration, by what comes before [`ENDINGS`]; one that is called like the directory that it lies in is one, too.
const CONFIGURATION: &[&str] =
    &["config", "hooks", "keybindings", "mcp", "mcp_config", "permissions", "settings", "settings.local"];

/// What their names end with, if anything.
const ENDINGS: &[&str] = &[".json", ".jsonc", ".toml", ".yaml", ".yml"];

/// Directories in which every program keeps something under its own name.
const HUBS: &[&[&str]] = &[&[], &[".cache"], &[".config"], &[".local", "share"], &[".local", "state"]];

/// What lies in a hub and is no agent's: stores of packages, and what the desktop runs and reads.
const SHARED: &[&str] = &[
    ".local",
    ".m2",
    ".gradle",
    ".npm",
    ".pki",
    ".vscode",
    ".git",
    ".var",
    "applications",
    "dbus-1",
    "fontconfig",
    "fonts",
    "git",
    "icons",
    "man",
    "mime",
    "pip",
    "pnpm",
    "Trash",
    "uv",
    "yarn",
    "zsh",
    "vim",
    "nvim",
    "virtualenvs",
];

/// Whether a component of a place in an agent's state is obeyed: run, or read as an instruction, by programs outside the
/// session. `directory`: the name of the state.
pub fn is_obeyed(name: &[u8], directory: &[u8]) -> bool {
    let is = |names: &[&str], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()));
    let is_configuration = |stem| is(CONFIGURATION, stem) || stem == plain(directory);
    is(OBEYED, name)
        || installed(directory).any(|installed| installed.as_bytes() == name)
        || is(OBEYED_FILES, name)
        || is(CONFIGURATION, name)
        || stem.is_some_and(is_configuration)
}

/// All names that are obeyed in the state of this name.
pub fn obeyed(directory: &[u8]) -> impl Iterator<Item = BString> {
    let stems = CONFIGURATION.iter().map(|stem| stem.as_bytes()).chain([plain(directory)]);
    let configuration =
        stems.flat_map(|stem| ENDINGS.iter().map(move |ending| [stem, ending.as_bytes()].concat().into()));
    let whole = [OBEYED, OBEYED_FILES, CONFIGURATION].into_iter().flatten().copied();
    whole.chain(installed(directory)).map(BString::from).chain(configuration)
}

/// Where an agent's installer keeps its programs in the state of this name: programs outside the session run them.
fn installed(directory: &[u8]) -> impl Iterator<Item = &'static str> {
    let installs = Agent::all().iter().flat_map(|agent| &agent.installs);
    installs.filter_map(move |path| {
        let (above, name) = path.rsplit_once('/')?;
        (above.rsplit('/').next()?.as_bytes() == directory).then_some(name)
    })
}

fn plain(directory: &[u8]) -> &[u8] {
    directory.strip_prefix(b".").unwrap_or(directory)
}

/// The directories in which an agent keeps its state, as components of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(BTreeSet<Vec<BString>>);

impl FromIterator<Vec<BString>> for State {
    fn from_iter<I: IntoIterator<Item = Vec<BString>>>(directories: I) -> Self {
        Self(directories.into_iter().filter(|directory| directory.len() > 1).collect())
    }
}

impl State {
    /// The directories.
    pub fn directories(&self) -> impl Iterator<Item = &[BString]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Whether a place is open for being state of the agent.
    pub fn opens(&self, reach: Reach, names: &[&BStr]) -> bool {
        match self.within(names) {
            Some((_, [])) => matches!(reach, Reach::Read | Reach::Create),
            _ => self.opens_below(reach, names),
        }
    }

    /// Whether whatever lies in a directory, or is made there, is open, as far as its own name goes.
    pub fn opens_below(&self, reach: Reach, names: &[&BStr]) -> bool {
        self.within(names).is_some()
            && (reach == Reach::Read || is_change(reach) && !self.closes(reach, names))
    }

    /// Whether a place is closed to a change, since it is obeyed or lies in what is.
    pub fn closes(&self, reach: Reach, names: &[&BStr]) -> bool {
        is_change(reach)
            && self.within(names).is_some_and(|(state, rest)| rest.iter().any(|name| is_obeyed(name, state)))
    }

    /// Whether a place lies in the agent's own state. What it runs there it has laid down there itself, often the first time that
    /// it ran: its own program.
    pub fn holds(&self, names: &[&BStr]) -> bool {
        self.within(names).is_some_and(|(_, rest)| !rest.is_empty())
    }

    /// The name of the directory of state that a place lies in or is, and the rest of the place.
    fn within<'n, 'c>(&self, names: &'n [&'c BStr]) -> Option<(&'c [u8], &'n [&'c BStr])> {
        let depth = self.0.iter().find(|directory| {
            names.len() >= directory.len() && directory.iter().zip(names).all(|(a, b)| a == b)
        })?;
        let (directory, rest) = names.split_at(depth.len());
        Some((directory.last()?, rest))
    }
}

fn is_change(reach: Reach) -> bool {
    matches!(reach, Reach::Write | Reach::Create | Reach::Remove)
}

/// The directory of a program's own that something in the home lies in, as far as an agent may keep its state there: not what
/// belongs to others, and nothing with jewels.
pub fn directory_of(components: &[BString]) -> Option<&[BString]> {
    let (root, rest) = components.split_first()?;
    if root != "$home" {
        return None;
    }
    let hub =
        HUBS.iter().rev().find(|hub| rest.len() > hub.len() && hub.iter().zip(rest).all(|(a, b)| a == b))?;
    let name = rest.get(hub.len())?;
    let is_hidden = !hub.is_empty() || name.starts_with(b".");
    let is_hub =
        HUBS.iter().any(|other| other.len() == hub.len() + 1 && other.last() == Some(&&*name.to_str_lossy()));
    let is_shared = SHARED.iter().any(|shared| name == shared) || crate::template::is_template(name);
    let directory = components.get(..hub.len() + 2)?;
    // There must be something in it.
    let is_directory = components.len() > directory.len();
    let is_free = || !jewel::is_near(&bstr::join("/", directory.iter().skip(1)));
    (is_hidden && !is_hub && !is_shared && is_directory && is_free()).then_some(directory)
}

/// Whether an agent may keep its state in a directory below the home for the mere name of it.
pub(crate) fn may_be_kept_in(path_in_home: &[u8]) -> bool {
    let components: Vec<BString> = std::iter::once("$home".into())
        .chain(path_in_home.split_str("/").map(BString::from))
        .chain(["".into()])
        .collect();
    directory_of(&components).is_some_and(|directory| directory.len() + 1 == components.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(path: &str) -> Vec<BString> {
        path.split('/').map(BString::from).collect()
    }

    fn state() -> State {
        ["$home/.tool", "$home/.local/state/tool"].into_iter().map(components).collect()
    }

    fn opens(reach: Reach, path: &str) -> bool {
        let names: Vec<&BStr> = path.split('/').map(BStr::new).collect();
        state().opens(reach, &names)
    }

    #[test]
    fn an_agents_own_state_is_open_but_for_what_is_obeyed_there() {
        for path in ["$home/.tool/x", "$home/.tool/locks/new.lock.breaker", "$home/.local/state/tool/a/b/c"] {
            for reach in [Reach::Read, Reach::Write, Reach::Create, Reach::Remove] {
                assert!(opens(reach, path), "{reach:?} {path}");
            }
            assert!(!opens(Reach::Exec, path) && !opens(Reach::Unix, path), "{path}");
        }
        for path in [
            "$home/.tool/hooks",
            "$home/.tool/hooks/x.sh",
            "$home/.tool/new/hooks/x.sh",
            "$home/.tool/AGENTS.md",
            "$home/.tool/settings.json",
            "$home/.tool/config",
            "$home/.tool/tool.toml",
            "$home/.tool/x/node_modules/y",
        ] {
            assert!(opens(Reach::Read, path), "{path}");
            for reach in [Reach::Write, Reach::Create, Reach::Remove] {
                assert!(!opens(reach, path), "{reach:?} {path}");
            }
        }
        assert!(opens(Reach::Read, "$home/.tool") && opens(Reach::Create, "$home/.tool"));
        assert!(!opens(Reach::Remove, "$home/.tool"), "the directory itself stays");
        for path in ["$home/.tools/x", "$home", "$home/.local/state", "$home/.local/state/other/x"] {
            assert!(!opens(Reach::Read, path), "{path}");
        }
    }

    #[test]
    fn each_name_that_is_obeyed_is_one_and_fits_the_kernels_keys() {
        for name in obeyed(b".tool") {
            assert!(is_obeyed(&name, b".tool") && name.len() < abi::NAME_LEN, "{name}");
        }
        assert!(obeyed(b".tool").any(|name| name == "tool.json"));
        assert!(!is_obeyed(b"sessions", b".tool") && !is_obeyed(b"cache.db", b".tool"));
    }

    #[test]
    fn where_an_agent_is_installed_in_its_state_is_obeyed_there_alone() {
        for agent in Agent::all() {
            for path in &agent.installs {
                let (above, name) = path.rsplit_once('/').unwrap();
                let directory = above.rsplit('/').next().unwrap().as_bytes();
                assert!(is_obeyed(name.as_bytes(), directory), "{path}");
                assert!(obeyed(directory).any(|obeyed| obeyed == name), "{path}");
            }
        }
        let closes = |directory: &str, path: &str| {
            let state: State = [components(directory)].into_iter().collect();
            state.closes(Reach::Create, &path.split('/').map(BStr::new).collect::<Vec<_>>())
        };
        assert!(closes("$home/.cache/copilot", "$home/.cache/copilot/pkg/linux-x64/1.0.2/index.js"));
        assert!(!closes("$home/.cache/tool", "$home/.cache/tool/pkg/index.js"));
    }

    #[test]
    fn a_program_keeps_state_in_a_directory_of_its_own() {
        let of = |path: &str| directory_of(&components(path)).map(|directory| bstr::join("/", directory));
        for (path, directory) in [
            ("$home/.tool/x", Some("$home/.tool")),
            ("$home/.tool/a/b", Some("$home/.tool")),
            ("$home/.cache/tool/x", Some("$home/.cache/tool")),
            ("$home/.local/share/tool/x", Some("$home/.local/share/tool")),
            ("$home/.local/state/tool/x", Some("$home/.local/state/tool")),
            ("$home/.tool", None),
            ("$home/.cache/tool", None),
            ("$home/Documents/x", None),
            ("$home/.local/bin/x", None),
            ("$home/.local/share/applications/x.desktop", None),
            ("$home/.config/systemd/user/x.service", None),
            ("$home/.config/git/config", None),
            ("$home/.ssh/x", None),
            ("$home/.npm/_logs/x", None),
            ("$workspace/.tool/x", None),
            ("$tmp/.tool/x", None),
        ] {
            assert_eq!(of(path).as_deref(), directory.map(str::as_bytes), "{path}");
        }
    }
}
