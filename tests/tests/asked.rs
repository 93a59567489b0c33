//! What rules ask about (`effect = "ask"`) is refused to a task of which nobody knows that it does so, and goes on where its
//! baseline saw that, or where its user allows it.

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Output;

const OWN: &str = "/etc/wardline";
/// Puts a tool where programs are looked for, changes a hook of the workspace, and works beside both.
const INSTALLS: &str =
    "say() { if \"$@\" 2> /dev/null; then echo \"$1 went on\"; else echo \"$1 refused\"; fi; }
    tool() { echo '#!/bin/sh' > ~/.local/bin/tool; }
    hook() { echo lint >> .husky/pre-commit; }
    beside() { echo x > ~/.local/share/tool/x && echo x > src/x; }
    say tool; say hook; say beside";
/// Works beside them alone.
const WORKS: &str = "echo x > ~/.local/share/tool/x; echo x > src/x; ls; ls -l; cat /etc/hostname";
const REFUSED: &str = "tool refused\nhook refused\nbeside went on\n";
const WENT_ON: &str = "tool went on\nhook went on\nbeside went on\n";

/// A world with rules of its own: this machine keeps its own.
fn world() -> Result<World> {
    fs::create_dir_all(OWN)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("rules", OWN, "tmpfs", MountFlags::empty(), c"mode=0755")?;
    let world = World::new()?;
    for path in [".local/bin/there", ".local/share/tool/x"] {
        world.write(&world.home().join(path), "#!/bin/sh\n")?;
    }
    Ok(world)
}

/// Runs a script in a session in one of the user's projects, which holds a hook and a source.
fn session(world: &World, verb: &str, project: &str, task: &str, script: &str) -> Result<(Output, Value)> {
    let workspace = world.home().join("projects").join(project);
    for path in [".husky/pre-commit", "src/main.rs"] {
        if !workspace.join(path).exists() {
            world.write(&workspace.join(path), "there\n")?;
        }
    }
    chown(&workspace, Some(world.user.id), Some(world.user.id))?;
    fs::set_permissions(&workspace, Permissions::from_mode(0o755))?;
    let summary = world.path().join("summary.json");
    let path = |path: &Path| path.to_str().map(str::to_owned).context("path");
    let (workspace, file) = (path(&workspace)?, path(&summary)?);
    let more = ["--quiet", "--task", task, "--workspace", &workspace, "--summary-file", &file];
    let output = world.run_script(verb, &more, &format!("cd '{workspace}'; {script}"))?;
    let summary = fs::read(&summary).with_context(|| format!("{output:?}"))?;
    Ok((output, serde_json::from_slice(&summary)?))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The reasons for which T0 refused something.
fn reasons(summary: &Value) -> Vec<String> {
    let denials = summary["denials"].as_array().cloned().unwrap_or_default();
    let of_t0 = denials.iter().filter(|denial| denial["stage"] == "T0" && denial["fate"] == "refused");
    of_t0.map(|denial| denial["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_nobody_knows_of_a_task_is_refused_and_opened_by_the_command_that_is_said() -> Result<()> {
    let world = world()?;
    let (output, summary) = session(&world, "enforce", "one", "edit", INSTALLS)?;
    assert_eq!(said(&output), REFUSED, "{output:?} {summary}");
    let reasons = reasons(&summary);
    let user = format!("{0}:{0}", world.user.id);
    for command in
        ["policy allow ~/.local/bin --what change", "policy allow .husky --in-workspace --what write"]
    {
        assert!(
            reasons.iter().any(|reason| reason.contains(&format!("`sudo wardline {command}`"))),
            "{summary}"
        );
        let mut asked = world.wardline(command.split(' '));
        let output = asked.args(["--user", &user, "--home"]).arg(world.home()).output()?;
        ensure!(output.status.success(), "{output:?}");
    }
    let (output, summary) = session(&world, "enforce", "one", "edit", INSTALLS)?;
    assert_eq!(said(&output), WENT_ON, "{output:?} {summary}");
    assert_eq!(summary["denied"], 0, "{summary}");
    Ok(())
}

#[test]
fn a_baseline_answers_for_its_own_task() -> Result<()> {
    let world = world()?;
    for project in ["one", "two"] {
        for _ in 0..2 {
            let (output, summary) = session(&world, "record", project, "set-up", INSTALLS)?;
            assert_eq!(said(&output), WENT_ON, "{output:?} {summary}");
            session(&world, "record", project, "edit", WORKS)?;
        }
    }
    let trained = world.run(["train"])?;
    ensure!(trained.status.success(), "{trained:?}");
    let (output, summary) = session(&world, "enforce", "one", "set-up", INSTALLS)?;
    assert_eq!(said(&output), WENT_ON, "{output:?} {summary}");
    assert_eq!((&summary["baseline"], &summary["denied"]), (&"enforcing".into(), &0.into()), "{summary}");
    // Another task of the same agent never did.
    let (output, summary) = session(&world, "enforce", "one", "edit", INSTALLS)?;
    assert_eq!(said(&output), REFUSED, "{output:?} {summary}");
    assert_eq!((&summary["baseline"], reasons(&summary).len()), (&"enforcing".into(), 2), "{summary}");
    Ok(())
}
