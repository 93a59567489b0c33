//! The trial of `train` on sessions that a baseline has not seen, and its consequence: such a baseline only watches. And
//! what a user answers to what one refuses.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result};
use end_to_end::pty::Pty;
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::process::Output;
use std::time::Duration;

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
        "3 of 3 sessions would have had a refusal (each repository left out in turn):",
        "read     `$home/.tool/one/state`  (1 session)",
        "read     `$home/.tool/two/state`  (2 sessions)",
        "the baseline only watches",
        "`enforce --force-baseline` enforces it now",
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
    assert!(said.contains("the baseline test-agent/edit only watches: 3 of 3 held-out sessions"), "{said}");
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
    let listed = json(&world.run(["baselines", "--json"])?)?;
    let row = &listed[0];
    assert_eq!(
        (&row["task"], &row["state"], &row["sessions"]),
        (&"unknown".into(), &"observing".into(), &3.into())
    );
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let trained = world.run(["train", "--json", "--task", "unknown"])?;
    let made = json(&trained)?;
    assert_eq!((trained.status.code(), &made[0]["task"]), (Some(0), &"unknown".into()), "{made}");
    assert_eq!(made[0]["state"], "enforcing", "{made}");
    Ok(())
}

/// Records what a baseline passes its trial with. Each session leaves a note outside of its workspace.
fn record_plain_work(world: &World) -> Result<()> {
    world.write(&world.home().join("notes/note-1.txt"), "first\n")?;
    for project in ["one", "two"] {
        for _ in 0..2 {
            session(
                world,
                "record",
                project,
                &["--quiet", "--task", "edit"],
                "ls; ls -l; cat /etc/hostname; echo mine > ~/notes/note-$EPOCHSECONDS$RANDOM.txt",
            )?;
        }
    }
    Ok(())
}

/// Enforces the baseline on a script; what it wrote.
fn enforced(world: &World, script: &str) -> Result<String> {
    let (output, summary) = session(world, "enforce", "one", &["--quiet", "--task", "edit"], script)?;
    assert_eq!(summary["baseline"], "enforcing", "{summary}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a command said, and how it ended.
fn said(world: &World, args: &[&str]) -> Result<(Option<i32>, String)> {
    let output = world.run(args)?;
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn what_was_refused_is_allowed_forgotten_and_trained_once_it_was_answered() -> Result<()> {
    const LETTER: &str = "cat ~/letters/other.txt 2>/dev/null";
    const DIARY: &str = "cat ~/letters/diary.txt 2>/dev/null";
    let world = World::new()?;
    world.write(&world.home().join("letters/other.txt"), "dear aunt\n")?;
    world.write(&world.home().join("letters/diary.txt"), "dear diary\n")?;
    world.write(&world.home().join(".ssh/id_ed25519"), "a key\n")?;
    record_plain_work(&world)?;
    assert_eq!(said(&world, &["train"])?.0, Some(0));
    // The fifth session.
    assert_eq!(enforced(&world, &format!("{LETTER}; {DIARY}"))?, "");
    let listed = json(&world.run(["review", "--json"])?)?;
    let denials: Vec<&str> =
        listed.as_array().into_iter().flatten().filter_map(|row| row["denial"].as_str()).collect();
    assert_eq!(denials, ["5.1", "5.2"], "{listed}");
    let (code, why) = said(&world, &["why", "5.1"])?;
    assert!(code == Some(0) && why.contains("`sudo wardline allow 5.1` opens it"), "{why}");
    let (_, trained) = said(&world, &["train"])?;
    assert!(
        trained.contains(
            "left out: session 5: something was refused in it that nobody has allowed (`wardline review`)"
        ),
        "{trained}"
    );
    // Allowed, and nothing else with it.
    let (code, allowed) = said(&world, &["allow", "5.1", "--for", "7d"])?;
    assert!(code == Some(0) && allowed.contains("`~/letters/other.txt`"), "{allowed}");
    assert!(allowed.contains("`sudo wardline forget 1` takes it back"), "{allowed}");
    assert_eq!(enforced(&world, &format!("{LETTER}; {DIARY}"))?, "dear aunt\n");
    // One refusal of the fifth session is not answered yet; that of the sixth is the same.
    let listed = json(&world.run(["review", "--json"])?)?;
    assert_eq!(
        (&listed[0]["what"], &listed[0]["sessions"], &listed[1]),
        (&world.home().join("letters/diary.txt").to_str().into(), &2.into(), &Value::Null),
        "{listed}"
    );
    let (code, allowed) = said(&world, &["allow", "5.2"])?;
    assert!(code == Some(0) && allowed.contains("always"), "{allowed}");
    let (_, trained) = said(&world, &["train", "--json"])?;
    let made: Value = serde_json::from_str(&trained)?;
    assert_eq!(made[0]["used"], serde_json::json!([1, 2, 3, 4, 5, 6]), "{made}");
    // Taken back: what sessions five and six were refused taught nothing.
    assert_eq!(said(&world, &["forget", "2"])?.0, Some(0));
    assert_eq!(enforced(&world, &format!("{LETTER}; {DIARY}"))?, "dear aunt\n");
    let answers = json(&world.run(["forget", "--json"])?)?;
    assert_eq!((&answers[0]["number"], &answers[1]), (&1.into(), &Value::Null), "{answers}");
    assert_eq!(said(&world, &["forget", "7"])?.0, Some(120));
    // A jewel is no matter of an answer.
    let mut jewel = world.session("record", &["--quiet", "--task", "edit"]);
    jewel.push("cat".to_owned());
    jewel.push(world.home().join(".ssh/id_ed25519").display().to_string());
    world.run(jewel)?;
    let (code, refused) = said(&world, &["allow", "last.1"])?;
    assert!(code == Some(122) && refused.contains("wardline policy allow"), "{code:?} {refused}");
    Ok(())
}

/// What sessions did because they were allowed to is learned, and goes with the answer; what somebody recorded stays.
#[test]
fn what_was_taken_back_is_unlearned_by_the_next_update() -> Result<()> {
    const LETTER: &str = "cat ~/letters/other.txt 2>/dev/null";
    let world = World::new()?;
    world.write(&world.home().join("letters/other.txt"), "dear aunt\n")?;
    record_plain_work(&world)?;
    assert_eq!(said(&world, &["train"])?.0, Some(0));
    assert_eq!(enforced(&world, LETTER)?, "");
    assert_eq!(said(&world, &["allow", "last.1"])?.0, Some(0));
    for _ in 0..2 {
        assert_eq!(enforced(&world, LETTER)?, "dear aunt\n");
    }
    assert_eq!(said(&world, &["train", "--update"])?.0, Some(0));
    let (code, forgotten) = said(&world, &["forget", "1"])?;
    let advice = "`test-agent/edit` may have learned it since: `sudo wardline train --update` makes that anew without it";
    assert!(code == Some(0) && forgotten.contains(advice), "{forgotten}");
    assert_eq!(enforced(&world, LETTER)?, "dear aunt\n", "the baseline knows it");
    let (_, trained) = said(&world, &["train", "--update", "--json"])?;
    let made: Value = serde_json::from_str(&trained)?;
    // The first of them met the refusal, which nobody allows any more.
    assert_eq!(made[0]["used"], serde_json::json!([1, 2, 3, 4, 6, 7, 8]), "{made}");
    assert_eq!(enforced(&world, LETTER)?, "");
    for project in ["one", "two", "one", "two"] {
        session(&world, "record", project, &["--quiet", "--task", "edit"], LETTER)?;
    }
    assert_eq!(said(&world, &["train", "--update"])?.0, Some(0));
    assert_eq!(enforced(&world, LETTER)?, "dear aunt\n");
    Ok(())
}

#[test]
fn a_session_that_runs_goes_by_an_answer_at_once_and_cannot_give_one() -> Result<()> {
    const ASKS: &str = "n=~/notes/note-$EPOCHSECONDS$RANDOM.txt; echo mine > $n; cat ~/letters/other.txt 2>/dev/null; touch asked; \
                        while [ ! -e answered ]; do sleep 0.1; done; \
                        cat ~/letters/other.txt; cat $n; cat ~/notes/note-1.txt 2>/dev/null";
    let world = World::new()?;
    world.write(&world.home().join("letters/other.txt"), "dear aunt\n")?;
    record_plain_work(&world)?;
    assert_eq!(said(&world, &["train"])?.0, Some(0));
    let mut running = world.session("enforce", &["--quiet", "--task", "edit"]);
    running.extend(["bash", "-c", ASKS].map(str::to_owned));
    let running = world.wardline(running).stdout(std::process::Stdio::piped()).spawn()?;
    let asked = world.workspace().join("asked");
    let is_written = || said(&world, &["why", "last.1"]).is_ok_and(|(code, _)| code == Some(0));
    assert!(wait_until(Duration::from_secs(120), || asked.exists() && is_written()), "nothing was refused");
    let (code, allowed) = said(&world, &["allow", "last.1", "--session"])?;
    assert!(code == Some(0) && allowed.contains("session 5 goes by it from now on"), "{allowed}");
    world.write(&world.workspace().join("answered"), "")?;
    let output = running.wait_with_output()?;
    // What it made itself is its own as before, and what others made is not.
    assert_eq!(&*output.stdout, b"dear aunt\nmine\n", "{output:?}");
    // It was for that session alone.
    assert_eq!(enforced(&world, "cat ~/letters/other.txt 2>/dev/null")?, "");
    let (code, over) = said(&world, &["allow", "last.1", "--session"])?;
    assert!(code == Some(120) && over.contains("session 6 is over"), "{over}");
    // On a terminal it is asked about: it was right.
    let mut review = Pty::start(world.wardline(["review"]))?;
    review.expect("notes/note-1.txt` refused, 1 time in 1 session")?;
    review.expect("allow? ")?;
    review.send("n\n")?;
    review.expect("stays closed: ")?;
    review.expect("letters/other.txt` refused, 1 time in 1 session")?;
    review.expect("allow? ")?;
    review.send("n\n")?;
    review.expect("stays closed: `~/letters/other.txt`")?;
    assert!(review.ended()?.1.success());
    assert_eq!(json(&world.run(["review", "--json"])?)?, Value::Array(Vec::new()));
    assert_eq!(enforced(&world, "cat ~/letters/other.txt 2>/dev/null")?, "");
    // Nobody inside of a session answers.
    let program = world.program()?.display().to_string();
    let inside = format!("{program} --state-dir {} allow last.1", world.state().display());
    let (output, _) = session(&world, "record", "one", &["--quiet", "--task", "edit"], &inside)?;
    assert_eq!(output.status.code(), Some(122), "{output:?}");
    Ok(())
}
