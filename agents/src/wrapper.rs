//! Programs that do nothing but run what stands in their arguments: how the arguments lead there, by each one's manual.
//!
//! What does more besides (`xvfb-run`, `direnv`, `conda run`) is none: it would be asked about under the agent's baseline.

use crate::name::is_one_of;

/// How a program is told what it runs.
#[derive(Clone, Copy, Debug)]
struct Wrapper {
    /// Names of its file.
    names: &'static [&'static str],
    /// Options whose value is the next argument.
    values: &'static [&'static str],
    /// Options whose value is a command line for a shell.
    lines: &'static [&'static str],
    /// Arguments that stand before the command.
    operands: usize,
    /// The command is a package, by its name.
    package: bool,
}

/// What the arguments of a wrapper lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind<'w, 'a> {
    /// A command, with its arguments.
    Command(&'a [&'w [u8]]),
    /// A package.
    Package(&'w [u8]),
    /// It is told in another way, or nothing.
    Nothing,
}

const fn row(names: &'static [&'static str], values: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { names, values, lines: &[], operands, package: false }
}

const fn runner(names: &'static [&'static str], values: &'static [&'static str]) -> Wrapper {
    Wrapper { names, values, lines: &["-c", "--call"], operands: 0, package: true }
}

const WRAPPERS: &[Wrapper] = &[
    Wrapper { lines: &["-S", "--split-string"], ..row(&["env"], &["-u", "--unset", "-C", "--chdir"], 0) },
    row(&["nohup"], &[], 0),
    row(&["nice"], &["-n", "--adjustment"], 0),
    row(&["ionice"], &["-c", "--class", "-n", "--classdata"], 0),
    row(&["stdbuf"], &["-i", "--input", "-o", "--output", "-e", "--error"], 0),
    row(&["time"], &["-f", "--format", "-o", "--output"], 0),
    row(&["setsid"], &[], 0),
    row(&["timeout"], &["-k", "--kill-after", "-s", "--signal"], 1),
    row(&["chrt"], &["-D", "--sched-deadline", "-P", "--sched-period", "-T", "--sched-runtime"], 1),
    row(&["taskset"], &[], 1),
    runner(&["npx", "npx-cli.js", "pnpx", "bunx"], &["-p", "--package", "-w", "--workspace", "--cache"]),
    runner(&["uvx"], &["--from", "--with", "-p", "--python", "--directory", "-w", "--index"]),
];

/// What a program runs by its arguments, if it is one that runs others.
pub(crate) fn behind<'w, 'a>(program: &[u8], arguments: &'a [&'w [u8]]) -> Option<Behind<'w, 'a>> {
    let wrapper = WRAPPERS.iter().find(|wrapper| is_one_of(wrapper.names, program))?;
    Some(wrapper.behind(arguments))
}

impl Wrapper {
    fn behind<'w, 'a>(&self, arguments: &'a [&'w [u8]]) -> Behind<'w, 'a> {
        let mut rest = arguments;
        let mut operands = self.operands;
        while let Some((&word, after)) = rest.split_first() {
            if is_in(self.lines, word) {
                return Behind::Nothing;
            } else if word == b"--" {
                return self.found(after.get(operands..).unwrap_or(&[]));
            } else if is_in(self.values, word) {
                rest = after.get(1..).unwrap_or(&[]);
            } else if word.starts_with(b"-") || operands == 0 && is_assignment(word) {
                rest = after;
            } else if operands == 0 {
                return self.found(rest);
            } else {
                operands -= 1;
                rest = after;
            }
        }
        Behind::Nothing
    }

    fn found<'w, 'a>(&self, rest: &'a [&'w [u8]]) -> Behind<'w, 'a> {
        match rest.first() {
            None => Behind::Nothing,
            Some(name) if self.package => Behind::Package(name),
            Some(_) => Behind::Command(rest),
        }
    }
}

fn is_in(options: &[&str], word: &[u8]) -> bool {
    options.iter().any(|option| option.as_bytes() == word)
}

/// `NAME=VALUE`, as `env` takes them.
fn is_assignment(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let (Some(name), Some(_)) = (parts.next(), parts.next()) else { return false };
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match behind(words[0], &words[1..]) {
            None => "none".to_owned(),
            Some(Behind::Nothing) => "nothing".to_owned(),
            Some(Behind::Package(name)) => format!("package {}", text(name)),
            Some(Behind::Command(words)) => text(&words.join(&b' ')),
        }
    }

    #[test]
    fn the_command_stands_behind_options_their_values_and_operands() {
        for (line, found) in [
            ("timeout 60 claude -p x", "claude -p x"),
            ("timeout -k 5 --signal=INT --foreground 1h claude", "claude"),
            ("timeout -- 60 claude", "claude"),
            ("/usr/bin/env -u A -i X=1 codex exec", "codex exec"),
            ("env --chdir=/x codex", "codex"),
            ("env - codex", "codex"),
            ("nice -n 5 codex", "codex"),
            ("nice -5 codex", "codex"),
            ("nice codex -n", "codex -n"),
            ("stdbuf -oL codex", "codex"),
            ("taskset -c 0 codex", "codex"),
            ("npx --yes @openai/codex exec", "package @openai/codex"),
            ("uvx --from aider-chat aider", "package aider"),
        ] {
            assert_eq!(of(line), found, "{line}");
        }
    }

    #[test]
    fn who_is_told_something_else_runs_nothing() {
        for line in ["npm install codex", "xvfb-run codex", "git commit -m claude", "cat codex"] {
            assert_eq!(of(line), "none", "{line}");
        }
        for line in ["timeout 60", "env", "env -S codex", "npx", "npx -c codex", "nice -n"] {
            assert_eq!(of(line), "nothing", "{line}");
        }
    }
}
