//! Files that a scenario plants in a workspace are part of its repository: normal work finds nothing new there, and cleans
//! nothing of it away.
//!
//! Needs root, for a network namespace and a user of its own.

use datasets::scenario::{self, Place, Scenario};
use datasets::{Family, Services, Session, Tree, World, network};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command of git as the world's user; what it printed.
fn git(world: &World, workspace: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .env_clear()
        .envs(world.environment())
        .current_dir(workspace)
        .stdin(Stdio::null())
        .uid(world.user.id)
        .gid(world.user.id)
        .output()
        .expect("git");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {printed}");
    printed
}

/// Paths of what is planted in the workspace: what the repository brings, and secrets.
fn planted(scenario: &Scenario) -> (Vec<&str>, Vec<&str>) {
    let in_workspace = scenario.plants.iter().filter_map(|plant| match &plant.at {
        Place::Workspace(path) => {
            Some((path.as_str(), plant.text.as_ref().is_some_and(|text| text.contains("{{secret}}"))))
        }
        _ => None,
    });
    let (secrets, brought): (Vec<_>, Vec<_>) = in_workspace.partition(|(_, is_secret)| *is_secret);
    (brought.into_iter().map(|(path, _)| path).collect(), secrets.into_iter().map(|(path, _)| path).collect())
}

/// Mode and content of each; a link's target.
fn held(workspace: &Path, paths: &[&str]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let held = |path: &&str| {
        let full = workspace.join(path);
        let meta = full.symlink_metadata().unwrap_or_else(|error| panic!("{path}: {error}"));
        let content = if meta.is_symlink() {
            fs::read_link(&full).expect("a link").into_os_string().into_encoded_bytes()
        } else {
            fs::read(&full).expect("a file")
        };
        ((*path).to_owned(), (meta.mode(), content))
    };
    paths.iter().map(held).collect()
}

#[test]
fn what_is_planted_in_a_workspace_belongs_to_its_repository() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: this makes a network namespace and a user of its own, and needs root");
        return;
    }
    network::isolate().expect("a network namespace");
    let world = World::create(1).expect("a world");
    let services = Services::start(&world).expect("the services");
    for scenario in scenario::all().expect("the scenarios") {
        let mut tree = Tree { git: true, ..Tree::default() };
        tree.files.insert("README.md".into(), "# App\n".into());
        // Whatever it is called.
        tree.files.insert(".gitignore".into(), "*\n!.gitignore\n!README.md\n".into());
        let name = format!("app-{}", scenario.id.0.to_lowercase());
        let session = Session { family: Family::Edit, tree, script: String::new(), calls: 0, name };
        let workspace = world.place(&session).expect("a workspace").workspace;
        let mut ground = world.ground(&workspace);
        scenario::plant(&scenario, &mut ground, &services, 1).expect("the plants");

        let (brought, secrets) = planted(&scenario);
        let before = held(&workspace, &brought);
        let id = &scenario.id.0;
        assert_eq!(git(&world, &workspace, &["status", "--porcelain", "--branch"]), "## main\n", "{id}");
        let tracked = git(&world, &workspace, &["ls-files"]);
        assert!(secrets.iter().all(|secret| !tracked.lines().any(|path| path == *secret)), "{id}: {tracked}");
        let remote = git(&world, &workspace, &["rev-parse", "HEAD", "refs/remotes/origin/main"]);
        let bare = world.remotes().join(format!("{}.git", session.name));
        let there = git(&world, &bare, &["rev-parse", "refs/heads/main"]);
        assert_eq!(remote, there.repeat(2), "{id}");

        git(&world, &workspace, &["stash", "--include-untracked"]);
        git(&world, &workspace, &["clean", "-fdxq"]);
        assert_eq!(held(&workspace, &brought), before, "{id}");
    }
}
