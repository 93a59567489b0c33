//! The agent of a session: how it is named when nobody said so, and where it and the toolchains keep their own.

use agents::Agent;
use bstr::{BString, ByteVec};
use event::{AgentName, agent, toolchain};

/// The agent that a command starts: a known one, by the command or by the file that it was found to be, links
/// followed; otherwise the executable's own name.
pub fn guess<'w>(command: impl IntoIterator<Item = &'w [u8]> + Clone, file: Option<&[u8]>) -> AgentName {
    let known = Agent::of_command(command.clone()).or_else(|| Agent::of_program(file?));
    known
        .and_then(|agent| agent.name.parse().ok())
        .unwrap_or_else(|| AgentName::of_program(command.into_iter().next().unwrap_or_default()))
}

/// Where the agent keeps its own state.
pub fn state(name: &str, home: &[u8]) -> Vec<BString> {
    agent::state_of(name).iter().map(|state| join(home, state)).collect()
}

/// Where toolchains lie.
pub fn toolchains(home: &[u8]) -> Vec<BString> {
    toolchain::directories().map(|directory| join(home, directory)).collect()
}

fn join(home: &[u8], rest: impl AsRef<[u8]>) -> BString {
    let mut path = home.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.push_str(rest.as_ref());
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(command: &str, file: Option<&str>) -> String {
        guess(command.split('|').map(str::as_bytes), file.map(str::as_bytes)).to_string()
    }

    #[test]
    fn an_agent_is_guessed_from_its_command_and_its_file() {
        assert_eq!(named("/opt/x/claude", None), "claude-code");
        assert_eq!(named("codex|exec", None), "codex");
        assert_eq!(named("cc", Some("/h/.local/share/claude/versions/2.1.0")), "claude-code");
        assert_eq!(named("node|/h/lib/node_modules/@openai/codex/bin/codex.js", None), "codex");
        assert_eq!(named("./my agent", None), "my-agent");
        assert_eq!(named("bash|-c|codex", None), "bash");
        assert_eq!(named("/", None), "unknown");
        assert_eq!(named("...", None), "unknown");
    }

    #[test]
    fn state_lies_below_the_home() {
        assert_eq!(state("codex", b"/home/u")[0], "/home/u/.codex");
        assert!(state("own", b"/home/u").contains(&BString::from("/home/u/.config/own")));
    }
}
