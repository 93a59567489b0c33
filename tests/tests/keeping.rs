//! Recordings are kept well: a full disk stops the writing and nothing else, says so, and keeps what was committed; a reader
//! holds up nobody; `wardline db` says what is there, and what is too old goes by itself.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::{World, wait_until};
use rusqlite::{Connection, OpenFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn done(output: Output) -> Result<Output> {
    ensure!(output.status.success(), "{:?}: {}", output.status, said(&output));
    Ok(output)
}

/// `wardline db VERB --json` about the world's user.
fn db(world: &World, line: &str) -> Result<Value> {
    let user = world.user.id.to_string();
    let words = ["db"].into_iter().chain(line.split(' ')).chain(["--json", "--user", &user]);
    Ok(serde_json::from_slice(&done(world.run(words)?)?.stdout)?)
}

fn store(world: &World) -> PathBuf {
    world.state().join(world.user.id.to_string()).join("sessions.db")
}

/// A small file system on a directory, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    fn mount(on: &Path, bytes: &str) -> Result<Disk> {
        fs::create_dir_all(on)?;
        let data = std::ffi::CString::new(format!("size={bytes},mode=0755"))?;
        mount("tmpfs", on, "tmpfs", MountFlags::empty(), Some(&*data)).context("mounting a tmpfs")?;
        Ok(Disk(on.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The supervisor may still have its log open there.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Ends the supervisor, so that the database is nobody's.
fn stop(world: &World) -> Result<()> {
    done(world.run(["stop"])?)?;
    ensure!(wait_until(Duration::from_secs(10), || world.supervisor().is_none()), "the supervisor stays");
    Ok(())
}

#[test]
fn a_full_disk_ends_the_writing_and_neither_the_command_nor_what_was_written() -> Result<()> {
    let world = World::new()?;
    let disk = Disk::mount(&world.state(), "3m")?;
    // Some 12,000 programs would need twice the room.
    let script = "for n in $(seq 6000); do : > new-$n; rm new-$n; cat /etc/hostname; done > /dev/null; echo to the end";
    let output = done(world.run_script("record", &[], script)?)?;
    let text = said(&output);
    assert!(text.contains("to the end"), "{text}");
    assert!(text.contains("the session was not written down to its end: no space is left"), "{text}");
    stop(&world)?;
    let found = db(&world, "stats")?;
    assert_eq!((&found["sessions"], &found["incomplete"]), (&1.into(), &1.into()), "{found}");
    assert!(found["events"].as_u64().is_some_and(|events| events > 1000), "{found}");
    assert_eq!(db(&world, "check")?, serde_json::json!({ "sound": true, "problems": [] }));
    bypass::came(
        "The guard is flooded",
        "the disk of its store is filled, so that what follows is not written down (the summary says so)",
        "a user",
        Fate::Happened,
    );
    drop(disk);
    Ok(())
}

#[test]
fn a_reader_that_stays_in_its_transaction_holds_up_nobody() -> Result<()> {
    let world = World::new()?;
    done(world.run_script("record", &["--quiet"], "cat /etc/hostname")?)?;
    let reader = Connection::open_with_flags(store(&world), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader.execute_batch("BEGIN")?;
    let count = || reader.query_row("SELECT count(*) FROM session", [], |row| row.get::<_, i64>(0));
    assert_eq!(count()?, 1);
    let summary = world.path().join("summary.json");
    let file = summary.display().to_string();
    let script = "for n in $(seq 300); do cat /etc/hostname; done > /dev/null";
    done(world.run_script("record", &["--quiet", "--summary-file", &file], script)?)?;
    // The reader still sees its own state of the store, and the other session is whole.
    assert_eq!(count()?, 1);
    drop(reader);
    let report: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    assert_eq!(report["lost"], 0, "{report}");
    let found = db(&world, "stats")?;
    assert_eq!((&found["sessions"], &found["incomplete"]), (&2.into(), &0.into()), "{found}");
    Ok(())
}

#[test]
fn the_database_is_counted_pruned_and_compacted() -> Result<()> {
    let world = World::new()?;
    for _ in 0..3 {
        done(world.run_script(
            "record",
            &["--quiet"],
            "for n in $(seq 50); do cat /etc/passwd; done > /dev/null",
        )?)?;
    }
    stop(&world)?;
    let before = db(&world, "stats")?;
    for name in ["bytes_per_operation", "bytes_per_syscall"] {
        assert!(before[name].as_f64().is_some_and(|bytes| bytes > 1.0), "{name}: {before}");
    }
    assert_eq!(db(&world, "prune --older-than 1d")?, serde_json::json!({ "removed": [] }));
    assert_eq!(db(&world, "prune --older-than 0s")?, serde_json::json!({ "removed": [1, 2, 3] }));
    assert!(db(&world, "vacuum")?["freed_bytes"].as_u64().is_some_and(|freed| freed > 0));
    assert_eq!(db(&world, "stats")?["sessions"], 0);
    let wrong = world.run(["db", "prune", "--max-size", "1X", "--user", "0"])?;
    assert_eq!(wrong.status.code(), Some(120), "{}", said(&wrong));
    assert!(said(&wrong).contains("a size is a number with a unit"), "{}", said(&wrong));
    Ok(())
}

#[test]
fn what_is_too_much_goes_by_itself_once_no_session_runs() -> Result<()> {
    let world = World::new()?;
    fs::create_dir_all(world.state())?;
    fs::write(world.state().join("config.toml"), "[retention]\nmax-size = \"1K\"\n")?;
    done(world.run_script("record", &["--quiet"], "cat /etc/hostname")?)?;
    let gone =
        wait_until(Duration::from_secs(20), || db(&world, "stats").is_ok_and(|found| found["sessions"] == 0));
    assert!(gone, "{}", db(&world, "stats")?);
    Ok(())
}

/// Each mistake is told with its place and what to do, and nothing starts.
#[test]
fn a_configuration_that_cannot_be_read_is_an_error_and_nothing_starts() -> Result<()> {
    let world = World::new()?;
    fs::create_dir_all(world.state())?;
    let file = world.state().join("config.toml");
    let unknown_key = "  × `max-sizes` is no setting
   ╭─[FILE:2:1]
 1 │ [retention]
 2 │ max-sizes = \"4G\"
   · ────┬────
   ·     ╰── here
   ╰────
  help: did you mean `max-size`?
";
    let wrong_type = "  × `max-size` wants a size such as `\"4G\"`
   ╭─[FILE:2:12]
 1 │ [retention]
 2 │ max-size = 4
   ·            ┬
   ·            ╰── here
   ╰────
";
    let cut = "  × this is no text in UTF-8
   ╭─[FILE:2:6]
 1 │ [retention]
 2 │ # abc\u{fffd}
   ·      ┬
   ·      ╰── here
   ╰────
";
    for (text, told) in [
        (&b"[retention]\nmax-sizes = \"4G\"\n"[..], unknown_key),
        (b"[retention]\nmax-size = 4\n", wrong_type),
        (b"[retention]\n# abc\xc3", cut),
    ] {
        fs::write(&file, text)?;
        let output = world.run_script("record", &[], "echo RAN")?;
        assert_eq!(output.status.code(), Some(125), "{}", said(&output));
        let stderr = String::from_utf8(output.stderr)?;
        let (first, rest) = stderr.split_once("\n\nError: \n").context("1 mistake, and its place")?;
        assert!(first.contains("is no configuration: 1 mistake"), "{first}");
        assert_eq!(rest.trim_end(), told.replace("FILE", &file.display().to_string()).trim_end());
        assert_eq!(String::from_utf8(output.stdout)?, "");
    }
    Ok(())
}
