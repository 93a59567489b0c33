//! The local package index, as the ordinary clients use it: what templates install in a prepared repository is there
//! afterwards.
//!
//! Needs root, for a network namespace and a user of its own, and the packages: those of the cache, or a network.
#![expect(clippy::cast_possible_truncation, reason = "on 64 bits, a place has room for a seed")]
#![expect(clippy::indexing_slicing, reason = "a seed goes round the length of the list that it chooses from")]

use datasets::agent;
use datasets::repository::{self, Ecosystem, Prepared, Repository};
use datasets::{PackageIndex, Packages, Script, World, network, template};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why the test cannot run here.
fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("this makes a network namespace and a user of its own, and needs root".into());
    }
    let starts = |program: &&str| {
        let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    };
    let missing = ["cargo", "npm", "/usr/bin/python3"].into_iter().find(|program| !starts(program))?;
    Some(format!("there is no `{missing}` here, through which packages are fetched"))
}

/// What lists the packages that are installed in a workspace.
fn list(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Crate => "cargo tree -q --prefix none --depth 1 | tail -n +2",
        Ecosystem::Npm => "ls node_modules",
        Ecosystem::Pypi => ".venv/bin/pip freeze",
    }
}

/// Runs a command as sessions do; what it printed.
fn run(world: &World, path: &OsString, workspace: &Path, command: &str) -> String {
    let output = Command::new("bash")
        .args(["-c", command])
        .env_clear()
        .envs(world.environment())
        .envs(PackageIndex::environment(&world.home()))
        .env("PATH", path)
        .current_dir(workspace)
        .stdin(Stdio::null())
        .uid(world.user.id)
        .gid(world.user.id)
        .output()
        .expect("a shell");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A script that installs a package.
fn script(prepared: &Prepared, seed: u64) -> Script {
    let families = template::families().expect("the families");
    let family = families.iter().find(|family| family.name == "install-dependencies").expect("the family");
    let template = &family.templates[seed as usize % family.templates.len()];
    template.draw(family, &prepared.repository, &prepared.survey, seed).expect("a script")
}

#[test]
fn what_a_session_installs_from_the_index_is_installed() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let repositories = repository::all().expect("the repositories");
    let sources = repositories.iter().try_for_each(|repository| repository.fetch().map(drop));
    let packages = match sources.and_then(|()| Packages::fetch(&repositories)) {
        Ok(packages) => packages,
        Err(error) => {
            println!("skipped: the packages are not in the cache, and cannot be fetched: {error}");
            return;
        }
    };
    let world = World::create(1).expect("a world");
    let prepare = |repository: &Repository| repository.prepare(&world).expect("a repository");
    let prepared: Vec<Prepared> = repositories.iter().map(prepare).collect();
    let path = datasets::place_toolchain(&world).expect("a toolchain");
    let shell = agent::named("shell").expect("an agent");
    agent::configure(shell, &world).expect("a configuration");
    network::isolate().expect("a network namespace");
    let _index = PackageIndex::start(packages).expect("an index");
    for (prepared, seed) in prepared.iter().zip(0..) {
        let repository = &prepared.repository;
        let workspace = prepared.place(&world).expect("a workspace");
        let commands: Vec<String> =
            script(prepared, seed).steps.into_iter().map(|step| step.command).collect();
        let printed = run(&world, &path, &workspace, &commands.join("\n"));
        let listed = run(&world, &path, &workspace, list(repository.ecosystem));
        // `strsim v0.11.1`, `marked`, `click==8.1.7`
        let installed: Vec<&str> =
            listed.lines().map(|line| line.split([' ', '=']).next().unwrap_or_default()).collect();
        let offered = repositories
            .iter()
            .filter(|other| other.ecosystem == repository.ecosystem && other.name != repository.name)
            .any(|other| installed == [other.name.as_str()]);
        assert!(offered, "{}: {listed}\n{}\n{printed}", repository.name, commands.join("\n"));
    }
}
