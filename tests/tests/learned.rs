//! Where that is configured, baselines take in by themselves what ended sessions taught, and say so: what became of each, by what
//! evidence, and what the last training changed.

use anyhow::{Context, Result};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::time::Duration;

/// How long a training may take that begins by itself, beside whatever else this machine does.
const LEARNED: Duration = Duration::from_secs(60);

/// Records a script in one of the user's projects.
fn record(world: &World, project: &str, script: &str) -> Result<()> {
    let workspace = world.home().join("projects").join(project);
    fs::create_dir_all(&workspace)?;
    chown(&workspace, Some(world.user.id), Some(world.user.id))?;
    let workspace = workspace.to_str().context("path")?;
    world.run_script("record", &["--quiet", "--task", "edit", "--workspace", workspace], script)?;
    Ok(())
}

fn read(world: &World, line: &[&str]) -> Result<Value> {
    let output = world.run(line)?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
}

fn revisions(world: &World) -> Result<Vec<Value>> {
    let log = read(world, &["baseline", "log", "--json"])?;
    Ok(log.as_array().cloned().unwrap_or_default())
}

#[test]
fn what_sessions_taught_is_learned_by_itself() -> Result<()> {
    let world = World::new()?;
    fs::create_dir_all(world.state())?;
    fs::write(world.state().join("config.toml"), "[learn]\nauto = true\n")?;
    world.write(&world.home().join(".ssh/id_ed25519"), "a key\n")?;
    let usual = "ls; ls -l; cat /etc/hostname";
    for project in ["one", "two"] {
        record(&world, project, usual)?;
    }
    // One that met a jewel teaches nothing.
    record(&world, "one", "cat ~/.ssh/id_ed25519; ls")?;
    record(&world, "three", usual)?;
    let learned = |number| wait_until(LEARNED, || revisions(&world).is_ok_and(|all| all.len() == number));
    assert!(learned(1), "{:?}", revisions(&world));
    let first = &revisions(&world)?[0];
    let told = (&first["became"], &first["sessions"], &first["workspaces"], &first["by_itself"]);
    assert_eq!(told, (&"made".into(), &3.into(), &3.into(), &true.into()), "{first}");
    let none = world.run(["baseline", "diff", "test-agent/edit"])?;
    assert_eq!(none.status.code(), Some(120), "{none:?}");

    record(&world, "four", "ls; ls -l; cat /etc/hostname; id -u")?;
    assert!(learned(2), "{:?}", revisions(&world));
    let second = &revisions(&world)?[1];
    let told = (&second["became"], &second["sessions"], &second["by_itself"]);
    assert_eq!(told, (&"updated".into(), &4.into(), &true.into()), "{second}");
    let listed = read(&world, &["baselines", "--json"])?;
    let told = (&listed[0]["sessions"], &listed[0]["repositories"], &listed[0]["days"]);
    assert_eq!((told.0, told.1), (&4.into(), &4.into()), "{listed}");
    assert!(told.2 == 1 || told.2 == 2, "{listed}");
    let diff = read(&world, &["baseline", "diff", "test-agent/edit", "--json"])?;
    assert_eq!((&diff["first"]["sessions"], &diff["second"]["sessions"]), (&3.into(), &4.into()), "{diff}");
    assert_eq!(second["added"], diff["added"].as_array().map_or(0, Vec::len), "{diff}");
    Ok(())
}
