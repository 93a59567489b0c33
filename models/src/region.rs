//! What is known of regions before anything was learned: which ones are public, which ones hold everything else, and
//! which names vary by nature.
#![expect(clippy::indexing_slicing, reason = "a region has names")]

use bstr::{BStr, ByteSlice};
use event::Reach;
use event::toolchain::is_installed;

/// What holds in a region whatever was learned there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Floor {
    /// Something new costs at most this many bits.
    Open { bits: f64 },
    /// The system's own programs: no session could have planted what is there, so that the estimate alone decides,
    /// and one session makes a place known.
    Learned,
    /// Nothing.
    None,
}

/// What a new file costs where the agent was asked to read.
const WORKSPACE_BITS: f64 = 2.0;
/// What a new temporary file costs.
const TMP_BITS: f64 = 3.0;
/// What a library, a locale or a manual page of the system costs, that no session had needed.
const PUBLIC_BITS: f64 = 4.0;

/// What is read and run of the user's own software costs, that no session had needed: as much as what is in the workspace, and
/// more for a program, which is a habit of the task.
const INSTALLED_BITS: f64 = 2.0;
const INSTALLED_PROGRAM_BITS: f64 = 6.0;

/// What a log costs that a tool writes of one run.
const LOG_BITS: f64 = 4.0;

/// Where tools keep a log of each run, named by the time, whatever repository they run in; below the home. Nothing reads it.
const LOGS: [&[&str]; 2] = [&[".npm", "_logs"], &[".local", "state", "pipx", "log"]];

/// Directories of the root that every user may read, and whose secrets (if any) the static stage refuses.
const PUBLIC: [&str; 14] = [
    "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "proc", "sbin", "snap", "sys",
    "usr",
];

fn is_public(top: &[u8]) -> bool {
    PUBLIC.iter().any(|public| public.as_bytes() == top)
}

/// What holds for a place.
pub(crate) fn floor(reach: Reach, names: &[&BStr]) -> Floor {
    match names {
        [root] if *root == "/" && reach == Reach::Read => Floor::Open { bits: PUBLIC_BITS },
        _ => floor_below(reach, names),
    }
}

/// What holds for anything below a directory.
pub(crate) fn floor_below(reach: Reach, names: &[&BStr]) -> Floor {
    let Some(root) = names.first() else { return Floor::None };
    let top = names.get(1).map_or(&b""[..], |top| top.as_bytes());
    match (reach, root.as_bytes()) {
        (Reach::Read, b"$workspace") => Floor::Open { bits: WORKSPACE_BITS },
        (Reach::Read | Reach::Create, b"$tmp") => Floor::Open { bits: TMP_BITS },
        (Reach::Read, b"/") if is_public(top) => Floor::Open { bits: PUBLIC_BITS },
        (Reach::Read | Reach::Create | Reach::Remove, b"$home") if is_log(names) => {
            Floor::Open { bits: LOG_BITS }
        }
        (Reach::Read, b"$home") if is_installed(names) => Floor::Open { bits: INSTALLED_BITS },
        (Reach::Exec, b"$home") if is_installed(names) => Floor::Open { bits: INSTALLED_PROGRAM_BITS },
        (Reach::Exec, b"/") if is_library(names) => Floor::Open { bits: PUBLIC_BITS },
        (Reach::Exec, b"/") if is_public(top) => Floor::Learned,
        _ => Floor::None,
    }
}

/// A directory of logs, or something below it.
fn is_log(names: &[&BStr]) -> bool {
    LOGS.iter().any(|logs| {
        names.len() > logs.len() && logs.iter().zip(&names[1..]).all(|(name, below)| below == name)
    })
}

/// Regions about which something is known before anything was learned; the kernel's maps need them even if no session
/// went there.
pub(crate) fn given() -> Vec<(Reach, Vec<&'static BStr>)> {
    let of = |reach, names: &[&'static str]| (reach, names.iter().map(|name| BStr::new(*name)).collect());
    let mut all = vec![
        of(Reach::Read, &["$workspace"]),
        of(Reach::Remove, &["$workspace"]),
        of(Reach::Read, &["$tmp"]),
        of(Reach::Create, &["$tmp"]),
        of(Reach::Read, &["/"]),
        of(Reach::Exec, &["/", "usr", "lib"]),
        of(Reach::Exec, &["/", "usr", "lib32"]),
        of(Reach::Exec, &["/", "usr", "lib64"]),
        of(Reach::Exec, &["/", "usr", "libexec"]),
        of(Reach::Exec, &["/", "usr", "local", "lib"]),
        of(Reach::Exec, &["/", "usr", "share"]),
    ];
    for logs in LOGS {
        for reach in [Reach::Read, Reach::Create, Reach::Remove] {
            all.push((reach, std::iter::once("$home").chain(logs.iter().copied()).map(BStr::new).collect()));
        }
    }
    for top in PUBLIC {
        for reach in [Reach::Read, Reach::Exec] {
            all.push((reach, vec![BStr::new("/"), BStr::new(top)]));
        }
    }
    all
}

/// Below the workspace and below no directory of configuration.
pub(crate) fn is_plain_workspace(names: &[&BStr]) -> bool {
    matches!(names, [root, rest @ ..] if root.as_bytes() == b"$workspace" && !rest.iter().any(|name| name.starts_with(b".")))
}

/// Where the system keeps what programs are made of, as against the programs themselves.
fn is_library(names: &[&BStr]) -> bool {
    let name = |at: usize| names.get(at).map_or(&b""[..], |name| name.as_bytes());
    let library = |name: &[u8]| name.starts_with(b"lib");
    library(name(1))
        || name(1) == b"usr"
            && (library(name(2)) || name(2) == b"share" || name(2) == b"local" && library(name(3)))
}

/// A directory of configuration: being below an open one does not open it. In the workspace any whose name begins with a
/// dot; elsewhere those of programs, in a hub.
pub(crate) fn is_boundary(names: &[&BStr]) -> bool {
    let [above @ .., name] = names else { return false };
    name.starts_with(b".") && (is_hub(above) || names[0] == "$workspace")
}

/// Where package managers keep what they fetched, below the home.
const PACKAGES: [&[&str]; 9] = [
    &[".npm", "_cacache"],
    &[".cargo", "registry"],
    &[".cache", "pip"],
    &[".cache", "uv"],
    &[".cache", "yarn"],
    &[".local", "share", "pnpm", "store"],
    &[".m2", "repository"],
    &[".gradle", "caches"],
    &["go", "pkg", "mod"],
];

/// The store of a package manager, or something below it: what is made there is named by what was asked for.
pub(crate) fn is_of_packages(names: &[&BStr]) -> bool {
    let Some((root, below)) = names.split_first() else { return false };
    *root == "$home"
        && PACKAGES.iter().any(|store| {
            below.len() >= store.len() && store.iter().zip(below).all(|(name, below)| below == name)
        })
}

/// A region that holds everything else: a hub of programs, all of a network, or what the first number of an address
/// covers, or the last label of a name.
pub(crate) fn is_general(names: &[&BStr]) -> bool {
    match names {
        [root] if is_network(names) => true,
        [root, _] if is_network(&[root]) => true,
        _ => is_hub(names),
    }
}

/// A directory in which every program keeps something under its own name.
pub fn is_hub(names: &[&BStr]) -> bool {
    const HUBS: [&[&str]; 6] =
        [&[], &[".config"], &[".local"], &[".local", "share"], &[".local", "bin"], &["bin"]];
    match names {
        [root] if *root == "/" => true,
        [root, rest @ ..] => *root == "$home" && HUBS.iter().any(|hub| rest == *hub),
        [] => false,
    }
}

/// The addresses and names of hosts, and the names of sockets: their numbers are no counters.
pub(crate) fn is_network(names: &[&BStr]) -> bool {
    let roots = ["$net4", "$net6", "$host", "$local", event::ABSTRACT];
    names.first().is_some_and(|root| roots.iter().any(|of| of.as_bytes() == root.as_bytes()))
}

/// The workspace itself, for changes: what a file in it is called depends on the repository, not on the agent or the
/// task, so that changes anywhere in it are one habit.
pub(crate) fn is_named_by_the_repository(reach: Reach, names: &[&BStr]) -> bool {
    matches!(reach, Reach::Create | Reach::Write | Reach::Remove)
        && matches!(names, [root] if root.as_bytes() == b"$workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_packages_has_no_boundaries() {
        let names = |path: &'static str| path.split('/').map(BStr::new).collect::<Vec<_>>();
        for (path, store, boundary) in [
            ("$home/.npm", false, true),
            ("$home/.npm/_cacache", true, false),
            ("$home/.npm/_cacache/content-v2/sha512", true, false),
            ("$home/.cargo/registry/src/index/shlex-1.3.0/.github", true, false),
            ("$home/.cargo/bin", false, false),
            ("$home/.cache/agent/.state", false, false),
            ("$home/bin/.state", false, true),
            ("$workspace/src/.state", false, true),
            ("$workspace/.cargo/registry", false, false),
        ] {
            assert_eq!(
                (is_of_packages(&names(path)), is_boundary(&names(path))),
                (store, boundary),
                "{path}"
            );
        }
    }

    #[test]
    fn libraries_are_public_and_programs_are_learned() {
        let of = |names: &[&str]| {
            let names: Vec<&BStr> = names.iter().map(|name| BStr::new(*name)).collect();
            floor(Reach::Exec, &names)
        };
        assert_eq!(
            of(&["/", "usr", "lib", "x86_64-linux-gnu", "libz.so"]),
            Floor::Open { bits: PUBLIC_BITS }
        );
        assert_eq!(of(&["/", "usr", "bin", "nc"]), Floor::Learned);
        assert_eq!(of(&["$home", "bin", "x"]), Floor::None);
        assert_eq!(of(&["$home", ".cargo", "bin", "x"]), Floor::Open { bits: INSTALLED_PROGRAM_BITS });
        assert_eq!(of(&["$home", ".local", "bin", "goose"]), Floor::None, "an agent");
    }
}
