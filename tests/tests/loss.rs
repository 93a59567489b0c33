//! Records that the rings cannot hold are counted exactly, and the most important ones are kept. In a session that refuses
//! nothing: any other stands still while nobody reads.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use end_to_end::stopped::{signal, stop};
use end_to_end::{World, wait_until};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

/// Bytes that one `dd` reads and writes, a system call each. The records of four times as many fill the ring five times
/// over.
const BYTES: u64 = 150_000;
/// `abi::kind::SYSCALL`
const SYSCALL: u64 = 4;
/// Which call starts a program.
const EXECVE: i64 = libc::SYS_execve;
/// `abi::kind`: forks, execs, exits.
const CONTROL: [u64; 3] = [1, 2, 3];

/// What a session amounted to.
struct Account {
    /// System calls that were stored since the session's program began.
    stored: u64,
    /// Stored reads and writes of a byte.
    bytes: u64,
    /// System calls that were lost.
    lost: u64,
    /// Programs that were started, threads that ended.
    execs: usize,
    exits: usize,
}

/// Runs the same programs in a session; `stalled` says whether nobody reads the rings while they run.
fn account(stalled: bool) -> Result<Account> {
    let world = World::new()?;
    let go = world.path().join("go");
    rustix::fs::mknodat(CWD, &go, FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
    fs::set_permissions(&go, Permissions::from_mode(0o666))?;
    let summary = world.path().join("summary.json");
    let mut args = world
        .session("enforce", &["--shadow", "--quiet", "--summary-file", summary.to_str().context("path")?]);
    let dd = format!("dd if=/dev/zero of=/dev/null bs=1 count={BYTES} status=none");
    args.extend(["sh".into(), "-c".into(), format!("read go <{}; {dd}; {dd}; exec true", go.display())]);
    let mut client = world.wardline(args).stdout(Stdio::null()).spawn()?;
    // Opened when the session's shell opens it.
    let mut begin = OpenOptions::new().write(true).open(&go)?;
    let supervisor = world.supervisor().context("no supervisor")?;
    if stalled {
        stop(supervisor)?;
    }
    begin.write_all(b"go\n")?;
    drop(begin);
    if stalled {
        let ended = wait_until(Duration::from_secs(60), || world.user_processes().is_empty());
        signal(supervisor, Signal::CONT)?;
        ensure!(ended, "the programs did not end");
    }
    ensure!(client.wait()?.success());
    let exported = world.run(["export", "last"])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let mut account = Account { stored: 0, bytes: 0, lost: 0, execs: 0, exits: 0 };
    let (mut all_lost, mut began) = (0, false);
    for line in String::from_utf8_lossy(&exported.stdout).lines() {
        let event: Value = serde_json::from_str(line)?;
        match event["type"].as_str() {
            // What comes before is the client's child, which reads its plan in as many pieces as it comes in.
            Some("syscall") if !began => began = event["number"] == EXECVE && event["ret"] == 0,
            Some("syscall") => {
                account.stored += 1;
                let byte = event["ret"] == 1 && (event["number"] == 0 || event["number"] == 1);
                account.bytes += u64::from(byte);
            }
            Some("loss") => {
                let (kind, count) =
                    (event["kind"].as_u64().context("kind")?, event["count"].as_u64().context("count")?);
                ensure!(!CONTROL.contains(&kind), "control records were lost: {event}");
                ensure!(kind < 12, "records are missing that nobody counted: {event}");
                account.lost += if kind == SYSCALL { count } else { 0 };
                all_lost += count;
            }
            Some("event") if event["op"] == "exec" && !event["outcome"]["done"].is_null() => {
                account.execs += 1
            }
            Some("event") if event["op"] == "exit" => account.exits += 1,
            _ => {}
        }
    }
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    assert_eq!(summary["lost"], all_lost, "{summary}");
    Ok(account)
}

#[test]
fn what_a_full_ring_does_not_take_is_counted_to_the_last_record() -> Result<()> {
    let (read, stalled) = (account(false)?, account(true)?);
    assert!(stalled.lost > 0, "the ring held all {} records", stalled.stored);
    // The programs make the same calls each time: what is stored and what is lost are all of them.
    assert_eq!(read.stored + read.lost, stalled.stored + stalled.lost);
    assert!(read.bytes + read.lost >= 4 * BYTES, "{} and {} of {}", read.bytes, read.lost, 4 * BYTES);
    // Programs that start and end while the ring is full are told, each of them.
    for account in [read, stalled] {
        assert_eq!((account.execs, account.exits), (4, 3));
    }
    Ok(())
}
