//! Programs that run what stands in their arguments: how the arguments lead there, by each one's manual.

use crate::name::is_one_of;

/// How a program is told what it runs.
#[derive(Clone, Copy, Debug)]
struct Wrapper {
    /// Names of its file.
    names: &'static [&'static str],
    /// The words by which it is told to run something, one after the other: `tool run`.
    verb: &'static [&'static str],
    /// Options whose value is the next argument.
    values: &'static [&'static str],
    /// Options whose value is a command line for a shell.
    lines: &'static [&'static str],
    /// Options behind which the command stands.
    before: &'static [&'static str],
    /// What stands before the command otherwise.
    operands: Operands,
    /// The command is a package, by its name.
    package: bool,
}

/// What stands between the options and the command.
#[derive(Clone, Copy, Debug)]
enum Operands {
    /// So many arguments.
    Count(usize),
    /// Whatever comes, and then `--`.
    Dashes,
}

/// What the arguments of a wrapper lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind<'w, 'a> {
    /// A command, with its arguments.
    Command(&'a [&'w [u8]]),
    /// A package.
    Package(&'w [u8]),
    /// A command line for a shell.
    Line(&'w [u8]),
    /// It runs a shell, or reads from somewhere else what it runs.
    Nothing,
}

const NONE: Wrapper = Wrapper {
    names: &[],
    verb: &[],
    values: &[],
    lines: &[],
    before: &[],
    operands: Operands::Count(0),
    package: false,
};

const fn plain(names: &'static [&'static str]) -> Wrapper {
    Wrapper { names, ..NONE }
}

const fn with_values(names: &'static [&'static str], values: &'static [&'static str]) -> Wrapper {
    Wrapper { names, values, ..NONE }
}

const fn operand(names: &'static [&'static str], values: &'static [&'static str]) -> Wrapper {
    Wrapper { names, values, operands: Operands::Count(1), ..NONE }
}

const fn verb(
    names: &'static [&'static str],
    verb: &'static [&'static str],
    values: &'static [&'static str],
) -> Wrapper {
    Wrapper { names, verb, values, ..NONE }
}

const fn package(
    names: &'static [&'static str],
    verb: &'static [&'static str],
    values: &'static [&'static str],
) -> Wrapper {
    Wrapper { names, verb, values, lines: &["-c", "--call"], package: true, ..NONE }
}

const fn behind_dashes(names: &'static [&'static str], verb: &'static [&'static str]) -> Wrapper {
    Wrapper { names, verb, operands: Operands::Dashes, ..NONE }
}

/// Of a program that is told to run something in several ways each is a row; the first that its arguments fit counts.
const WRAPPERS: &[Wrapper] = &[
    // coreutils, util-linux and their like.
    Wrapper {
        lines: &["-S", "--split-string"],
        ..with_values(&["env"], &["-u", "--unset", "-C", "--chdir"])
    },
    plain(&["nohup", "chronic", "systemd-inhibit", "busybox", "toybox", "torsocks", "tsocks", "linux64"]),
    plain(&["ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1", "prlimit"]),
    with_values(&["nice"], &["-n", "--adjustment"]),
    with_values(&["ionice"], &["-c", "--class", "-n", "--classdata"]),
    with_values(&["stdbuf"], &["-i", "--input", "-o", "--output", "-e", "--error"]),
    with_values(&["time"], &["-f", "--format", "-o", "--output"]),
    with_values(&["setsid", "setpriv"], &["--reuid", "--regid", "--groups", "--bounding-set"]),
    with_values(&["unshare"], &["-R", "--root", "-w", "--wd", "-S", "--setuid", "-G", "--setgid"]),
    with_values(&["unbuffer"], &[]),
    with_values(
        &["strace", "ltrace"],
        &["-a", "-b", "-e", "-E", "-I", "-o", "-O", "-P", "-s", "-S", "-u", "-X"],
    ),
    with_values(&["xargs"], &["-a", "-d", "-E", "-I", "-L", "-n", "-P", "-s"]),
    with_values(&["sudo", "doas"], &["-C", "-D", "-g", "-h", "-p", "-R", "-r", "-T", "-t", "-U", "-u"]),
    with_values(&["dbus-run-session"], &["--config-file", "--dbus-daemon"]),
    with_values(&["xvfb-run"], &["-e", "-f", "-n", "-p", "-s", "-w"]),
    with_values(&["proxychains", "proxychains4"], &["-f"]),
    with_values(&["rlwrap"], &["-C", "-D", "-f", "-H", "-l", "-s", "-S", "-P"]),
    operand(&["timeout"], &["-k", "--kill-after", "-s", "--signal"]),
    operand(&["chrt"], &["-D", "--sched-deadline", "-P", "--sched-period", "-T", "--sched-runtime"]),
    operand(&["taskset", "faketime"], &[]),
    Wrapper {
        lines: &["-c", "--command"],
        ..operand(&["flock"], &["-w", "--timeout", "-E", "--conflict-exit-code"])
    },
    Wrapper { lines: &["-c", "--command"], ..plain(&["script"]) },
    Wrapper { lines: &["-c", "--command"], ..verb(&["asciinema"], &["rec"], &["-t", "--title", "-i"]) },
    // Environments of projects and of languages.
    Wrapper { operands: Operands::Count(1), ..verb(&["direnv"], &["exec"], &[]) },
    behind_dashes(&["mise", "rtx"], &["x"]),
    behind_dashes(&["mise", "rtx"], &["exec"]),
    verb(&["asdf", "pyenv", "rbenv", "nodenv"], &["exec"], &[]),
    verb(&["volta"], &["run"], &["--node", "--npm", "--pnpm", "--yarn"]),
    verb(&["fnm"], &["exec"], &["--using"]),
    verb(&["poetry", "pipenv", "pdm", "hatch", "rye", "pixi"], &["run"], &["-e", "-m", "-p"]),
    verb(&["conda", "mamba", "micromamba"], &["run"], &["-n", "--name", "-p", "--prefix", "--cwd"]),
    Wrapper { before: &["-c", "--command"], ..behind_dashes(&["nix"], &["shell"]) },
    Wrapper { before: &["-c", "--command"], ..behind_dashes(&["nix"], &["develop"]) },
    Wrapper { lines: &["--run", "--command"], ..behind_dashes(&["nix-shell"], &[]) },
    behind_dashes(&["devbox"], &["run"]),
    behind_dashes(&["flox"], &["activate"]),
    behind_dashes(&["guix"], &["shell"]),
    // Who gives secrets to a command.
    behind_dashes(&["op", "doppler", "infisical", "dotenvx", "teller"], &["run"]),
    behind_dashes(&["aws-vault", "chamber"], &["exec"]),
    // Sandboxes and scopes.
    behind_dashes(&["bwrap", "firejail", "systemd-run", "dotenv"], &[]),
    // Runners of packages.
    package(
        &["npx", "npx-cli.js", "pnpx", "bunx"],
        &[],
        &["-p", "--package", "-w", "--workspace", "--cache"],
    ),
    package(&["npm", "npm-cli.js"], &["exec"], &["-p", "--package", "-w", "--workspace", "--cache"]),
    package(&["npm", "npm-cli.js"], &["x"], &["-p", "--package", "-w", "--workspace", "--cache"]),
    package(&["pnpm", "pnpm.cjs", "yarn", "yarn.js"], &["dlx"], &["-C", "--dir", "-p", "--package"]),
    verb(&["pnpm", "pnpm.cjs", "yarn", "yarn.js"], &["exec"], &["-C", "--dir", "--cwd"]),
    package(&["bun"], &["x"], &["-p", "--package"]),
    plain(&["corepack"]),
    package(&["uvx"], &[], &["--from", "--with", "-p", "--python", "--directory", "-w", "--index"]),
    package(
        &["uv"],
        &["tool", "run"],
        &["--from", "--with", "-p", "--python", "--directory", "-w", "--index"],
    ),
    verb(
        &["uv"],
        &["run"],
        &["--with", "-p", "--python", "--directory", "--project", "--package", "--env-file"],
    ),
    package(&["pipx"], &["run"], &["--spec", "--python", "--index-url", "--pip-args"]),
];

/// What a program runs by its arguments, if it is one that runs others and was told to.
pub(crate) fn behind<'w, 'a>(program: &[u8], arguments: &'a [&'w [u8]]) -> Option<Behind<'w, 'a>> {
    let of_program = WRAPPERS.iter().filter(|wrapper| is_one_of(wrapper.names, program));
    of_program.map(|wrapper| wrapper.behind(arguments)).find_map(|behind| behind)
}

impl Wrapper {
    /// `None`: it was not told to run anything.
    fn behind<'w, 'a>(&self, arguments: &'a [&'w [u8]]) -> Option<Behind<'w, 'a>> {
        let mut rest = arguments;
        let mut verb = self.verb.iter();
        let mut wanted = verb.next();
        let mut operands = match self.operands {
            Operands::Count(count) => Some(count),
            Operands::Dashes => None,
        };
        while let Some((&word, after)) = rest.split_first() {
            let here = rest;
            let is_option = word.starts_with(b"-") && word != b"-";
            let is_told = wanted.is_none();
            rest = after;
            if wanted.is_some_and(|wanted| wanted.as_bytes() == word) {
                wanted = verb.next();
            } else if !is_told && !is_option {
                return None;
            } else if is_told && self.is_line(word) {
                return Some(after.first().map_or(Behind::Nothing, |line| Behind::Line(line)));
            } else if is_told && is_in(self.before, word) {
                return Some(self.found(after));
            } else if is_told && word == b"--" {
                return Some(self.found(after.get(operands.unwrap_or(0)..).unwrap_or(&[])));
            } else if is_in(self.values, word) {
                rest = after.get(1..).unwrap_or(&[]);
            } else if !(is_option || operands == Some(0) && is_assignment(word)) {
                match &mut operands {
                    Some(0) => return Some(self.found(here)),
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
        }
        wanted.is_none().then_some(Behind::Nothing)
    }

    /// An option whose value is a command line; `-qc` is `-q` and `-c`.
    fn is_line(&self, word: &[u8]) -> bool {
        let is_cluster = |option: &&str| match (option.as_bytes(), word) {
            ([b'-', letter], [b'-', first, .., last]) => *first != b'-' && letter == last,
            _ => false,
        };
        is_in(self.lines, word) || self.lines.iter().any(is_cluster)
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
            Some(Behind::Line(line)) => format!("line {}", text(line)),
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
            ("env -S codex", "line codex"),
            ("nice -n 5 codex", "codex"),
            ("nice -5 codex", "codex"),
            ("nice codex -n", "codex -n"),
            ("stdbuf -oL codex", "codex"),
            ("taskset -c 0 codex", "codex"),
            ("flock /tmp/lock -c codex", "line codex"),
            ("flock /tmp/lock codex -c x", "codex -c x"),
            ("script -q -c codex /dev/null", "line codex"),
            ("script -qec codex /dev/null", "line codex"),
            ("mise x node@22 -- claude", "claude"),
            ("op run --env-file f -- claude -p x", "claude -p x"),
            ("aws-vault exec work -- codex", "codex"),
            ("bwrap --bind / / --dev /dev -- codex", "codex"),
            ("direnv exec . codex", "codex"),
            ("uv run --with x codex", "codex"),
            ("uv tool run --from x aider", "package aider"),
            ("npm exec --yes -- @openai/codex exec", "package @openai/codex"),
            ("pnpm dlx @openai/codex", "package @openai/codex"),
            ("pnpm -C /w exec codex", "codex"),
            ("npx -p x -c codex", "line codex"),
            ("conda run -n base aider", "aider"),
            ("nix shell nixpkgs#x -c codex", "codex"),
        ] {
            assert_eq!(of(line), found, "{line}");
        }
    }

    #[test]
    fn who_is_told_something_else_runs_nothing() {
        for line in [
            "npm install codex",
            "uv pip install aider",
            "mise use codex",
            "git commit -m claude",
            "cat codex",
        ] {
            assert_eq!(of(line), "none", "{line}");
        }
        for line in ["timeout 60", "env", "mise exec codex", "npx", "nice -n"] {
            assert_eq!(of(line), "nothing", "{line}");
        }
    }
}
