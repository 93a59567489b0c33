//! A teller may be killed or stopped: sessions stay guarded, missing records are reported, and the store is whole.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::acting::{Acting, SOON};
use end_to_end::stopped::{signal, stop};
use end_to_end::{World, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Nobody stands still for longer: what a busy machine takes from who looks.
const PAUSE: Duration = Duration::from_secs(2);
const NOBODY_STOOD_STILL: &str = "it stood still ";
const ENDED: &str = "the process that writes sessions down ended";
const TOOK_NOTHING: &str = "the store took nothing for a while";

/// The teller of a supervisor.
fn teller(supervisor: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).ok();
    let of_threads = fs::read_dir(format!("/proc/{supervisor}/task"))
        .ok()?
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<String> = children.into_iter().chain(of_threads).collect();
    all.iter().flat_map(|pids| pids.split_whitespace()).filter_map(|pid| pid.parse().ok()).find(
        |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0).any(|word| word == b"teller")
        },
    )
}

/// What is stored of the last session, and what was said to be missing.
fn stored(world: &World) -> Result<(u64, u64)> {
    let exported = world.run(["export", "last"])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let (mut stored, mut missing) = (0, 0);
    for line in String::from_utf8_lossy(&exported.stdout).lines() {
        let line: Value = serde_json::from_str(line)?;
        match line["type"].as_str() {
            Some("event" | "syscall") => stored += 1,
            Some("loss") => missing += line["count"].as_u64().context("count")?,
            _ => {}
        }
    }
    Ok((stored, missing))
}

/// The store of the one user who has one.
fn store(world: &World) -> PathBuf {
    world.state().join(world.user.id.to_string()).join("sessions.db")
}

/// Nothing is half written, and the session has its end.
fn is_whole(world: &World) -> Result<()> {
    world.run(["stop", "--kill-sessions"])?;
    let store = rusqlite::Connection::open(store(world))?;
    let checked: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(checked, "ok");
    let complete: bool = store.query_row("SELECT summary IS NOT NULL FROM session", [], |row| row.get(0))?;
    assert!(complete);
    Ok(())
}

#[test]
fn one_that_is_killed_costs_what_it_had_not_written_and_nothing_else() -> Result<()> {
    let acting = Acting::new(World::new()?)?;
    let supervisor = acting.world()?.supervisor().context("no supervisor")?;
    let mut longest = Duration::ZERO;
    for _ in 0..4 {
        let mut first = None;
        ensure!(
            wait_until(SOON, || {
                first = teller(supervisor);
                first.is_some()
            }),
            "no teller"
        );
        let first = first.context("no teller")?;
        longest = longest.max(acting.longest_pause(Duration::from_millis(700))?);
        signal(first, Signal::KILL)?;
        longest = longest.max(acting.longest_pause(Duration::from_millis(300))?);
        ensure!(wait_until(SOON, || teller(supervisor).is_some_and(|pid| pid != first)), "none after it");
    }
    println!("the longest that nobody acted: {longest:?}");
    assert!(longest < PAUSE, "{longest:?}");
    let (world, summary, output) = acting.end()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let notes = summary["notes"].to_string();
    assert!(notes.contains(ENDED), "{notes}");
    assert!(!notes.contains(NOBODY_STOOD_STILL), "{notes}");
    // What was seen is stored, or is said to be missing.
    let seen = summary["events"].as_u64().zip(summary["syscalls"].as_u64()).context("no counts")?;
    let (seen, (stored, missing)) = (seen.0 + seen.1, stored(&world)?);
    println!("{seen} seen, {stored} stored, up to {missing} missing");
    assert!(missing > 0 && stored < seen + missing && stored + missing >= seen, "{stored} {missing} {seen}");
    assert!(stored > missing, "{stored} {missing}");
    is_whole(&world)
}

#[test]
fn one_that_is_stopped_goes_on_and_nothing_is_missing() -> Result<()> {
    let acting = Acting::new(World::new()?)?;
    let supervisor = acting.world()?.supervisor().context("no supervisor")?;
    let stopped = teller(supervisor).context("no teller")?;
    stop(stopped)?;
    let longest = acting.longest_pause(Duration::from_secs(3))?;
    assert!(longest < PAUSE, "{longest:?}");
    assert_eq!(teller(supervisor), Some(stopped));
    let (world, summary, _) = acting.end()?;
    let notes = summary["notes"].to_string();
    for told in [ENDED, TOOK_NOTHING, NOBODY_STOOD_STILL] {
        assert!(!notes.contains(told), "{notes}");
    }
    let (stored, missing) = stored(&world)?;
    let seen = summary["events"].as_u64().zip(summary["syscalls"].as_u64()).context("no counts")?;
    assert_eq!((stored, missing), (seen.0 + seen.1, 0));
    is_whole(&world)
}

#[test]
fn one_that_is_kept_from_going_on_is_not_waited_for() -> Result<()> {
    /// The queue and the session keep what comes for a minute at most: each of their messages waits for a twentieth of a second.
    const HELD: Duration = Duration::from_secs(65);
    let acting = Acting::new(World::new()?)?;
    let supervisor = acting.world()?.supervisor().context("no supervisor")?;
    let held = teller(supervisor).context("no teller")?;
    let over = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                let _ = signal(held, Signal::STOP);
                std::thread::sleep(Duration::from_micros(200));
            }
            let _ = signal(held, Signal::CONT);
        });
        let longest = acting.longest_pause(HELD);
        over.store(true, Ordering::Release);
        longest
    })?;
    println!("the longest that nobody acted: {longest:?}");
    assert!(longest < PAUSE, "{longest:?}");
    let (world, summary, _) = acting.end()?;
    let notes = summary["notes"].to_string();
    assert!(notes.contains(TOOK_NOTHING) && !notes.contains(NOBODY_STOOD_STILL), "{notes}");
    let (stored, missing) = stored(&world)?;
    let seen = summary["events"].as_u64().zip(summary["syscalls"].as_u64()).context("no counts")?;
    println!("{} seen, {stored} stored, {missing} missing", seen.0 + seen.1);
    assert!(missing > 0, "{stored}");
    assert_eq!(stored + missing, seen.0 + seen.1);
    is_whole(&world)
}

#[test]
fn it_has_a_store_and_nothing_else() -> Result<()> {
    let acting = Acting::new(World::new()?)?;
    let world = acting.world()?;
    let teller = world.supervisor().and_then(teller).context("no teller")?;
    for task in fs::read_dir(format!("/proc/{teller}/task"))?.flatten() {
        let status = fs::read_to_string(task.path().join("status"))?;
        let is =
            |line: &str| status.lines().any(|found| found.split_whitespace().eq(line.split_whitespace()));
        for kind in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(is(&format!("{kind}: 0000000000000000")), "{kind}: {status}");
        }
        assert!(is("NoNewPrivs: 1") && is("Seccomp: 2"), "{status}");
    }
    let directory = fs::canonicalize(store(world).parent().context("parent")?)?;
    assert_eq!(fs::read_link(format!("/proc/{teller}/root"))?, directory);
    for fd in fs::read_dir(format!("/proc/{teller}/fd"))?.flatten() {
        assert!(!fs::metadata(fd.path()).is_ok_and(|meta| meta.is_dir()), "{fd:?} leads out");
    }
    acting.end()?;
    Ok(())
}
