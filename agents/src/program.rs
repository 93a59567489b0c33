//! The program of a command line, behind interpreters and package runners.

/// Endings of files that an interpreter runs, and of executables that a package names for every system alike.
const ENDINGS: [&[u8]; 5] = [b".exe", b".js", b".mjs", b".cjs", b".py"];
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
pub fn is_shell(program: &[u8]) -> bool {
    const SHELLS: [&str; 4] = ["bash", "dash", "sh", "zsh"];
    is_one_of(&SHELLS, program)
}

/// By its name, a version behind it included: `python3.12`.
fn is_one_of(names: &[&str], program: &[u8]) -> bool {
    let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    names.iter().any(|name| file_name(program).strip_prefix(name.as_bytes()).is_some_and(is_version))
}

/// The name of a program, without what only says how it is run.
pub fn without_ending(name: &[u8]) -> &[u8] {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name)
}

/// The last part of a path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// `NAME=VALUE`, as `env` takes them.
fn is_assignment(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let (Some(name), Some(_)) = (parts.next(), parts.next()) else { return false };
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
