//! Which agent a command starts, also where it is another program that starts it: through wrappers, runners of packages, and the
//! text of shell scripts. What stands in a text is looked at and not run, so that a script says which agent it starts where it
//! names one alone, and runs that in its own place, at its end, or with what it was given itself.

use crate::agent::Agent;
use crate::name::file_name;
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
    /// It lies where sessions write: whatever it is called, it leads nowhere.
    pub is_theirs: bool,
}

/// An agent, and what starts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The agent.
    pub agent: Option<&'static Agent>,
    /// The programs that lead to it, one after the other: wrappers, shells, scripts, and not the agent's own.
    pub through: Vec<Step>,
    /// The agent's program, where that is sure.
    pub end: Option<Step>,
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

impl Start {
    /// What a command line starts. `look` finds programs by what a command calls them; `None` where there is none.
    pub fn of(words: &[&[u8]], look: impl FnMut(&[u8]) -> Option<Found>) -> Start {
        let mut search = Search { look, looks: 0, seen: Vec::new() };
        search.started(words, DEPTH_MAX).unwrap_or_default()
    }

    fn new(agent: Option<&'static Agent>, end: Option<Step>) -> Start {
        Start { agent, through: Vec::new(), end }
    }
}

struct Search<L> {
    look: L,
    looks: usize,
    /// Scripts that lead on, from the command to here: who comes by again says no more.
    seen: Vec<Vec<u8>>,
}

impl<L: FnMut(&[u8]) -> Option<Found>> Search<L> {
    fn look(&mut self, program: &[u8]) -> Option<Found> {
        self.looks += 1;
        if self.looks <= LOOKS_MAX { (self.look)(program) } else { None }
    }

    /// `None` where no known agent is started for sure.
    fn started(&mut self, words: &[&[u8]], depth: usize) -> Option<Start> {
        let mut passed = Vec::new();
        let run = Run::of(words, &mut |program| passed.push(program));
        let mut through = Vec::new();
        for program in passed {
            match self.look(program) {
                Some(found) if found.is_theirs => return None,
                found => through.extend(found.map(Step::from)),
            }
        }
        let mut start = match run {
            Run::Package(name) => Some(Start::new(Agent::of_package(name), None)),
            Run::Inline => None,
            Run::Line(text, given) => self.of_text(text, given.get(1..).unwrap_or(&[]), b"", depth),
            Run::File(path, given) => self.of_file(path, given, depth),
        }?;
        start.agent?;
        start.through.splice(..0, through);
        Some(start)
    }

    /// The agent that a program is, or starts.
    fn of_file(&mut self, path: &[u8], given: &[&[u8]], depth: usize) -> Option<Start> {
        let named = Agent::of_program(path);
        let Some(found) = self.look(path) else { return Some(Start::new(named, None)) };
        let named = named.or_else(|| Agent::of_program(&found.file));
        if found.is_theirs {
            return Some(Start::new(named, None));
        }
        let text = found.script.clone().filter(|_| !self.seen.contains(&found.file));
        let led = text.and_then(|text| {
            self.seen.push(found.file.clone());
            let parts = found.path.rsplitn(2, |&byte| byte == b'/');
            let led = self.of_text(&text, given, parts.last().unwrap_or_default(), depth);
            self.seen.pop();
            led
        });
        match led {
            Some(mut led) if named.is_none() || named == led.agent => {
                led.through.insert(0, found.into());
                Some(led)
            }
            // A script that has the agent's name and does not lead to it is the agent.
            _ => Some(Start::new(named, Some(found.into()))),
        }
    }

    /// The agent that a text for a shell starts. `place`: the directory of its file.
    fn of_text(&mut self, text: &[u8], given: &[&[u8]], place: &[u8], depth: usize) -> Option<Start> {
        let depth = depth.checked_sub(1)?;
        let commands = shell::commands(text, given);
        let last = commands.len().checked_sub(1)?;
        let mut only: Option<Start> = None;
        let mut is_sure = false;
        for (at, Command { words, execs, hands_on }) in commands.iter().enumerate() {
            let words: Vec<Vec<u8>> = words.iter().map(|word| in_place(word, place)).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let Some(start) = self.started(&words, depth) else { continue };
            if only.as_ref().is_some_and(|only| only.agent != start.agent) {
                return None;
            }
            let leads = *execs || *hands_on || at == last;
            if leads || only.is_none() {
                only = Some(start);
            }
            is_sure |= leads;
        }
        only.filter(|_| is_sure)
    }
}

/// A word as scripts write it that package managers lay down, which call their own directory so.
fn in_place(word: &[u8], place: &[u8]) -> Vec<u8> {
    match word.strip_prefix(b"$basedir") {
        Some(rest) if rest.starts_with(b"/") => [place, rest].concat(),
        _ => word.to_vec(),
    }
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
            let is_theirs = file.starts_with("/w/");
            Some(Found { path: file.as_bytes().to_vec(), file: file.as_bytes().to_vec(), script, is_theirs })
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
            ("uvx|aider", "aider"),
            ("uvx|--from|aider-chat|aider", "aider"),
            ("script|-qc|true|x", ""),
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

    /// What package and version managers lay down under the agent's name asks other programs before it starts the agent.
    #[test]
    fn what_bears_the_agents_name_may_lead_to_it() {
        const PNPM: &str = "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\")\")\ncase `uname` in\n*CYGWIN*) basedir=x;;\nesac\n\
            if [ -x \"$basedir/node\" ]; then\n  exec \"$basedir/node\" \"$basedir/node_modules/@openai/codex/bin/codex.js\" \"$@\"\n\
            else\n  exec node \"$basedir/node_modules/@openai/codex/bin/codex.js\" \"$@\"\nfi\n";
        let files = [
            ("codex", "/h/pnpm/codex", PNPM),
            ("opencode", "/h/bin/opencode", "#!/bin/sh\nset -e\nmake it\n"),
            ("timeout", "/usr/bin/timeout", ""),
            ("./timeout", "/w/timeout", ""),
            ("./codex", "/w/codex", ""),
            ("/h/pnpm/node_modules/@openai/codex/bin/codex.js", "/h/store/codex.js", ""),
        ];
        let through = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("codex|exec", &files), (Some("codex"), through(&["/h/pnpm/codex"])));
        let nowhere = of("opencode", &files);
        assert_eq!(nowhere, (Some("opencode"), through(&[])), "it leads nowhere that is known");
        assert_eq!(of("./timeout|1|codex", &files), (None, through(&[])), "sessions write there");
        let end = |command: &str| {
            let words: Vec<&[u8]> = command.split('|').map(str::as_bytes).collect();
            let start = Start::of(&words, |name| {
                let (_, file, text) = files.iter().find(|(of, ..)| of.as_bytes() == name)?;
                let script = (!text.is_empty()).then(|| text.as_bytes().to_vec());
                let (path, file) = (name.to_vec(), file.as_bytes().to_vec());
                let path = if path.starts_with(b"/") { path } else { file.clone() };
                Some(Found { path, is_theirs: file.starts_with(b"/w/"), file, script })
            });
            start.end.map(|end| String::from_utf8(end.file).unwrap())
        };
        assert_eq!(end("timeout|9|codex").unwrap(), "/h/store/codex.js");
        assert_eq!(end("opencode").unwrap(), "/h/bin/opencode");
        assert_eq!(end("timeout|9|./codex"), None, "sessions write there");
        assert_eq!(end("npx|codex"), None);
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
