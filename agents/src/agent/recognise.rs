//! Recognises the agent of a program or a command line.

use super::Agent;
use crate::program::{Program, without_ending};

/// Directories of packages: what follows is a package's name.
const PACKAGES: [&[u8]; 3] = [b"node_modules", b"site-packages", b"dist-packages"];

impl Agent {
    /// The agent whose program a path is.
    pub fn of_program(path: &[u8]) -> Option<&'static Agent> {
        Agent::all().iter().find(|agent| agent.has_program(path))
    }

    /// The agent that a command line runs, through interpreters and runners of packages.
    pub fn of_command<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Option<&'static Agent> {
        match Program::of(words) {
            Program::File(path) => Self::of_program(path),
            Program::Package(name) => {
                Agent::all().iter().find(|agent| agent.has_package(name) || agent.has_name(name))
            }
            Program::Inline => None,
        }
    }

    fn has_program(&self, path: &[u8]) -> bool {
        let components: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|c| !c.is_empty()).collect();
        let Some((name, directories)) = components.split_last() else { return false };
        let installed = |install: &String| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Option<&'static str> {
        Agent::of_command(command.split(' ').map(str::as_bytes)).map(|agent| agent.name.as_str())
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
}
