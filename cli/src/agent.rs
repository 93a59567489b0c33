//! What is known of the agents by their names: how to guess one from a command, and where it keeps its state.

use bstr::{BString, ByteVec};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An agent that Wardline knows by its executable.
struct Known {
    executable: &'static str,
    agent: &'static str,
    /// Below the home.
    state: &'static [&'static str],
}

const KNOWN: [Known; 6] = [
    Known { executable: "codex", agent: "codex", state: &[".codex"] },
    Known {
        executable: "claude",
        agent: "claude-code",
        state: &[".claude", ".claude.json", ".cache/claude-cli-nodejs", ".local/share/claude"],
    },
    Known {
        executable: "opencode",
        agent: "opencode",
        state: &[".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
    },
    Known { executable: "mini", agent: "mini-swe-agent", state: &[".config/mini-swe-agent"] },
    Known { executable: "aider", agent: "aider", state: &[".aider", ".aider.conf.yml"] },
    Known { executable: "gemini", agent: "gemini", state: &[".gemini"] },
];

/// Directories of compilers, interpreters and package managers below a home.
const TOOLCHAINS: [&str; 14] = [
    ".asdf",
    ".bun",
    ".cargo",
    ".deno",
    ".local/share/mise",
    ".local/share/pnpm",
    ".local/share/uv",
    ".local/lib",
    ".npm-global",
    ".nvm",
    ".pyenv",
    ".rustup",
    ".sdkman",
    "go",
];

/// The agent that a command starts: a known name for a known executable, otherwise the executable's own.
pub fn guess(program: &[u8]) -> String {
    let name = Path::new(bstr::BStr::new(program).to_string().as_str())
        .file_name()
        .map_or_else(|| "unknown".to_owned(), |name| String::from_utf8_lossy(name.as_bytes()).into_owned());
    KNOWN
        .iter()
        .find(|known| known.executable == name)
        .map_or_else(|| tag(&name), |known| known.agent.to_owned())
}

/// A name as a tag: what is no letter, digit, dot, dash or underscore becomes a dash.
fn tag(name: &str) -> String {
    let tag: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    if tag.trim_matches(['.', '-']).is_empty() { "unknown".to_owned() } else { tag }
}

/// Where the agent keeps its own state.
pub fn state(agent: &str, home: &[u8]) -> Vec<BString> {
    match KNOWN.iter().find(|known| known.agent == agent) {
        Some(known) => known.state.iter().map(|state| join(home, state)).collect(),
        None => [format!(".{agent}"), format!(".config/{agent}"), format!(".local/share/{agent}")]
            .iter()
            .map(|state| join(home, state))
            .collect(),
    }
}

/// Where toolchains lie.
pub fn toolchains(home: &[u8]) -> Vec<BString> {
    TOOLCHAINS.iter().map(|toolchain| join(home, toolchain)).collect()
}

fn join(home: &[u8], rest: &str) -> BString {
    let mut path = home.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_guessed_from_its_executable() {
        assert_eq!(guess(b"/opt/x/claude"), "claude-code");
        assert_eq!(guess(b"codex"), "codex");
        assert_eq!(guess(b"./my agent"), "my-agent");
        assert_eq!(guess(b"/"), "unknown");
        assert_eq!(guess(b"..."), "unknown");
    }

    #[test]
    fn state_lies_below_the_home() {
        assert_eq!(state("codex", b"/home/u"), ["/home/u/.codex"]);
        assert!(state("own", b"/home/u").contains(&BString::from("/home/u/.config/own")));
    }
}
