//! A process that cannot become a member does not run: while the kernel's map of members is full, no child of a session
//! comes so far as to do anything, and its maker lives on.
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are the test's own, or such as the kernel gives"
)]

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::{self, Attempt, Outcomes};
use end_to_end::bypass::{self, Fate};
use end_to_end::members::{WAY_OF_ROOT, WAYS, fill};
use end_to_end::scene::is_lsm;
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

/// Children of each way: emulation is slow.
fn count() -> usize {
    let machine = fs::read_to_string("/etc/os-release").unwrap_or_default().contains("virtual machine");
    if machine { 10 } else { 100 }
}
/// Emulation is slow.
const SOON: Duration = Duration::from_secs(120);

/// The program that makes them: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Makes children in each way, before the map is full and then, and returns what came of them and what they wrote then.
fn children(verb: &str, as_root: bool) -> Result<(Outcomes, String, Value)> {
    let world = World::new()?;
    let program = world.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let file = |name: &str| world.workspace().join(name).display().to_string();
    let ways = || WAYS.into_iter().chain(as_root.then_some(WAY_OF_ROOT));
    let make = |when: &str| {
        let said = file(when);
        let attempt = move |way: &str| {
            Attempt::new(&format!("{when}-{way}"), "processes", [way, &count().to_string(), &said])
        };
        ways().map(attempt).collect::<Vec<_>>()
    };
    let mut attempts = make("before");
    attempts.push(Attempt::new("ready", "create", [file("ready")]));
    attempts.push(Attempt::new("go", "await", [file("go")]));
    attempts.extend(make("full"));

    let summary = world.path().join("summary.json");
    let mut args = world.session(verb, &["--quiet", "--summary-file", summary.to_str().context("no text")?]);
    if as_root {
        let user = args.iter().position(|arg| arg == "--user").context("no --user")?;
        args.splice(user..user + 2, ["--as-root".to_owned()]);
    }
    let mut command = world.wardline(args);
    attempt::make(&mut command, &program, world.path(), &attempts)?;
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ready = wait_until(SOON, || world.workspace().join("ready").exists());
    let filled = world.supervisor().context("no supervisor").and_then(fill);
    if !ready || filled.is_err() {
        client.kill()?;
        anyhow::bail!("{ready} {filled:?}: {:?}", client.wait_with_output()?);
    }
    fs::write(file("go"), "")?;
    let output = client.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    println!("{verb}: {} entries, {summary:#}", filled?);
    Ok((attempt::outcomes(&output), fs::read_to_string(file("full")).unwrap_or_default(), summary))
}

/// A way, for people.
fn in_words(way: &str) -> &str {
    match way {
        "fork" => "a child",
        "shared-memory" => "a child that shares memory (`CLONE_VM` without `CLONE_THREAD`)",
        "vfork" => "a child by vfork",
        _ => "a child in a pid namespace of its own",
    }
}

#[test]
fn whom_the_map_cannot_take_does_not_run() -> Result<()> {
    for (verb, as_root) in [("record", false), ("enforce", false), ("enforce", true)] {
        let (came, wrote, summary) = children(verb, as_root)?;
        is_lsm(&summary)?;
        let ways = WAYS.into_iter().chain(as_root.then_some(WAY_OF_ROOT));
        for way in ways {
            let of = |when: &str, what: &str| came.get(&format!("{when}-{way}:{what}")).copied();
            let all = Some(count() as i32);
            assert_eq!((of("before", "ran"), of("before", "killed")), (all, Some(0)), "{way}: {came:?}");
            assert_eq!((of("full", "ran"), of("full", "killed")), (Some(0), all), "{way}: {came:?}");
            if verb == "enforce" {
                let (way, by) = (in_words(way), if as_root { "root" } else { "a user" });
                bypass::came(
                    "A session is left",
                    &format!("{way} that the full map of members cannot take"),
                    by,
                    Fate::Refused,
                );
            }
        }
        assert_eq!(wrote, "", "{verb}");
        // Each is missing in the record, and counted there.
        let strays =
            came.iter().filter(|(name, _)| name.starts_with("full-")).map(|(_, count)| *count).sum::<i32>();
        assert!(summary["lost"].as_i64() >= Some(i64::from(strays)), "{summary:#}");
    }
    Ok(())
}
