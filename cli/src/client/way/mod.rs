//! How a command leads to a known agent that it is not itself: through a package manager's launcher, a script of the user's, a
//! wrapper. Looked for by the held process, as its user.
//!
//! It is enough to find the agent's program. Who runs exactly that is the agent, whatever led there, and nobody else: a text that
//! is read wrongly opens nothing. What the repository decides leads nowhere.

mod grounds;
mod kept;
mod script;
mod words;

use self::grounds::Grounds;
use self::kept::{is_shim, runner};
use self::script::{expansion, is_assignment, is_interpreter, is_shells, line, text};
use self::words::commands;
use super::found::{Found, candidates};
use agents::{Agent, Program, file_name, is_shell};
use bstr::{BString, ByteSlice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::{End, Way};

/// Scripts that lead to each other.
const DEPTH_MAX: usize = 8;
/// Commands that are looked at: of a text that takes more nobody knows where it leads.
const COMMANDS_MAX: usize = 4096;
/// Programs that are looked at.
const PROGRAMS_MAX: usize = 256;
/// Programs of one agent.
const ENDS_MAX: usize = 32;

/// Programs and words of a shell that run what stands behind them.
const HAND_ON: [&str; 22] = [
    "!", "chrt", "command", "do", "elif", "else", "env", "exec", "if", "ionice", "nice", "nohup", "setsid",
    "stdbuf", "taskset", "then", "time", "timeout", "until", "while", "xvfb-run", "{",
];
/// Where and for whom a command is looked for.
pub(super) struct Places<'p> {
    /// A variable of the command's environment.
    pub(super) variable: &'p dyn Fn(&str) -> Option<&'p OsStr>,
    pub(super) home: &'p Path,
    /// Where the session works, canonical.
    pub(super) workspaces: &'p [PathBuf],
    /// The current directory, canonical.
    pub(super) directory: Option<&'p Path>,
    /// The user has said which agent the command is.
    pub(super) is_said: bool,
}

/// What was found so far.
#[derive(Default)]
struct Search {
    /// What is called like it was met.
    agent: Option<&'static Agent>,
    /// More than one agent, or a script that the workspace decides: nobody is it.
    is_unsure: bool,
    ends: Vec<End>,
    commands: usize,
    programs: usize,
    /// Where version managers and runners keep programs.
    kept: Vec<PathBuf>,
    grounds: Grounds,
}

impl Search {
    fn meets(&mut self, paths: &[&[u8]]) {
        if let Some(agent) = paths.iter().find_map(|path| Agent::of_program(path)) {
            self.is_unsure |= self.agent.is_some_and(|other| other.name != agent.name);
            self.agent = Some(agent);
        }
    }
}

impl Places<'_> {
    /// The way that a command leads, without an end where none is sure. `None`: the command is the agent itself, as far as anybody
    /// knows.
    pub(super) fn way(&self, command: &[&[u8]]) -> Option<Way> {
        let words: Vec<Vec<u8>> = command.iter().map(|word| word.to_vec()).collect();
        let &first = command.first()?;
        let files = match Program::of(command.iter().copied()) {
            _ if is_in(&HAND_ON, first) || runner(&words).is_some() => None,
            Program::File(path) if first == path => self.found(path).map(|(_, file)| file),
            Program::File(path) if !is_shell(first) => Path::new(OsStr::from_bytes(path)).canonicalize().ok(),
            Program::File(_) | Program::Package(_) | Program::Inline => None,
        };
        let itself = files.filter(|file| text(file).is_none_or(|text| !is_shells(&text)));
        if let Some(file) = itself {
            let works = grounds::places(self.workspaces, self.directory, self.home);
            let agent = Agent::of_program(first).or_else(|| Agent::of_program(&bytes(&file)));
            let agent = agent.map(|agent| agent.name.clone());
            return works.iter().any(|work| file.starts_with(work)).then(|| Way { agent, ..Way::default() });
        }
        let grounds = Grounds::of(self.workspaces, self.directory, self.home);
        let mut search = Search { kept: kept::directories(self.home), grounds, ..Search::default() };
        self.command(&words, None, 0, &mut search);
        // One may run another one of its name.
        for name in search.agent.into_iter().flat_map(|agent| &agent.executables) {
            let path = (self.variable)("PATH");
            for candidate in candidates(OsStr::new(name), path).into_iter().flatten() {
                self.program(candidate.as_bytes(), None, DEPTH_MAX, &mut search);
            }
        }
        let is_sure = !search.is_unsure && search.grounds.is_whole;
        // A program that is not known by its name, which a script may become without making a process.
        if is_sure && search.ends.is_empty() && (self.is_said || search.agent.is_some()) {
            return None;
        }
        let ends = if is_sure { search.ends } else { Vec::new() };
        Some(Way { agent: search.agent.map(|agent| agent.name.clone()), ends, grounds: search.grounds.found })
    }

    /// Looks through a simple command; `script` is where the script lies that it stands in. Whether its program is there.
    fn command(&self, words: &[Vec<u8>], script: Option<&Path>, depth: usize, search: &mut Search) -> bool {
        search.commands += 1;
        if search.commands > COMMANDS_MAX {
            search.is_unsure = true;
            return true;
        }
        let start = words.iter().position(|word| !is_assignment(word)).unwrap_or(words.len());
        let words = words.get(start..).unwrap_or_default();
        let Some((head, rest)) = words.split_first() else { return false };
        if let Some(behind) = runner(words) {
            self.package(behind, script, depth, search)
        } else if is_in(&HAND_ON, head) {
            // Options, their values and operands are no programs.
            (0..rest.len()).any(|at| self.command(rest.get(at..).unwrap_or_default(), script, depth, search))
        } else if is_shell(head) {
            self.shell(rest, script, depth, search)
        } else {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match Program::of(words.iter().copied()) {
                Program::File(path) if path == head.as_slice() => self.program(path, script, depth, search),
                Program::File(path) => self.interpreted(head, path, script, search),
                Program::Package(_) | Program::Inline => true,
            }
        }
    }

    /// What a shell is given: a command line, or a script.
    fn shell(&self, words: &[Vec<u8>], script: Option<&Path>, depth: usize, search: &mut Search) -> bool {
        let is_option = |word: &&Vec<u8>| word.starts_with(b"-");
        let is_line = |word: &Vec<u8>| !word.starts_with(b"--") && word.contains(&b'c');
        let mut operands = words.iter().skip_while(is_option);
        let Some(first) = operands.next() else { return true };
        if words.iter().take_while(is_option).any(is_line) {
            self.text(first, script, depth + 1, search);
        } else if let Some(path) = self.spelled(first, script).filter(|path| path.is_absolute()) {
            self.script(&path, depth, search);
        }
        true
    }

    /// What a script says.
    fn text(&self, text: &[u8], script: Option<&Path>, depth: usize, search: &mut Search) {
        if depth <= DEPTH_MAX {
            for words in commands(text) {
                self.command(&words, script, depth, search);
            }
        }
    }

    /// A shell's script.
    fn script(&self, path: &Path, depth: usize, search: &mut Search) {
        let Ok(file) = path.canonicalize() else { return };
        if search.grounds.hold(&file) {
            search.is_unsure = true;
        } else if let Some(text) = text(&file) {
            self.text(&text, Some(path), depth + 1, search);
        }
    }

    /// A program that is executed. Whether it is there.
    fn program(&self, word: &[u8], script: Option<&Path>, depth: usize, search: &mut Search) -> bool {
        search.programs += 1;
        let found = self.spelled(word, script).filter(|_| search.programs <= PROGRAMS_MAX);
        let Some((path, file)) = found.and_then(|word| self.found(word.as_os_str().as_bytes())) else {
            // It may be on a PATH that a script sets.
            if !word.contains(&b'/') {
                search.meets(&[word]);
            }
            return false;
        };
        search.meets(&[word, &bytes(&path), &bytes(&file)]);
        if is_shim(&path, &file) {
            self.kept_program(file_name(word), script, depth, search);
            return true;
        }
        match text(&file) {
            None => Self::end(&file, &[], None, search),
            Some(text) if is_shells(&text) => self.script(&path, depth, search),
            Some(text) => self.of_line(&text, path, &file, search),
        }
        true
    }

    /// A script whose first line says what runs it, found as the kernel and `env` find that.
    fn of_line(&self, text: &[u8], path: PathBuf, file: &Path, search: &mut Search) {
        let line: Vec<&[u8]> = line(text);
        let name = match line.as_slice() {
            [env, rest @ ..] if file_name(env) == b"env" => rest.iter().find(|word| !word.starts_with(b"-")),
            line => line.first(),
        };
        if let Some(name) = name {
            let interpreters = self.interpreters(name, path.parent(), search);
            Self::end(file, &interpreters, Some(&path), search);
        }
    }

    /// A script that an interpreter is given. Whether that is there.
    fn interpreted(
        &self,
        interpreter: &[u8],
        path: &[u8],
        script: Option<&Path>,
        search: &mut Search,
    ) -> bool {
        let interpreter = self
            .spelled(interpreter, script)
            .filter(|word| self.found(word.as_os_str().as_bytes()).is_some());
        let Some(interpreter) = interpreter else { return false };
        if let Some(path) = self.spelled(path, script).filter(|path| path.is_absolute())
            && let Ok(file) = path.canonicalize()
        {
            let interpreters = self.interpreters(interpreter.as_os_str().as_bytes(), None, search);
            search.meets(&[&bytes(&file)]);
            Self::end(&file, &interpreters, Some(&path), search);
        }
        true
    }

    /// A known agent, whose programs are found on PATH and where runners keep what they have fetched.
    fn package(&self, words: &[Vec<u8>], script: Option<&Path>, depth: usize, search: &mut Search) -> bool {
        let name = words.iter().find(|word| !word.starts_with(b"-"));
        let Some(agent) = name.and_then(|name| Agent::of_command([b"npx".as_slice(), name])) else {
            return true;
        };
        search.meets(&[agent.executables.first().map_or(b"", |name| name.as_bytes())]);
        for name in &agent.executables {
            self.program(name.as_bytes(), script, depth, search);
            self.kept_program(name.as_bytes(), script, depth, search);
        }
        true
    }

    /// The programs of that name that runners and version managers keep.
    fn kept_program(&self, name: &[u8], script: Option<&Path>, depth: usize, search: &mut Search) {
        for directory in search.kept.clone() {
            let path = directory.join(OsStr::from_bytes(name));
            self.program(path.as_os_str().as_bytes(), script, depth, search);
        }
    }

    /// What may interpret a script: the one that PATH has, the one beside the script, and those that version managers keep. A shim
    /// interprets nothing.
    fn interpreters(&self, name: &[u8], beside: Option<&Path>, search: &Search) -> Vec<PathBuf> {
        let of_name =
            |directory: &Path| directory.join(OsStr::from_bytes(file_name(name))).canonicalize().ok();
        let kept = search.kept.iter().map(PathBuf::as_path).chain(beside).filter_map(of_name);
        let found = self.found(name).map(|(_, file)| file).into_iter().chain(kept);
        let mut interpreters: Vec<PathBuf> = Vec::new();
        for file in found {
            if is_interpreter(&file)
                && text(&file).is_none()
                && !search.grounds.hold(&file)
                && !interpreters.contains(&file)
            {
                interpreters.push(file);
            }
        }
        interpreters
    }

    /// A file that is a known agent's program, if it is; of a script with what may interpret it, and how that is given it.
    fn end(file: &Path, interpreters: &[PathBuf], script: Option<&Path>, search: &mut Search) {
        if Agent::of_program(file.as_os_str().as_bytes()).is_none() || search.grounds.hold(file) {
            return;
        }
        let native = script.is_none().then_some(file);
        for program in interpreters.iter().map(PathBuf::as_path).chain(native) {
            let end = End { program: bytes(program), script: script.map(|path| [bytes(path), bytes(file)]) };
            if search.ends.len() < ENDS_MAX && !search.ends.contains(&end) {
                search.ends.push(end);
            }
        }
    }

    /// Where a program is found, and what it is.
    fn found(&self, program: &[u8]) -> Option<(PathBuf, PathBuf)> {
        let candidates = candidates(OsStr::from_bytes(program), (self.variable)("PATH")).ok()?;
        match Found::look(&candidates)? {
            Found::File { path, file } => Some((path, file)),
            Found::Nowhere => None,
        }
    }

    /// A word with what it begins with in its place: the home, a variable, or, as launchers have it, where the script lies.
    fn spelled(&self, word: &[u8], script: Option<&Path>) -> Option<PathBuf> {
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let joined = |directory: &OsStr, rest: &[u8]| path(&[directory.as_bytes(), rest].concat());
        let spelled = if let Some(rest) = word.strip_prefix(b"~") {
            joined((self.variable)("HOME").unwrap_or(self.home.as_os_str()), rest)
        } else if let Some((name, rest)) = expansion(word) {
            let known = name.to_str().ok().and_then(|name| (self.variable)(name));
            joined(known.or_else(|| Some(script?.parent()?.as_os_str()))?, rest)
        } else {
            path(word)
        };
        let bytes = spelled.as_os_str().as_bytes();
        (!bytes.contains(&b'$') && !bytes.contains(&b'`')).then_some(spelled)
    }
}

fn bytes(path: &Path) -> BString {
    path.as_os_str().as_bytes().into()
}

fn is_in(names: &[&str], word: &[u8]) -> bool {
    names.iter().any(|name| name.as_bytes() == file_name(word))
}

#[cfg(test)]
mod tests;
