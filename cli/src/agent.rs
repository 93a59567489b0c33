//! The agent of a session: how it is named when nobody said so, and where it and the toolchains keep their own.

use agents::Agent;
use bstr::{BString, ByteVec};
use event::{AgentName, agent, toolchain};

/// How an agent is named that a command starts: the known one that it was found to be, or the executable's own name.
pub fn name(known: Option<&str>, command: &[u8]) -> AgentName {
    known.and_then(|known| known.parse().ok()).unwrap_or_else(|| AgentName::of_program(command))
}

/// The known agent that a process runs, by its command line or by its executable.
pub fn of_process<'w>(
    command: impl IntoIterator<Item = &'w [u8]>,
    file: Option<&[u8]>,
) -> Option<&'static str> {
    let known = Agent::of_process(command).or_else(|| Agent::of_program(file?));
    known.map(|agent| agent.name.as_str())
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
        let words = || command.split('|').map(str::as_bytes);
        name(of_process(words(), file.map(str::as_bytes)), words().next().unwrap()).to_string()
    }

    #[test]
    fn an_agent_is_named_by_its_command_and_its_file() {
        assert_eq!(named("/opt/x/claude", None), "claude-code");
        assert_eq!(named("codex|exec", None), "codex");
        assert_eq!(named("cc", Some("/h/.local/share/claude/versions/2.1.0")), "claude-code");
        assert_eq!(named("node|/h/lib/node_modules/@openai/codex/bin/codex.js", None), "codex");
        assert_eq!(named("./my agent", None), "my-agent");
        assert_eq!(named("bash|-c|make", None), "bash");
        assert_eq!(named("timeout|60|codex", Some("/usr/bin/timeout")), "codex");
        assert_eq!(named("/", None), "unknown");
        assert_eq!(named("...", None), "unknown");
    }

    #[test]
    fn state_lies_below_the_home() {
        assert_eq!(state("codex", b"/home/u")[0], "/home/u/.codex");
        assert!(state("own", b"/home/u").contains(&BString::from("/home/u/.config/own")));
    }
}
