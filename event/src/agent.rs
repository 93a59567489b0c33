//! The agents that are known, as data: one row an agent. By it a command is named, a process is recognised as an
//! agent's, and an agent's own state is found.
//!
//! Names and paths are claims: a row explains and closes, and opens nothing by itself.

use crate::state;
use bstr::BString;
use std::collections::BTreeSet;

/// A coding agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its tag.
    pub name: &'static str,
    /// File names of its programs, without `.exe`, `.js`, `.mjs`, `.cjs` and `.py`.
    pub executables: &'static [&'static str],
    /// Packages of npm (those of a platform, `NAME-linux-x64`, included), and modules of Python.
    pub packages: &'static [&'static str],
    /// Directories of its own installer, as the end of a path: whatever lies below is a program of its.
    pub installs: &'static [&'static str],
    /// Where it keeps its own state, below the home, besides the places that every program has ([`Agent::state`]).
    pub state: &'static [&'static str],
    /// How it does its work itself, where it otherwise hands it to a process that outlives it.
    pub alone: Option<&'static str>,
    /// Jewels below the home that it replaces by a rename as a routine: nobody but the agent itself may.
    pub rewrites: &'static [&'static str],
}

/// Every known agent.
pub const AGENTS: &[Agent] = &[
    Agent {
        name: "codex",
        executables: &["codex"],
        packages: &["@openai/codex"],
        installs: &[".codex/packages"],
        state: &[".codex"],
        alone: Some(
            "`codex --no-daemon`, or `daemon_auto_start = false` below `[features]` in `~/.codex/config.toml`",
        ),
        rewrites: &[".codex/config.toml"],
    },
    Agent {
        name: "claude-code",
        executables: &["claude"],
        packages: &["@anthropic-ai/claude-code"],
        installs: &["claude/versions", ".claude/local"],
        state: &[".claude", ".claude.json", ".cache/claude-cli-nodejs"],
        alone: None,
        rewrites: &[".claude.json", ".claude/settings.json"],
    },
    Agent {
        name: "opencode",
        executables: &["opencode"],
        packages: &["opencode-ai", "opencode"],
        installs: &[".opencode/bin"],
        state: &[".config/opencode"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "mini-swe-agent",
        executables: &["mini", "mini-swe-agent"],
        packages: &["minisweagent"],
        installs: &[],
        state: &[".config/mini-swe-agent"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "aider",
        executables: &["aider"],
        packages: &["aider"],
        installs: &[],
        state: &[".aider", ".aider.conf.yml"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "gemini",
        executables: &["gemini"],
        packages: &["@google/gemini-cli"],
        installs: &[],
        state: &[".gemini"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "qwen-code",
        executables: &["qwen"],
        packages: &["@qwen-code/qwen-code"],
        installs: &[],
        state: &[".qwen"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "copilot",
        executables: &["copilot"],
        packages: &["@github/copilot"],
        installs: &[".cache/copilot/pkg"],
        state: &[".copilot", ".cache/copilot"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "cline",
        executables: &["cline"],
        packages: &["cline", "@cline/cli"],
        installs: &[],
        state: &[".cline"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "cursor-agent",
        executables: &["cursor-agent"],
        packages: &[],
        installs: &["cursor-agent/versions"],
        state: &[".cursor", ".config/cursor", ".local/share/cursor-agent"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "goose",
        executables: &["goose", "goosed"],
        packages: &[],
        installs: &[],
        state: &[".config/goose", ".local/share/goose", ".local/state/goose"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "amp",
        executables: &["amp"],
        packages: &["@sourcegraph/amp"],
        installs: &[],
        state: &[".config/amp", ".local/share/amp", ".cache/amp"],
        alone: None,
        rewrites: &[],
    },
    Agent {
        name: "crush",
        executables: &["crush"],
        packages: &["@charmland/crush"],
        installs: &[],
        state: &[".config/crush", ".local/share/crush"],
        alone: None,
        rewrites: &[],
    },
];

/// Endings of files that an interpreter runs, and of executables that a package names for every system alike.
const ENDINGS: [&[u8]; 5] = [b".exe", b".js", b".mjs", b".cjs", b".py"];
/// Directories of packages: what follows is a package's name.
const PACKAGES: [&[u8]; 3] = [b"node_modules", b"site-packages", b"dist-packages"];
/// Programs that run the program behind them.
const INTERPRETERS: [&str; 13] = [
    "bash", "bun", "dash", "deno", "env", "node", "nodejs", "perl", "python", "python3", "ruby", "sh", "zsh",
];
/// Programs that run a package behind them.
const RUNNERS: [&str; 4] = ["bunx", "npx", "pnpx", "uvx"];
/// Options of interpreters whose value is another argument.
const WITH_VALUE: [&[u8]; 7] =
    [b"-r", b"--require", b"--import", b"--loader", b"--experimental-loader", b"-W", b"-X"];
/// Options behind which the program itself stands.
const INLINE: [&[u8]; 5] = [b"-c", b"-e", b"-p", b"--eval", b"--print"];

impl Agent {
    /// Where the agent of a tag keeps its own state, below the home: what the table has, and what any program calls after
    /// itself.
    pub fn state_of(name: &str) -> Vec<BString> {
        const OWN: [&str; 5] = [".", ".config/", ".local/share/", ".local/state/", ".cache/"];
        let known = Agent::named(name);
        let names = known.map_or(&[][..], |known| known.executables).iter().copied().chain([name]);
        let own = names.flat_map(|name| OWN.map(|place| BString::from([place, name].concat())));
        let own = own.filter(|state| state::may_be_kept_in(state));
        let mut all: Vec<BString> =
            known.map_or(&[][..], |known| known.state).iter().map(|state| BString::from(*state)).collect();
        all.extend(own);
        let mut seen = BTreeSet::new();
        all.retain(|state| seen.insert(state.clone()));
        all
    }

    /// The agent of that tag.
    pub fn named(name: &str) -> Option<&'static Agent> {
        AGENTS.iter().find(|agent| agent.name == name)
    }

    /// The agent whose program a path is.
    pub fn of_program(path: &[u8]) -> Option<&'static Agent> {
        AGENTS.iter().find(|agent| agent.has_program(path))
    }

    /// The agent that a command line runs, through interpreters and runners of packages.
    pub fn of_command<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Option<&'static Agent> {
        match Program::of(words) {
            Program::File(path) => Self::of_program(path),
            Program::Package(name) => {
                AGENTS.iter().find(|agent| agent.has_package(name) || agent.has_name(name))
            }
            Program::Inline => None,
        }
    }

    fn has_program(&self, path: &[u8]) -> bool {
        let components: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|c| !c.is_empty()).collect();
        let Some((name, directories)) = components.split_last() else { return false };
        let installed = |install: &&str| {
            let install: Vec<&[u8]> = install.split('/').map(str::as_bytes).collect();
            directories.windows(install.len()).any(|window| window == install)
        };
        self.has_name(name)
            || self.installs.iter().any(installed)
            || packages(&components).any(|package| self.has_package(&package))
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.executables.iter().any(|executable| executable.as_bytes() == without_ending(name))
    }

    fn has_package(&self, name: &[u8]) -> bool {
        self.packages.iter().any(|package| match name.strip_prefix(package.as_bytes()) {
            Some([] | [b'-' | b'@', ..]) => true,
            Some(_) | None => false,
        })
    }
}

/// The packages that a path lies in; a scope and its name together.
fn packages<'c>(components: &'c [&[u8]]) -> impl Iterator<Item = Vec<u8>> + 'c {
    components.iter().enumerate().filter(|(_, component)| PACKAGES.contains(component)).filter_map(
        |(at, _)| {
            let name = components.get(at + 1)?;
            match components.get(at + 2) {
                Some(rest) if name.starts_with(b"@") => Some([*name, rest].join(&b'/')),
                _ => Some(name.to_vec()),
            }
        },
    )
}

/// What a command line runs, as it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program<'w> {
    /// A file: the executable, or the script of an interpreter.
    File(&'w [u8]),
    /// A package or module, by its name.
    Package(&'w [u8]),
    /// What stands in the arguments themselves, or is read from the standard input.
    Inline,
}

impl<'w> Program<'w> {
    /// Looks through interpreters.
    pub fn of(words: impl IntoIterator<Item = &'w [u8]>) -> Program<'w> {
        let mut words = words.into_iter();
        let Some(mut program) = words.next() else { return Program::Inline };
        while is_one_of(&INTERPRETERS, program) || is_one_of(&RUNNERS, program) {
            let runner = is_one_of(&RUNNERS, program);
            let deno = file_name(program) == b"deno";
            program = loop {
                let Some(word) = words.next() else { return Program::Inline };
                if word == b"-m" {
                    return words.next().map_or(Program::Inline, Program::Package);
                } else if INLINE.contains(&word) && !runner {
                    return Program::Inline;
                } else if WITH_VALUE.contains(&word) {
                    words.next();
                } else if !(word.starts_with(b"-") || is_assignment(word) || deno && word == b"run") {
                    break word;
                }
            };
            if runner {
                return Program::Package(program);
            }
        }
        Program::File(program)
    }
}

/// Whether a program is a shell, which does its work by the programs that it starts.
pub(crate) fn is_shell(program: &[u8]) -> bool {
    const SHELLS: [&str; 4] = ["bash", "dash", "sh", "zsh"];
    is_one_of(&SHELLS, program)
}

/// By its name, a version behind it included: `python3.12`.
fn is_one_of(names: &[&str], program: &[u8]) -> bool {
    let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    names.iter().any(|name| file_name(program).strip_prefix(name.as_bytes()).is_some_and(is_version))
}

/// The name of a program, without what only says how it is run.
pub(crate) fn without_ending(name: &[u8]) -> &[u8] {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name)
}

pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// `NAME=VALUE`, as `env` takes them.
fn is_assignment(word: &[u8]) -> bool {
    let Some(at) = word.iter().position(|&byte| byte == b'=') else { return false };
    word[..at].iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') && at > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Option<&'static str> {
        Agent::of_command(command.split(' ').map(str::as_bytes)).map(|agent| agent.name)
    }

    #[test]
    fn an_agent_is_known_however_it_was_installed() {
        for (command, agent) in [
            ("codex", "codex"),
            ("/opt/x/claude", "claude-code"),
            ("/home/u/.npm-global/lib/node_modules/@openai/codex/bin/codex.js exec", "codex"),
            ("/x/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", "codex"),
            ("/h/.codex/packages/app-server-daemon/releases/0.171.0/bin/codex app-server", "codex"),
            ("/home/u/.local/share/claude/versions/2.1.0", "claude-code"),
            ("node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js", "claude-code"),
            ("/x/node_modules/@anthropic-ai/claude-code/bin/claude.exe", "claude-code"),
            (
                "/usr/bin/node --max-old-space-size=8000 -r ./hook.js /x/@google/gemini-cli/bundle/gemini.js",
                "gemini",
            ),
            ("npx --yes @google/gemini-cli@0.61.0 -p hello", "gemini"),
            ("uvx aider", "aider"),
            ("/usr/bin/env FOO=1 node /h/.local/bin/codex", "codex"),
            ("/h/.local/share/pipx/venvs/aider-chat/bin/python3.12 -m aider", "aider"),
            ("python3 /h/venv/lib/python3.12/site-packages/minisweagent/run/mini.py", "mini-swe-agent"),
            (
                "/h/.local/share/cursor-agent/versions/2026.1/node /h/.local/share/cursor-agent/versions/2026.1/index.js",
                "cursor-agent",
            ),
        ] {
            assert_eq!(of(command), Some(agent), "{command}");
        }
    }

    #[test]
    fn what_only_looks_like_an_agent_is_none() {
        for command in [
            "/home/u/projects/codex/server.js",
            "/home/u/codex/bin/postgres",
            "node -e codex",
            "bash -c claude",
            "/x/node_modules/@openai/agents/index.js",
            "/x/node_modules/codexx/index.js",
            "codex-helper",
            "node",
            "",
        ] {
            assert_eq!(of(command), None, "{command}");
        }
    }

    #[test]
    fn an_agents_state_is_what_the_table_has_and_what_is_called_after_it() {
        for (agent, state) in [
            ("claude-code", ".claude"),
            ("claude-code", ".local/state/claude"),
            ("opencode", ".local/state/opencode"),
            ("opencode", ".config/opencode"),
            ("own", ".config/own"),
            ("own", ".own"),
        ] {
            assert!(Agent::state_of(agent).iter().any(|of| of == state), "{agent} {state}");
        }
        for (agent, state) in
            [("git", ".config/git"), ("ssh", ".ssh"), ("npm", ".npm"), ("systemd", ".config/systemd")]
        {
            assert!(!Agent::state_of(agent).iter().any(|of| of == state), "{agent} {state}");
        }
    }

    #[test]
    fn tags_and_executables_are_one_agents_each() {
        for (at, agent) in AGENTS.iter().enumerate() {
            for other in &AGENTS[at + 1..] {
                assert_ne!(agent.name, other.name);
                assert!(agent.executables.iter().all(|name| !other.executables.contains(name)), "{agent:?}");
            }
        }
    }
}
