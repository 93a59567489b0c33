//! What `train` says of sessions that a baseline has not seen, and what follows: such a baseline only watches.

use anyhow::{Context, Result};
use end_to_end::World;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::process::Output;

/// Runs a script in a session in one of the user's projects.
fn session(world: &World, verb: &str, project: &str, more: &[&str], script: &str) -> Result<(Output, Value)> {
    let workspace = world.home().join("projects").join(project);
    fs::create_dir_all(&workspace)?;
    chown(&workspace, Some(world.user.id), Some(world.user.id))?;
    let summary = world.path().join("summary.json");
    let (workspace, path) =
        (workspace.to_str().context("path")?.to_owned(), summary.to_str().context("path")?.to_owned());
    let more = [&["--workspace", &workspace, "--summary-file", &path], more].concat();
    let output = world.run_script(verb, &more, script)?;
    let summary = fs::read(&summary).with_context(|| format!("{output:?}"))?;
    Ok((output, serde_json::from_slice(&summary)?))
}

fn json(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
}

#[test]
fn a_baseline_that_refuses_the_next_repository_only_watches_unless_forced() -> Result<()> {
    const LOOKS: &str = "cat ~/letters/other.txt; cat ~/.ssh/id_ed25519; true";
    let world = World::new()?;
    world.write(&world.home().join(".ssh/id_ed25519"), "a key\n")?;
    world.write(&world.home().join("letters/other.txt"), "dear diary\n")?;
    let task = ["--quiet", "--task", "edit"];
    for project in ["one", "two"] {
        world.write(&world.home().join(format!(".tool/{project}/state")), "state\n")?;
        for _ in 0..2 {
            let script = format!("cat ~/.tool/{project}/state");
            let (output, summary) = session(&world, "record", project, &task, &script)?;
            assert_eq!(&*output.stdout, b"state\n", "{output:?} {summary}");
        }
    }
    let trained = world.run(["train"])?;
    let said = String::from_utf8_lossy(&trained.stdout).into_owned();
    assert!(trained.status.success(), "{trained:?}");
    for words in [
        "3 of 3 sessions would have been refused something (each repository left out in turn):",
        "read     `$home/.tool/one/state`  (1 session)",
        "read     `$home/.tool/two/state`  (2 sessions)",
        "so it only watches",
        "`enforce --force-baseline` has it refuse now",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let listed = json(&world.run(["baselines", "--json"])?)?;
    assert_eq!(
        (&listed[0]["state"], &listed[0]["trial"]["refused"]),
        (&"shadow".into(), &3.into()),
        "{listed}"
    );
    // It watches, and the jewels are guarded as ever.
    let (output, summary) = session(&world, "enforce", "one", &["--task", "edit"], LOOKS)?;
    assert_eq!(&*output.stdout, b"dear diary\n", "{output:?} {summary}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the baseline test-agent/edit only watches: 3 of 3 sessions"), "{said}");
    assert!(said.contains("baseline   only watched: T1 and T2 refused nothing"), "{said}");
    let of = |summary: &Value, stage: &str| -> Vec<String> {
        let denials = summary["denials"].as_array().cloned().unwrap_or_default();
        let of_stage = denials.iter().filter(|denial| denial["stage"] == stage);
        of_stage.map(|denial| denial["fate"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((&summary["baseline"], &summary["denied"]), (&"shadow".into(), &1.into()), "{summary}");
    assert_eq!(of(&summary, "T0"), ["refused"], "{summary}");
    assert!(of(&summary, "T1").contains(&"happened".to_owned()), "{summary}");
    // Forced, it refuses.
    let (output, summary) =
        session(&world, "enforce", "one", &["--quiet", "--task", "edit", "--force-baseline"], LOOKS)?;
    assert_eq!(&*output.stdout, b"", "{output:?} {summary}");
    assert_eq!(summary["baseline"], "enforcing", "{summary}");
    assert!(of(&summary, "T1").contains(&"refused".to_owned()), "{summary}");
    Ok(())
}

#[test]
fn a_baseline_that_passes_its_trial_refuses() -> Result<()> {
    let world = World::new()?;
    world.write(&world.home().join("letters/other.txt"), "dear diary\n")?;
    for project in ["one", "two"] {
        for _ in 0..2 {
            session(
                &world,
                "record",
                project,
                &["--quiet", "--task", "edit"],
                "ls; ls -l; cat /etc/hostname",
            )?;
        }
    }
    let trained = world.run(["train", "--json"])?;
    let made = json(&trained)?;
    assert_eq!((&made[0]["state"], &made[0]["trial"]["refused"]), (&"enforcing".into(), &0.into()), "{made}");
    assert_eq!(made[0]["trial"]["sessions"], 3, "{made}");
    let (output, summary) =
        session(&world, "enforce", "one", &["--quiet", "--task", "edit"], "ls; cat ~/letters/other.txt")?;
    assert_eq!((&*output.stdout, &summary["baseline"]), (&b""[..], &"enforcing".into()), "{summary}");
    Ok(())
}

#[test]
fn recordings_without_a_task_make_no_baseline_unasked() -> Result<()> {
    let world = World::new()?;
    for _ in 0..3 {
        session(&world, "record", "one", &["--quiet"], "ls; ls -l; cat /etc/hostname")?;
    }
    let trained = world.run(["train"])?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&trained.stdout), String::from_utf8_lossy(&trained.stderr));
    assert_eq!(trained.status.code(), Some(125), "{said}");
    assert!(said.contains("3 sessions without a task") && said.contains("--task unknown`"), "{said}");
    assert_eq!(json(&world.run(["baselines", "--json"])?)?, Value::Array(Vec::new()));
    let trained = world.run(["train", "--json", "--task", "unknown"])?;
    let made = json(&trained)?;
    assert_eq!((trained.status.code(), &made[0]["task"]), (Some(0), &"unknown".into()), "{made}");
    assert_eq!(made[0]["state"], "enforcing", "{made}");
    Ok(())
}
