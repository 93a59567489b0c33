//! The user's own software: where compilers, interpreters, package managers and their programs lie below a home.
//!
//! What is installed there is to a session what lies in `/usr`: it may be read and run, whatever was recorded, since which
//! interpreter a task needs depends on the repository. Making and changing it is another matter: that stays as it was learned.
//! Programs of agents are excepted, since one that starts another hands its work on.

use crate::template::VERSION;
use agents::Agent;
use bstr::{BStr, BString};

/// A compiler, interpreter or package manager below a home.
struct Toolchain {
    /// Its directory.
    place: &'static str,
    /// The parts of it that hold nothing but what was installed; an empty name is the whole.
    installed: &'static [&'static str],
}

/// All of the directory was installed.
const WHOLE: &[&str] = &[""];

/// The known ones. Not `~/.local/bin`: there lie the tools that act in their user's name (a cloud's, a forge's), and which of
/// them a task needs is learned.
const TOOLCHAINS: &[Toolchain] = &[
    Toolchain { place: ".asdf", installed: WHOLE },
    Toolchain { place: ".bun", installed: &["bin"] },
    Toolchain { place: ".cargo", installed: &["bin"] },
    Toolchain { place: ".deno", installed: &["bin"] },
    Toolchain { place: ".fnm", installed: WHOLE },
    Toolchain { place: ".ghcup", installed: WHOLE },
    Toolchain { place: ".goenv", installed: WHOLE },
    Toolchain { place: ".local/lib", installed: WHOLE },
    Toolchain { place: ".local/share/fnm", installed: WHOLE },
    Toolchain { place: ".local/share/mise", installed: WHOLE },
    Toolchain { place: ".local/share/pnpm", installed: &[] },
    Toolchain { place: ".local/share/uv", installed: &["python"] },
    Toolchain { place: ".nodenv", installed: WHOLE },
    Toolchain { place: ".npm-global", installed: WHOLE },
    Toolchain { place: ".nvm", installed: WHOLE },
    Toolchain { place: ".opam", installed: WHOLE },
    Toolchain { place: ".pyenv", installed: WHOLE },
    Toolchain { place: ".rbenv", installed: WHOLE },
    Toolchain { place: ".rustup", installed: WHOLE },
    Toolchain { place: ".sdkman", installed: WHOLE },
    Toolchain { place: ".volta", installed: WHOLE },
    Toolchain { place: "go", installed: &["bin"] },
    Toolchain { place: "miniconda3", installed: &["bin", "lib"] },
];

/// Where `npm install -g` puts packages, with the version of Node.js that they are installed for.
const PACKAGES: [&str; 5] = [
    ".asdf/installs/nodejs/$version/lib/node_modules",
    ".local/share/fnm/node-versions/$version/installation/lib/node_modules",
    ".local/share/mise/installs/node/$version/lib/node_modules",
    ".npm-global/lib/node_modules",
    ".nvm/versions/node/$version/lib/node_modules",
];

/// Where programs lie that are files by themselves.
const PROGRAMS: [&str; 5] = [".bun/bin", ".cargo/bin", ".deno/bin", "go/bin", ".pyenv/versions/$version/bin"];

/// The directories of toolchains below a home.
pub fn directories() -> impl Iterator<Item = &'static str> {
    TOOLCHAINS.iter().map(|toolchain| toolchain.place)
}

/// The places below a home that hold nothing but what was installed, as components.
pub fn installed() -> impl Iterator<Item = impl Iterator<Item = &'static str>> {
    TOOLCHAINS.iter().flat_map(|toolchain| {
        let names = |part: &&'static str| {
            let part = Some(*part).filter(|part| !part.is_empty());
            toolchain.place.split('/').chain(part.into_iter().flat_map(|part| part.split('/')))
        };
        toolchain.installed.iter().map(names)
    })
}

/// Whether a place is software that its user installed, or lies in it, and is no agent's.
pub fn is_installed(names: &[&BStr]) -> bool {
    let Some((root, below)) = names.split_first() else { return false };
    let lies_there = installed().any(|mut place| {
        let mut rest = below.iter();
        place.all(|name| rest.next().is_some_and(|below| *below == name))
    });
    *root == "$home" && lies_there && Agent::of_program(&bstr::join("/", below)).is_none()
}

/// The programs and packages of agents that may lie in what is installed, as components of places.
pub fn of_agents() -> impl Iterator<Item = Vec<BString>> {
    debug_assert!(PACKAGES.iter().all(|place| !place.contains('$') || place.contains(VERSION)));
    Agent::all().iter().flat_map(|agent| {
        let packages = agent.packages.iter().flat_map(|name| PACKAGES.map(|place| (place, name)));
        let programs = agent.executables.iter().flat_map(|name| PROGRAMS.map(|place| (place, name)));
        packages.chain(programs).map(|(place, name)| {
            let names = place.split('/').chain(name.split('/'));
            std::iter::once("$home").chain(names).map(BString::from).collect()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::ByteSlice;

    fn installed(path: &str) -> bool {
        is_installed(&path.split('/').map(|name| name.as_bytes().as_bstr()).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_user_installed_is_told_from_what_they_wrote_and_from_agents() {
        for path in [
            "$home/.nvm/versions/node/$version/bin/node",
            "$home/.nvm/versions/node/$version/lib/node_modules/npm/bin/npm-cli.js",
            "$home/.cargo/bin",
            "$home/.cargo/bin/rg",
            "$home/.rustup/toolchains/stable/bin/rustc",
            "$home/.pyenv/versions/$version/lib/python3.12/os.py",
        ] {
            assert!(installed(path), "{path}");
        }
        for path in [
            "$home",
            "$home/.cargo",
            "$home/.cargo/config.toml",
            "$home/bin/deploy",
            "$home/.local/bin/aws",
            "$home/go/src/mine",
            "$home/projects/app/.nvm/x",
            "$workspace/.nvm/x",
            "$home/.local/bin/goose",
            "$home/.npm-global/lib/node_modules/@openai/codex",
            "$home/.nvm/versions/node/$version/lib/node_modules/@google/gemini-cli/bundle/gemini.js",
        ] {
            assert!(!installed(path), "{path}");
        }
    }

    #[test]
    fn each_program_of_an_agent_lies_in_what_is_installed_and_is_none_of_it() {
        for names in of_agents() {
            let names: Vec<&BStr> = names.iter().map(|name| name.as_bstr()).collect();
            assert!(!is_installed(&names), "{names:?}");
            let above = names.iter().take_while(|name| **name != "node_modules").count().min(names.len() - 1);
            assert!(is_installed(&names[..above]), "{names:?}");
        }
    }
}
