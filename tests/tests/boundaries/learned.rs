//! Operations that no recorded session performed.

use anyhow::{Context, Result};
use end_to_end::World;
use end_to_end::scene::{is_lsm, tells_changes};
use serde_json::Value;
use std::fs;

/// An agent's own sandbox makes file systems in memory, which no baseline can know: what lies there is the session's own.
/// To start a program from there is refused, but where the baseline has learned that its sessions change what is mounted
/// on `/`, which is seen in tier `lsm`: what lies in no known place is then open as a whole.
#[test]
fn a_sandbox_uses_what_it_made() -> Result<()> {
    const SANDBOX: &str = "unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c '\
        mount -t tmpfs made /mnt && echo kept > /mnt/a && cat /mnt/a && grep -c Name: /proc/self/status; \
        cp /bin/true /mnt/program && /mnt/program; echo code=$?'";
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    for _ in 0..4 {
        let output = world.run_script("record", &more, SANDBOX)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "kept\n1\ncode=0\n", "{output:?}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let output = world.run_script("enforce", &more, SANDBOX)?;
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if is_lsm(&summary)? {
        assert_eq!((said.as_str(), &summary["denied"]), ("kept\n1\ncode=0\n", &0.into()), "{summary}");
        return Ok(());
    }
    assert_eq!(said, "kept\n1\ncode=137\n", "{output:?} {summary}");
    assert_eq!((&summary["stopped"], &summary["stopped_by"]), (&1.into(), &"T1".into()), "{summary}");
    assert_eq!(summary["denials"][0]["op"], "exec", "{summary}");
    Ok(())
}

/// A directory that no normal session made is where an attack puts its own: where making it cannot be refused, who made it
/// ends before there is anything in it; where it is not even told, who puts something into it ends.
#[test]
fn nothing_is_put_into_a_directory_that_does_not_belong() -> Result<()> {
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    for _ in 0..4 {
        let output = world.run_script("record", &more, "mkdir -p built && ls")?;
        assert!(output.status.success(), "{output:?}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let output = world.run_script("enforce", &more, "mkdir -p built/more && ls")?;
    assert!(output.status.success(), "{output:?}");
    let plants = "mkdir ~/.monitor && echo run > ~/.monitor/service; echo code=$?";
    let output = world.run_script("enforce", &more, plants)?;
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let place = world.home().join(".monitor");
    let (code, op) = match (is_lsm(&summary)?, tells_changes(&summary)?) {
        (true, _) => ("code=1\n", "mkdir"),
        (_, true) => ("code=137\n", "mkdir"),
        _ => ("", "open"),
    };
    assert_eq!((said.as_str(), place.exists()), (code, !is_lsm(&summary)?), "{output:?} {summary}");
    assert_eq!(fs::read_to_string(place.join("service")).unwrap_or_default(), "", "{summary}");
    assert!(op == "open" || !place.join("service").exists(), "{summary}");
    let denial = &summary["denials"][0];
    assert_eq!((&denial["stage"], &denial["op"]), (&"T1".into(), &op.into()), "{summary}");
    Ok(())
}

/// Sessions that make the same names in the home each time let nothing else be made there, nor in the directories that they
/// make first, and what they do make is made.
#[test]
fn where_sessions_make_the_same_names_nothing_else_is_made() -> Result<()> {
    const USUAL: &str = "mkdir ~/.tool && echo new > ~/.tool/new && mv ~/.tool/new ~/.tool/$$ && \
        mkdir -p ~/.local/state && echo $$ > ~/.local/state/$$ && sleep 0.3 && \
        echo 1 > ~/.toolrc.new && mv ~/.toolrc.new ~/.toolrc; echo code=$?";
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    // In a home that no session has been in.
    let run = |verb: &str, script: &str| -> Result<(String, Value)> {
        let home = world.home();
        [".tool", ".local"].iter().for_each(|made| drop(fs::remove_dir_all(home.join(made))));
        drop(fs::remove_file(home.join(".toolrc")));
        let output = world.run_script(verb, &more, script)?;
        Ok((
            String::from_utf8_lossy(&output.stdout).into_owned(),
            serde_json::from_slice(&fs::read(&summary)?)?,
        ))
    };
    for _ in 0..4 {
        let (said, summary) = run("record", USUAL)?;
        assert_eq!(said, "code=0\n", "{summary}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let (said, ended) = run("enforce", USUAL)?;
    assert_eq!((said.as_str(), &ended["denied"]), ("code=0\n", &0.into()), "{ended}");
    let plants = [
        ("echo run > ~/.service", ".service"),
        ("mkdir ~/.monitor", ".monitor"),
        ("ln -s .toolrc ~/.link", ".link"),
        ("mkdir ~/.local/share", ".local/share"),
    ];
    let others = plants.map(|(plant, _)| format!("; bash -c '{plant}'; echo code=$?")).concat();
    let (said, ended) = run("enforce", &format!("{USUAL}{others}"))?;
    let lsm = is_lsm(&ended)?;
    let code = if lsm { "code=1\n" } else { "code=137\n" };
    // What is not an open is not told as the kernel's own everywhere.
    let refused = if tells_changes(&ended)? { plants.len() } else { 1 };
    let codes = code.repeat(refused) + &"code=0\n".repeat(plants.len() - refused);
    let fate = if lsm { "denied" } else { "stopped" };
    assert_eq!((said, &ended[fate]), (format!("code=0\n{codes}"), &refused.into()), "{ended}");
    let denials = ended["denials"].as_array().context("no denials")?;
    assert!(denials.iter().all(|denial| denial["stage"] == "T1"), "{ended}");
    for (plant, place) in plants {
        let place = world.home().join(place);
        assert_eq!(place.symlink_metadata().is_ok(), !lsm, "{plant}");
        assert_ne!(fs::read_to_string(&place).unwrap_or_default(), "run\n", "{plant}: {ended}");
    }
    Ok(())
}
