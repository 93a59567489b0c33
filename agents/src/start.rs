//! Which agent a command starts, also where it is another program that starts it: through wrappers, runners of packages, and the
//! text of shell scripts. What stands in a text is looked at and not run, so that a script says which agent it starts where it
//! names one alone, and runs that in its own place, at its end, or with what it was given itself.

use crate::agent::Agent;
use crate::program::{Program, Run};
use crate::shell::{self, Command};

/// Scripts in scripts that are looked at.
const DEPTH_MAX: usize = 4;
/// Files that are looked for.
const LOOKS_MAX: usize = 64;

/// What a program was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Where it was found.
    pub path: Vec<u8>,
    /// What it is, links followed.
    pub file: Vec<u8>,
    /// Its text, where it is a script for a shell.
    pub script: Option<Vec<u8>>,
}

/// An agent, and what starts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The agent.
    pub agent: Option<&'static Agent>,
    /// The programs that lead to it, one after the other: wrappers, shells, scripts, and not the agent's own.
    pub through: Vec<Step>,
}

/// A program on the way to an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Where it was found.
    pub path: Vec<u8>,
    /// What it is, links followed.
    pub file: Vec<u8>,
}

impl From<Found> for Step {
    fn from(Found { path, file, .. }: Found) -> Step {
        Step { path, file }
    }
}

/// Looks for a program as who starts it does; `None` where there is none, or it is not to be believed.
type Look<'l> = &'l mut dyn FnMut(&[u8]) -> Option<Found>;

impl Start {
    /// What a command line starts. `look` finds programs by what a command calls them.
    pub fn of(words: &[&[u8]], mut look: impl FnMut(&[u8]) -> Option<Found>) -> Start {
        let mut looks = 0;
        let mut bounded = |program: &[u8]| {
            looks += 1;
            if looks <= LOOKS_MAX { look(program) } else { None }
        };
        let mut through = Vec::new();
        let agent = started(words, &mut bounded, &mut through, DEPTH_MAX);
        Start { agent, through: if agent.is_some() { through } else { Vec::new() } }
    }
}

fn started(words: &[&[u8]], look: Look<'_>, through: &mut Vec<Step>, depth: usize) -> Option<&'static Agent> {
    let mut passed = Vec::new();
    let run = Run::of(words, &mut |program| passed.push(program));
    for program in passed {
        through.extend(look(program).map(Step::from));
    }
    match run {
        Run::Package(name) => Agent::of_package(name),
        Run::Inline => None,
        Run::Line(text, given) => of_text(text, given.get(1..).unwrap_or(&[]), look, through, depth),
        Run::File(path, given) => Agent::of_program(path).or_else(|| {
            let found = look(path)?;
            Agent::of_program(&found.file).or_else(|| {
                let text = found.script.clone()?;
                through.push(found.into());
                of_text(&text, given, look, through, depth)
            })
        }),
    }
}

/// The agent that a text for a shell starts.
fn of_text(
    text: &[u8],
    given: &[&[u8]],
    look: Look<'_>,
    through: &mut Vec<Step>,
    depth: usize,
) -> Option<&'static Agent> {
    let depth = depth.checked_sub(1)?;
    let commands = shell::commands(text, given);
    let last = commands.len().checked_sub(1)?;
    let mut only: Option<(&'static Agent, Vec<Step>)> = None;
    let mut is_sure = false;
    for (at, Command { words, execs, hands_on }) in commands.iter().enumerate() {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut way = Vec::new();
        let Some(agent) = started(&words, look, &mut way, depth) else { continue };
        if only.as_ref().is_some_and(|(only, _)| only.name != agent.name) {
            return None;
        }
        let leads = *execs || *hands_on || at == last;
        if leads || only.is_none() {
            only = Some((agent, way));
        }
        is_sure |= leads;
    }
    let (agent, way) = only.filter(|_| is_sure)?;
    through.extend(way);
    Some(agent)
}

impl Agent {
    /// The agent that a command line runs, as far as that stands in it.
    pub fn of_command<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Option<&'static Agent> {
        let words: Vec<&[u8]> = words.into_iter().collect();
        Start::of(&words, |_| None).agent
    }

    /// The same of a process that runs already: what a shell was told to do may be done.
    pub fn of_process<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Option<&'static Agent> {
        match Program::of(words) {
            Program::File(path) => Self::of_program(path),
            Program::Package(name) => Self::of_package(name),
            Program::Inline => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The agent that a command starts, and through what; files are those named, with the text of those that are scripts.
    fn of(command: &str, files: &[(&str, &str, &str)]) -> (Option<&'static str>, Vec<String>) {
        let files: BTreeMap<&str, (&str, &str)> =
            files.iter().map(|(name, file, text)| (*name, (*file, *text))).collect();
        let words: Vec<&[u8]> = command.split('|').map(str::as_bytes).collect();
        let start = Start::of(&words, |name| {
            let (file, text) = files.get(std::str::from_utf8(name).unwrap())?;
            let script = (!text.is_empty()).then(|| text.as_bytes().to_vec());
            Some(Found { path: file.as_bytes().to_vec(), file: file.as_bytes().to_vec(), script })
        });
        let through = start.through.into_iter().map(|step| String::from_utf8(step.path).unwrap());
        (start.agent.map(|agent| agent.name.as_str()), through.collect())
    }

    #[test]
    fn the_agent_is_the_one_that_a_wrapper_starts() {
        for (command, agent) in [
            ("timeout|60|claude|-p|x", "claude-code"),
            ("env|X=1|codex", "codex"),
            ("nice|-n|5|timeout|60|nohup|codex", "codex"),
            ("sh|-c|exec codex \"$@\"|sh|exec|x", "codex"),
            ("bash|-lc|cd /w && X=1 claude -p 'a; codex'", "claude-code"),
            ("sh|-c|exec \"$@\"|_|codex|exec", "codex"),
            ("npx|@openai/codex", "codex"),
            ("pnpm|dlx|@openai/codex@0.171.0|exec", "codex"),
            ("uvx|aider", "aider"),
            ("uvx|--from|aider-chat|aider", "aider"),
            ("uv|run|aider", "aider"),
            ("script|-qc|true|x", ""),
            ("script|-qc|claude|x", "claude-code"),
            ("script|-q|-c|claude --continue|/dev/null", "claude-code"),
            ("op|run|--|claude", "claude-code"),
            ("deno|run|-A|npm:@openai/codex", "codex"),
        ] {
            let expected = (!agent.is_empty()).then_some(agent);
            assert_eq!(of(command, &[]).0, expected, "{command}");
        }
    }

    #[test]
    fn a_script_says_which_agent_it_starts() {
        const MINE: &str = "#!/bin/sh\n. ~/.keys\nexec claude \"$@\"\n";
        const CLAUDE: &str = "/h/.local/share/claude/versions/2.1.0";
        let files = [
            ("mine", "/h/bin/mine", MINE),
            ("cc", CLAUDE, ""),
            ("timeout", "/usr/bin/timeout", ""),
            ("outer", "/h/bin/outer", "timeout 9 mine --flag\n"),
            ("again", "/h/bin/again", "exec again"),
        ];
        let through = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("mine|-p", &files), (Some("claude-code"), through(&["/h/bin/mine"])));
        let outer = ["/h/bin/outer", "/usr/bin/timeout", "/h/bin/mine"];
        assert_eq!(of("outer", &files), (Some("claude-code"), through(&outer)));
        assert_eq!(of("timeout|1|cc", &files), (Some("claude-code"), through(&["/usr/bin/timeout"])));
        assert_eq!(of("cc", &files), (Some("claude-code"), through(&[])));
        assert_eq!(of("again", &files), (None, through(&[])));
    }

    #[test]
    fn what_is_not_sure_is_none() {
        for text in [
            "codex --version; make test",
            "if $x; then exec codex \"$@\"; else exec claude \"$@\"; fi",
            "command -v codex",
            "echo exec codex",
            "# exec codex",
            "cat <<X\nexec codex\nX\ntrue",
            "exec \"$AGENT\" \"$@\"",
            "git commit -m codex",
        ] {
            assert_eq!(of(&format!("sh|-c|{text}"), &[]).0, None, "{text}");
        }
        for text in ["codex update; codex \"$@\"", "claude \"$@\"; echo done", "(cd /w; exec codex)"] {
            assert!(of(&format!("sh|-c|{text}"), &[]).0.is_some(), "{text}");
        }
    }
}
