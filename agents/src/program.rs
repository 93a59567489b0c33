//! What a command line runs, through interpreters, wrappers and runners of packages.

use crate::name::is_one_of;
use crate::wrapper::{self, Behind};

/// Programs that run the program behind them.
const INTERPRETERS: [&str; 8] = ["bun", "deno", "node", "nodejs", "perl", "python", "python3", "ruby"];
/// Shells.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];
/// Options of interpreters whose value is another argument.
const WITH_VALUE: [&[u8]; 7] =
    [b"-r", b"--require", b"--import", b"--loader", b"--experimental-loader", b"-W", b"-X"];
/// Options of shells whose value is another argument.
const WITH_VALUE_SHELL: [&[u8]; 6] = [b"-o", b"+o", b"-O", b"+O", b"--rcfile", b"--init-file"];
/// Options behind which the program itself stands.
const INLINE: [&[u8]; 5] = [b"-c", b"-e", b"-p", b"--eval", b"--print"];
/// Programs in a row that each run the next.
const DEPTH_MAX: usize = 16;

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

/// The same, with what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run<'w, 'a> {
    /// A file and its arguments.
    File(&'w [u8], &'a [&'w [u8]]),
    /// See [`Program::Package`].
    Package(&'w [u8]),
    /// A command line for a shell, and its `$0` and arguments.
    Line(&'w [u8], &'a [&'w [u8]]),
    /// See [`Program::Inline`].
    Inline,
}

impl<'w> Program<'w> {
    /// Looks through interpreters and wrappers.
    pub fn of(words: impl IntoIterator<Item = &'w [u8]>) -> Program<'w> {
        let words: Vec<&[u8]> = words.into_iter().collect();
        match Run::of(&words, &mut |_| {}) {
            Run::File(path, _) => Program::File(path),
            Run::Package(name) => Program::Package(name),
            Run::Line(..) | Run::Inline => Program::Inline,
        }
    }
}

impl<'w, 'a> Run<'w, 'a> {
    /// Looks through interpreters, and through shells and wrappers, which it hands on.
    pub(crate) fn of(words: &'a [&'w [u8]], passed: &mut dyn FnMut(&'w [u8])) -> Run<'w, 'a> {
        let mut words = words;
        for _ in 0..DEPTH_MAX {
            let Some((&program, arguments)) = words.split_first() else { return Run::Inline };
            let next = if is_shell(program) {
                passed(program);
                shell(arguments)
            } else if is_one_of(&INTERPRETERS, program)
                && wrapper::behind(program, arguments).is_none_or(|behind| behind == Behind::Nothing)
            {
                interpreter(program, arguments)
            } else {
                let Some(behind) = wrapper::behind(program, arguments) else {
                    return Run::File(program, arguments);
                };
                passed(program);
                match behind {
                    Behind::Command(words) => Next::Words(words),
                    Behind::Package(name) => Next::Is(Run::Package(name)),
                    Behind::Nothing => Next::Is(Run::Inline),
                }
            };
            match next {
                Next::Is(run) => return run,
                Next::Words(next) => words = next,
            }
        }
        Run::Inline
    }
}

/// Where a program that runs others leads.
enum Next<'w, 'a> {
    Is(Run<'w, 'a>),
    Words(&'a [&'w [u8]]),
}

/// What a shell runs: a command line, or a script.
fn shell<'w, 'a>(arguments: &'a [&'w [u8]]) -> Next<'w, 'a> {
    let mut rest = arguments;
    let mut is_line = false;
    while let Some((&word, after)) = rest.split_first() {
        if WITH_VALUE_SHELL.contains(&word) {
            rest = after.get(1..).unwrap_or(&[]);
        } else if word == b"--" {
            rest = after;
            break;
        } else if word.len() > 1 && (word.starts_with(b"-") || word.starts_with(b"+")) {
            is_line |= !word.starts_with(b"--") && word.starts_with(b"-") && word.contains(&b'c');
            rest = after;
        } else {
            break;
        }
    }
    match rest.split_first() {
        Some((&line, after)) if is_line => Next::Is(Run::Line(line, after)),
        _ => Next::Words(rest),
    }
}

/// What an interpreter runs.
fn interpreter<'w, 'a>(program: &[u8], arguments: &'a [&'w [u8]]) -> Next<'w, 'a> {
    let has_verb = is_one_of(&["bun", "deno"], program);
    let mut rest = arguments;
    while let Some((&word, after)) = rest.split_first() {
        if word == b"-m" {
            return Next::Is(after.first().map_or(Run::Inline, |module| Run::Package(module)));
        } else if INLINE.contains(&word) {
            return Next::Is(Run::Inline);
        } else if WITH_VALUE.contains(&word) {
            rest = after.get(1..).unwrap_or(&[]);
        } else if word.starts_with(b"-") || has_verb && word == b"run" {
            rest = after;
        } else {
            break;
        }
    }
    Next::Words(rest)
}

/// Whether a program is an interpreter of a language, or a shell.
pub fn is_interpreter(program: &[u8]) -> bool {
    is_one_of(&INTERPRETERS, program) || is_shell(program)
}

/// Whether a program is a shell, which does its work by the programs that it starts.
pub fn is_shell(program: &[u8]) -> bool {
    is_one_of(&SHELLS, program)
}
