//! What the rings cannot hold is counted, exactly, and what matters most is held all the same.

use anyhow::{Context, Result, ensure};
use end_to_end::{World, wait_until};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Bytes that one `dd` reads and writes, a system call each. The records of four times as many fill the ring five times
/// over.
const BYTES: u64 = 150_000;
/// `abi::kind::SYSCALL`
const SYSCALL: u64 = 4;
/// `abi::kind`: forks, execs, exits.
const CONTROL: [u64; 3] = [1, 2, 3];

/// What a session amounted to.
struct Account {
    /// System calls that were stored.
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
    let mut args = world.session("record", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    let dd = format!("dd if=/dev/zero of=/dev/null bs=1 count={BYTES} status=none");
    args.extend(["sh".into(), "-c".into(), format!("read go <{}; {dd}; {dd}; exec true", go.display())]);
    let mut client = world.wardline(args).stdout(Stdio::null()).spawn()?;
    // Opened when the session's shell opens it.
    let mut begin = OpenOptions::new().write(true).open(&go)?;
    let supervisor = world.supervisor().and_then(|pid| Pid::from_raw(pid as i32)).context("no supervisor")?;
    if stalled {
        kill_process(supervisor, Signal::STOP)?;
    }
    begin.write_all(b"go\n")?;
    drop(begin);
    if stalled {
        let ended = wait_until(Duration::from_secs(60), || world.user_processes().is_empty());
        kill_process(supervisor, Signal::CONT)?;
        ensure!(ended, "the programs did not end");
    }
    ensure!(client.wait()?.success());
    let exported = world.run(["export", "last"])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let mut account = Account { stored: 0, bytes: 0, lost: 0, execs: 0, exits: 0 };
    let mut all_lost = 0;
    for line in String::from_utf8_lossy(&exported.stdout).lines() {
        let event: Value = serde_json::from_str(line)?;
        match event["type"].as_str() {
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

/// Connections to a metadata service, each refused and told: more than the ring of what was decided holds.
const REFUSED: u32 = 80_000;

/// What a session tries while nobody reads the rings: it fills the one of what was decided, and then acts.
fn flood(world: &World, go: &Path, port: u16) -> String {
    format!(
        "reach() {{ true 3<>/dev/tcp/127.0.0.1/{port} && echo reached $1 || echo refused $1; }}\n\
         read go <{go}; cd '{home}'; reach before\n\
         for ((i = 0; i < {REFUSED}; i++)); do true 3<>/dev/tcp/169.254.169.254/80; done 2>/dev/null\n\
         reach after; mv prepared .bashrc; echo $?; read rest",
        go = go.display(),
        home = world.home().display()
    )
}

#[test]
fn who_loses_a_record_of_what_was_decided_changes_starts_and_sends_nothing_more() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    world.write(&home.join("prepared"), "evil\n")?;
    world.write(&home.join(".bashrc"), "mine\n")?;
    let go = world.path().join("go");
    rustix::fs::mknodat(CWD, &go, FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
    fs::set_permissions(&go, Permissions::from_mode(0o666))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash".into(), "-c".into(), flood(&world, &go, listener.local_addr()?.port())]);
    let mut command = world.wardline(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn()?;
    let mut said = BufReader::new(client.stdout.take().context("stdout")?).lines();
    let mut begin = OpenOptions::new().write(true).open(&go)?;
    let supervisor = world.supervisor().and_then(|pid| Pid::from_raw(pid as i32)).context("no supervisor")?;
    kill_process(supervisor, Signal::STOP)?;
    begin.write_all(b"go\n")?;
    drop(begin);
    let said: Vec<String> = said.by_ref().take(3).collect::<std::io::Result<_>>()?;
    kill_process(supervisor, Signal::CONT)?;
    assert_eq!(said[..2], ["reached before", "refused after"]);
    // The program could not be started, or was ended before its first instruction.
    assert!(["126", "137"].contains(&said[2].as_str()), "{said:?}");
    assert_eq!(fs::read_to_string(home.join(".bashrc"))?, "mine\n");
    let state = || -> Option<String> {
        let listed: Value = serde_json::from_slice(&world.run(["sessions", "--json"]).ok()?.stdout).ok()?;
        Some(listed[0]["state"].as_str()?.to_owned())
    };
    let frozen = wait_until(Duration::from_secs(20), || state().as_deref() == Some("frozen"));
    assert!(frozen, "{:?}", state());
    ensure!(world.run(["stop-session", "last"])?.status.success());
    let errors = client.wait_with_output()?.stderr;
    assert!(String::from_utf8_lossy(&errors).contains("Operation not permitted"));
    Ok(())
}
