//! What was cut off, damaged or put in place by somebody else: it is said what it is, with the exit code for that, and
//! nothing runs on it. What was committed is there after the supervisor was killed.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::{World, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

/// Wardline's exit code where a file, the database or itself failed.
const FAILED: i32 = 125;
/// Programs that the killed session had executed.
const EXECUTED: usize = 50;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn done(output: &Output) -> Result<()> {
    ensure!(output.status.success(), "{:?}: {}", output.status, said(output));
    Ok(())
}

/// That it failed for a reason that it says, and that no command ran.
fn failed(output: &Output, what: &str, reason: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(FAILED), "{what}: {said}");
    assert!(said.contains(reason), "{what}, not `{reason}`: {said}");
    assert!(said.contains("error: ") && !said.contains("RAN"), "{what}: {said}");
}

/// A world with recorded sessions of the task `read`.
fn recorded(sessions: usize) -> Result<World> {
    let world = World::new()?;
    for _ in 0..sessions {
        done(&world.run_script("record", &["--quiet", "--task", "read"], "ls; cat /etc/passwd; true")?)?;
    }
    Ok(world)
}

/// A file of the world's user in the state directory.
fn own(world: &World, name: &str) -> PathBuf {
    world.state().join(world.user.id.to_string()).join(name)
}

/// Runs a command about the world's user's own.
fn about(world: &World, line: &str) -> Result<Output> {
    let user = world.user.id.to_string();
    world.run(line.split(' ').chain(["--user", &user]))
}

#[test]
fn what_was_committed_outlives_the_supervisor() -> Result<()> {
    let world = World::new()?;
    let mut args = world.session("record", &[]);
    let script = format!("for n in $(seq {EXECUTED}); do env true executed-$n; done; exec sleep 1000");
    args.extend(["bash".into(), "-c".into(), script]);
    let client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let exported = || -> Result<Vec<String>> {
        let output = about(&world, "export last")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    };
    let mut committed = Vec::new();
    let last = format!("\"executed-{EXECUTED}\"");
    assert!(wait_until(Duration::from_secs(30), || {
        committed = exported().unwrap_or_default();
        committed.iter().any(|line| line.contains(&last))
    }));
    let supervisor = i32::try_from(world.supervisor().context("no supervisor")?)?;
    kill_process(Pid::from_raw(supervisor).context("no pid")?, Signal::KILL)?;
    client.wait_with_output()?;
    let after = exported()?;
    assert!(after[0].contains("\"complete\":false"), "{}", after[0]);
    let lost = committed.iter().skip(1).find(|line| !after.contains(line));
    assert_eq!(lost, None);
    for n in 1..=EXECUTED {
        assert!(after.iter().any(|line| line.contains(&format!("\"executed-{n}\""))), "{n}");
    }
    done(&about(&world, "db check")?)?;
    let listed: serde_json::Value = serde_json::from_slice(&about(&world, "sessions --json")?.stdout)?;
    assert_eq!(listed[0]["state"], "incomplete");
    // The next session is written to the same database.
    done(&world.run_script("record", &["--quiet"], "true")?)?;
    let listed: serde_json::Value = serde_json::from_slice(&about(&world, "sessions --json")?.stdout)?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    Ok(())
}

/// What is done to a database.
type Damage = fn(&Path) -> Result<()>;

fn to_garbage(path: &Path) -> Result<()> {
    Ok(fs::write(path, "this is no database".repeat(500))?)
}

fn to_another_programs(path: &Path) -> Result<()> {
    fs::remove_file(path)?;
    let database = rusqlite::Connection::open(path)?;
    Ok(database.execute_batch("CREATE TABLE other (a); PRAGMA application_id = 7;")?)
}

fn to_a_later_versions(path: &Path) -> Result<()> {
    Ok(rusqlite::Connection::open(path)?.execute_batch("PRAGMA user_version = 99;")?)
}

fn to_a_part(path: &Path) -> Result<()> {
    Ok(fs::OpenOptions::new().write(true).open(path)?.set_len(20_000)?)
}

fn to_a_damaged_one(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    bytes.get_mut(8192..65_536).context("a small database")?.fill(0xa5);
    Ok(fs::write(path, bytes)?)
}

#[test]
fn a_database_that_is_none_is_refused() -> Result<()> {
    let world = recorded(1)?;
    done(&world.run(["stop"])?)?;
    let database = own(&world, "sessions.db");
    let good = fs::read(&database)?;
    let damages = [
        ("is not a database", to_garbage as Damage),
        ("is a database of another program", to_another_programs),
        ("has schema 99", to_a_later_versions),
        ("is cut off", to_a_part),
        ("is damaged", to_a_damaged_one),
    ];
    for (reason, damage) in damages {
        damage(&database)?;
        let damaged = fs::read(&database)?;
        for line in ["export last", "train"] {
            failed(&about(&world, line)?, line, reason);
        }
        failed(&world.run_script("record", &["--quiet"], "echo RAN")?, "record", reason);
        assert_eq!(fs::read(&database)?, damaged, "it was written to: {reason}");
        done(&world.run(["stop"])?)?;
        for name in ["sessions.db-wal", "sessions.db-shm"] {
            let _ = fs::remove_file(own(&world, name));
        }
        fs::write(&database, &good)?;
    }
    done(&about(&world, "export last")?)
}

#[test]
fn a_baseline_that_is_none_is_refused() -> Result<()> {
    let world = recorded(3)?;
    done(&about(&world, "train")?)?;
    let path = own(&world, "baselines/test-agent/read.baseline");
    let first = fs::read(&path)?;
    done(&about(&world, "train")?)?;
    let good = fs::read(&path)?;
    let (mut corrupt, mut newer) = (good.clone(), good.clone());
    corrupt[good.len() / 2] ^= 1;
    newer[8] = 9;
    let refused = [
        ("is not a baseline", b"something else".to_vec()),
        ("is cut short", good[..good.len() / 2].to_vec()),
        ("seal does not fit", corrupt),
        ("has format 9", newer),
        ("was rolled back", first),
    ];
    for (reason, content) in refused {
        fs::write(&path, content)?;
        failed(&about(&world, "baseline show test-agent/read")?, "show", reason);
        assert!(said(&about(&world, "baselines")?).contains(reason));
        let output = world.run_script("enforce", &["--quiet", "--task", "read"], "echo RAN")?;
        failed(&output, "enforce", reason);
    }
    // All baselines of an agent stand in for a task that has none.
    let output = world.run_script("enforce", &["--quiet", "--task", "other"], "echo RAN")?;
    failed(&output, "enforce --task other", "was rolled back");
    fs::write(&path, good)?;
    let output = world.run_script("enforce", &["--quiet", "--task", "read"], "ls; true")?;
    done(&output)
}
