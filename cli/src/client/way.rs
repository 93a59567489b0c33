//! How a command leads to a known agent that it is not itself: through a package manager's launcher, a script of the user's, a
//! wrapper. Looked for by the held process, as its user.
//!
//! It is enough to find the agent's program. Who runs exactly that is the agent, whatever led there, and nobody else: a text that
//! is read wrongly opens nothing. What lies in the workspace, in a repository, or where others may write leads nowhere.

use super::found::{Found, candidates};
use super::words::commands;
use agents::{Agent, Program, file_name, is_shell};
use bstr::{BString, ByteSlice};
use event::toolchain;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use wire::{End, Way};

/// Bytes of a script that are looked at.
const SCRIPT_MAX: u64 = 64 << 10;
/// Scripts that lead to each other.
const DEPTH_MAX: usize = 8;
/// Commands that are looked at: of a text that takes more nobody knows where it leads.
const COMMANDS_MAX: usize = 4096;
/// Programs that are looked at.
const PROGRAMS_MAX: usize = 256;
/// Programs of one agent.
const ENDS_MAX: usize = 32;
/// Directories of the user's own programs.
const PLACES_MAX: usize = 64;

/// Programs and words of a shell that run what stands behind them.
const HAND_ON: [&str; 22] = [
    "!", "chrt", "command", "do", "elif", "else", "env", "exec", "if", "ionice", "nice", "nohup", "setsid",
    "stdbuf", "taskset", "then", "time", "timeout", "until", "while", "xvfb-run", "{",
];
/// Programs that run a package or a program of one, by its name, behind a verb or none.
const RUNNERS: [(&str, &[&str]); 9] = [
    ("asdf", &["exec"]),
    ("bunx", &[]),
    ("mise", &["exec", "x"]),
    ("npm", &["exec", "x"]),
    ("npx", &[]),
    ("pnpm", &["dlx", "exec"]),
    ("pnpx", &[]),
    ("uvx", &[]),
    ("volta", &["run"]),
];

/// Where runners and version managers keep programs, below the home; `*` is any name.
const KEPT: [&str; 13] = [
    ".asdf/installs/*/*/bin",
    ".bun/install/global/node_modules/.bin",
    ".local/share/mise/installs/*/*/bin",
    ".nodenv/versions/*/bin",
    ".nvm/versions/node/*/bin",
    ".pyenv/versions/*/bin",
    ".volta/tools/image/*/*/*/bin",
    ".volta/tools/image/*/*/bin",
    ".volta/tools/image/packages/*/bin",
    ".npm/_npx/*/node_modules/.bin",
    ".cache/pnpm/dlx/*/*/node_modules/.bin",
    ".local/share/uv/tools/*/bin",
    ".cache/uv/archive-v0/*/bin",
];
/// What version managers lay down under the name of each program that they keep.
const SHIMS: [&str; 2] = ["mise", "volta-shim"];
/// Groups of the system's own, up to this one.
const SYSTEM_GROUP_MAX: u32 = 99;

/// Where and for whom a command is looked for.
pub(super) struct Places<'p> {
    /// A variable of the command's environment.
    pub(super) variable: &'p dyn Fn(&str) -> Option<&'p OsStr>,
    pub(super) home: &'p Path,
    /// Where the session works, canonical: its workspaces, and the current directory.
    pub(super) works: &'p [PathBuf],
    /// The user has said which agent the command is.
    pub(super) is_said: bool,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What was found so far.
#[derive(Default)]
struct Search {
    /// What is called like it was met.
    agent: Option<&'static Agent>,
    /// More than one agent, or a script that the workspace decides: nobody is it.
    is_unsure: bool,
    ends: Vec<End>,
    places: Vec<BString>,
    commands: usize,
    programs: usize,
    /// See [`KEPT`].
    kept: Vec<PathBuf>,
    grounds: Vec<PathBuf>,
}

impl Search {
    fn meets(&mut self, paths: &[&[u8]]) {
        if let Some(agent) = paths.iter().find_map(|path| Agent::of_program(path)) {
            self.is_unsure |= self.agent.is_some_and(|other| other.name != agent.name);
            self.agent = Some(agent);
        }
    }

    fn is_in_grounds(&self, file: &Path) -> bool {
        self.grounds.iter().any(|ground| file.starts_with(ground))
    }

    /// The user's own programs are started from there.
    fn place(&mut self, directory: Option<&Path>) {
        let place = directory.map(bytes);
        self.places
            .extend(place.filter(|place| self.places.len() < PLACES_MAX && !self.places.contains(place)));
    }
}

impl Places<'_> {
    /// The way that a command leads, without an end where none is sure. `None`: the command is the agent itself, as far as anybody
    /// knows.
    pub(super) fn way(&self, command: &[&[u8]]) -> Option<Way> {
        let words: Vec<Vec<u8>> = command.iter().map(|word| word.to_vec()).collect();
        let mut search = Search { kept: self.kept(), grounds: self.grounds(), ..Search::default() };
        // Which people keep elsewhere, and shells read on their own.
        for name in [".bashrc", ".npmrc", ".profile", ".zshenv"] {
            let file = self.home.join(name).canonicalize().ok();
            search.place(file.as_deref().and_then(Path::parent).filter(|place| *place != self.home));
        }
        let &first = command.first()?;
        let files = match Program::of(command.iter().copied()) {
            _ if is_in(&HAND_ON, first) || runner(&words).is_some() => None,
            Program::File(path) if first == path => self.found(path).map(|(_, file)| file),
            Program::File(path) if !is_shell(first) => Path::new(OsStr::from_bytes(path)).canonicalize().ok(),
            Program::File(_) | Program::Package(_) | Program::Inline => None,
        };
        let itself = files.filter(|file| text(file).is_none_or(|text| !is_shells(&text)));
        match itself {
            Some(file) if search.is_in_grounds(&file) => search.meets(&[first, &bytes(&file)]),
            Some(_) => return None,
            None => {
                self.command(&words, None, 0, &mut search);
                // One may run another one of its name.
                for name in search.agent.into_iter().flat_map(|agent| &agent.executables) {
                    let path = (self.variable)("PATH");
                    for candidate in candidates(OsStr::new(name), path).into_iter().flatten() {
                        self.program(candidate.as_bytes(), None, DEPTH_MAX, &mut search);
                    }
                }
            }
        }
        if self.is_said && search.agent.is_none() && !search.is_unsure {
            return None;
        }
        let ends = if search.is_unsure { Vec::new() } else { search.ends };
        let grounds = search.grounds.iter().map(|ground| bytes(ground)).collect();
        Some(Way {
            agent: search.agent.map(|agent| agent.name.clone()),
            ends,
            grounds,
            places: search.places,
        })
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
        search.is_unsure |= search.is_in_grounds(&file);
        if self.is_safe(&file, search)
            && let Some(text) = text(&file)
        {
            search.place(path.parent());
            search.place(file.parent());
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
        if SHIMS.iter().any(|shim| file.ends_with(shim))
            || path.parent().is_some_and(|above| above.ends_with("shims"))
        {
            self.kept_program(file_name(word), script, depth, search);
            return true;
        }
        match text(&file) {
            None => self.end(&file, &[], None, search),
            Some(text) if is_shells(&text) => self.script(&path, depth, search),
            Some(text) => self.of_line(&text, path, &file, search),
        }
        true
    }

    /// A script whose first line says what runs it, found as the kernel and `env` find that.
    fn of_line(&self, text: &[u8], path: PathBuf, file: &Path, search: &mut Search) {
        let line: Vec<&[u8]> =
            text.get(2..).unwrap_or_default().lines().next().unwrap_or_default().fields().collect();
        let name = match line.as_slice() {
            [env, rest @ ..] if file_name(env) == b"env" => rest.iter().find(|word| !word.starts_with(b"-")),
            line => line.first(),
        };
        if let Some(name) = name {
            let interpreters = self.interpreters(name, path.parent(), search);
            self.end(file, &interpreters, Some(&path), search);
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
            self.end(&file, &interpreters, Some(&path), search);
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
                && self.is_safe(&file, search)
                && !interpreters.contains(&file)
            {
                interpreters.push(file);
            }
        }
        interpreters
    }

    fn kept(&self) -> Vec<PathBuf> {
        let mut kept = Vec::new();
        for place in KEPT {
            let mut found = vec![self.home.to_owned()];
            for name in place.split('/') {
                found = match name {
                    "*" => found
                        .iter()
                        .filter_map(|above| fs::read_dir(above).ok())
                        .flatten()
                        .flatten()
                        .map(|entry| entry.path())
                        .take(PROGRAMS_MAX)
                        .collect(),
                    name => found.iter().map(|above| above.join(name)).filter(|path| path.is_dir()).collect(),
                };
            }
            kept.extend(found);
        }
        kept.truncate(PROGRAMS_MAX);
        kept
    }

    /// A file that is a known agent's program, if it is; of a script with what may interpret it, and how that is given it.
    fn end(&self, file: &Path, interpreters: &[PathBuf], script: Option<&Path>, search: &mut Search) {
        let is_agents = Agent::of_program(file.as_os_str().as_bytes()).is_some();
        if !is_agents || !self.is_safe(file, search) || self.is_in_repository(file) {
            return;
        }
        let is_packages = |above: &&Path| above.ends_with("node_modules");
        search.place(file.ancestors().filter(is_packages).last().or(file.parent()));
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
            joined(self.home.as_os_str(), rest)
        } else if let Some((name, rest)) = expansion(word) {
            let known = name.to_str().ok().and_then(|name| (self.variable)(name));
            joined(known.or_else(|| Some(script?.parent()?.as_os_str()))?, rest)
        } else {
            path(word)
        };
        let bytes = spelled.as_os_str().as_bytes();
        (!bytes.contains(&b'$') && !bytes.contains(&b'`')).then_some(spelled)
    }

    /// Whether nobody but the user and root may change a file or put another one there, and no workspace holds it.
    fn is_safe(&self, file: &Path, search: &Search) -> bool {
        let is_own = |(depth, path): (usize, &Path)| {
            const STICKY: u32 = 0o1000;
            path.symlink_metadata().is_ok_and(|found| {
                let is_systems = found.uid() == 0 && found.gid() <= SYSTEM_GROUP_MAX;
                let is_group = found.mode() & 0o020 != 0 && found.gid() != self.gid && !is_systems;
                let is_open = found.mode() & 0o002 != 0 || is_group;
                (found.uid() == 0 || found.uid() == self.uid)
                    && (!is_open || depth > 0 && found.mode() & STICKY != 0)
            })
        };
        !search.is_in_grounds(file) && file.ancestors().enumerate().all(is_own)
    }

    /// Where the session works, the repositories that hold that, and outside of the home what else does and is not root's. A home that
    /// is a repository decides nothing.
    fn grounds(&self) -> Vec<PathBuf> {
        let mut grounds = self.works.to_vec();
        let above = self.works.iter().flat_map(|place| place.ancestors().skip(1));
        for above in above.filter(|above| !self.home.starts_with(above)) {
            let is_users = || above.metadata().is_ok_and(|found| found.uid() != 0);
            let is_ground = is_repository(above) || !above.starts_with(self.home) && is_users();
            if is_ground && !grounds.iter().any(|ground| ground == above) {
                grounds.push(above.to_owned());
            }
        }
        grounds
    }

    /// Whether a file lies in any repository but those that are toolchains.
    fn is_in_repository(&self, file: &Path) -> bool {
        let is_toolchain = |above: &Path| toolchain::directories().any(|of| above == self.home.join(of));
        let mut above = file.ancestors().skip(1).filter(|above| !self.home.starts_with(above));
        above.any(|above| is_repository(above) && !is_toolchain(above))
    }
}

/// The variable that a word begins with, or a command in the place of what it says, and the path behind it.
fn expansion(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = match word {
        [b'$', b'{', rest @ ..] => rest.split_once_str("}")?,
        [b'$', b'(', rest @ ..] => rest.rsplit_once_str(")")?,
        [b'`', rest @ ..] => rest.rsplit_once_str("`")?,
        [b'$', rest @ ..] => rest.split_at(rest.find_byte(b'/')?),
        _ => return None,
    };
    rest.starts_with(b"/").then_some((name, rest))
}

/// Whether a program is one of the interpreters whose options are known.
fn is_interpreter(file: &Path) -> bool {
    let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let name = file_name(file.as_os_str().as_bytes());
    ["node", "nodejs", "python"].iter().any(|of| name.strip_prefix(of.as_bytes()).is_some_and(is_version))
}

fn bytes(path: &Path) -> BString {
    path.as_os_str().as_bytes().into()
}

fn is_repository(directory: &Path) -> bool {
    directory.join(".git").symlink_metadata().is_ok()
}

/// The text of a script; `None`: it is none.
fn text(file: &Path) -> Option<Vec<u8>> {
    if !fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::open(file).ok()?.take(SCRIPT_MAX).read_to_end(&mut text).ok()?;
    text.starts_with(b"#!").then_some(text)
}

/// Whether a shell runs a script.
fn is_shells(text: &[u8]) -> bool {
    text.lines().next().is_some_and(|line| line.get(2..).unwrap_or_default().fields().any(is_shell))
}

fn is_in(names: &[&str], word: &[u8]) -> bool {
    names.iter().any(|name| name.as_bytes() == file_name(word))
}

/// What stands behind a runner of packages and its verb.
fn runner(words: &[Vec<u8>]) -> Option<&[Vec<u8>]> {
    let (head, rest) = words.split_first()?;
    let (_, verbs) = RUNNERS.iter().find(|(name, _)| file_name(head) == name.as_bytes())?;
    if verbs.is_empty() {
        return Some(rest);
    }
    let (verb, rest) = rest.split_first()?;
    is_in(verbs, verb).then_some(rest)
}

/// `NAME=VALUE`
fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|&byte| byte == b'=').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name && word.contains(&b'=')
}

#[cfg(test)]
mod tests;
