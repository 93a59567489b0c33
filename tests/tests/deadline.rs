//! While the supervisor is late, enforced sessions stand still; when it is back they go on, and nothing has failed.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{can_refuse, is_lsm, is_machine, kernel};
use end_to_end::stopped::stop;
use end_to_end::{World, has, wait_until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// When the supervisor has not looked for so long, nobody acts any more.
const DEADLINE: Duration = Duration::from_millis(250);
/// Who was let through before may lose its processor before it acts.
const SLACK: Duration = Duration::from_secs(1);
/// The clocks of files and of connections are behind by up to a tick.
const TICK: Duration = Duration::from_millis(20);
/// For everything else to come about: emulation is slow, and everybody acts as fast as they can.
const SOON: Duration = Duration::from_secs(180);

/// A supervisor that stands still until this is dropped, or this test was ended: opens of others may wait for it.
struct Stopped {
    supervisor: Pid,
    at_the_latest: Child,
}

impl Stopped {
    fn new(world: &World) -> Result<Self> {
        let pid = world.supervisor().context("no supervisor")?;
        let supervisor = Pid::from_raw(i32::try_from(pid)?).context("no supervisor")?;
        let at_the_latest = Command::new("sh")
            .args(["-c", &format!("sleep 20; kill -CONT {pid}")])
            .process_group(0)
            .spawn()?;
        let stopped = Self { supervisor, at_the_latest };
        stop(pid)?;
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.supervisor, Signal::CONT);
        if let Some(group) = Pid::from_raw(self.at_the_latest.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.at_the_latest.wait();
    }
}

/// Starts a script in an enforced session; `$PORT` is a listener's.
fn begin(world: &World, dir: &Path, script: &str, port: u16) -> Result<Child> {
    let summary = world.path().join("summary.json");
    let mut args =
        world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    args.extend(["bash".into(), "-c".into(), format!("cd '{}'; PORT={port}; {script}", dir.display())]);
    Ok(world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// When each of the files of a directory was changed last.
fn changed(dir: &Path) -> Result<Vec<SystemTime>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.metadata()?.modified()?)).collect()
}

/// When the kernel made a connection that nothing was sent over, whenever it is accepted.
fn begun(connection: &TcpStream) -> io::Result<SystemTime> {
    // Older kernels have less of it, which nobody's wrapper takes. SAFETY: numbers, for which zeroes are valid.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = libc::socklen_t::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    let (to, at) = ((&raw mut info).cast(), &raw mut len);
    // SAFETY: the kernel writes `len` bytes of `info` at most.
    if unsafe { libc::getsockopt(connection.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, to, at) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(SystemTime::now() - Duration::from_millis(info.tcpi_last_data_sent.into()))
}

/// Processes that change, start and send as fast as they can, until there is a file `stop`. What each has done is a file.
const ACTING: &str = r#"
    act() { local i=0; while [ ! -e stop ]; do i=$((i+1)); "$1" "$2.$i" || echo failed; done; }
    create() { : > "made/$1"; }
    start() { /bin/bash -c ": > started/$1"; }
    reach() { : 3<>"/dev/tcp/127.0.0.1/$PORT"; }
    for n in 1 2 3; do act create $n & act start $n & done; act reach 1 & act reach 2 & wait; echo over"#;
/// How many they are.
const PROCESSES: usize = 8;

#[test]
fn while_the_supervisor_is_late_nobody_acts_and_then_all_goes_on() -> Result<()> {
    let world = World::new()?;
    // Not in the home, where an open of this test's may wait for the supervisor.
    let dir = world.path().join("acts");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // What finds no room in its queue is there a second later.
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    for name in ["made", "started"] {
        fs::create_dir_all(dir.join(name))?;
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o777))?;
    }
    let over = Arc::new(AtomicBool::new(false));
    let reached = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut reached = Vec::new();
            while !over.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((connection, _)) => reached.push(begun(&connection)?),
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
            io::Result::Ok(reached)
        }
    });
    let mut client = begin(&world, &dir, ACTING, port)?;
    let done = |name: &str| changed(&dir.join(name)).map_or(0, |times| times.len());
    let few = if is_machine() { 3 } else { 10 };
    let acts = wait_until(SOON, || done("made") > 30 && done("started") > few);
    let stopped = Stopped::new(&world)?;
    let from = SystemTime::now() + DEADLINE + TICK;
    thread::sleep(Duration::from_secs(3));
    let until = SystemTime::now() - TICK;
    let before = (done("made"), done("started"));
    drop(stopped);
    let goes_on = wait_until(SOON, || done("made") > before.0 + 30 && done("started") > before.1 + few);
    let made = changed(&dir.join("made"))?;
    let started = changed(&dir.join("started"))?;
    fs::write(dir.join("stop"), "")?;
    let ended = wait_until(SOON, || client.try_wait().is_ok_and(|status| status.is_some()));
    if !ended {
        world.run(["stop-session", "last"])?;
    }
    let output = client.wait_with_output()?;
    over.store(true, Ordering::Release);
    let reached = reached.join().map_err(|_| anyhow::anyhow!("the listener"))??;
    ensure!(acts && goes_on && ended, "{acts} {goes_on} {ended}: {output:?}");
    let between = |times: &[SystemTime], from: SystemTime| {
        times.iter().filter(|time| (from..until).contains(*time)).count()
    };
    let all = [&made[..], &started, &reached];
    let acted = all.map(|times| between(times, from));
    println!("past the deadline: {acted:?}, before it {before:?}");
    // What a hook puts off was under way, or did not happen; elsewhere the signal may take until the next tick.
    let hooked = if can_refuse() { acted.iter().sum() } else { acted[2] };
    assert!(hooked <= PROCESSES, "{acted:?}");
    assert_eq!(all.map(|times| between(times, from + SLACK)), [0; 3]);
    assert!(!reached.is_empty());
    // Put off is not refused.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "over\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&fs::read(world.path().join("summary.json"))?)?;
    is_lsm(&summary)?;
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
    let notes = summary["notes"].to_string();
    assert!(notes.contains("it stood still "), "{notes}");
    // Where no hook puts it off, a process may do one more before it stops.
    let once = if can_refuse() { Fate::PutOff } else { Fate::Stopped };
    for (way, fate) in
        [("files are made", once), ("programs are started", once), ("connections are made", Fate::PutOff)]
    {
        bypass::came("The supervisor stands still for three seconds", way, "a user", fate);
    }
    Ok(())
}

/// What stops the supervisor and lets it go on: the heading of the page.
const STOPS: &str = "The supervisor is stopped and goes on, ten times a second";

/// Attempts of each process at each of the things: emulation is slow.
fn attempts() -> u32 {
    if is_machine() { 12 } else { 250 }
}

/// Stops a world's supervisor for a tenth of a second, and lets it go on for another one, until something has come about; how
/// often.
fn stop_and_go_on(world: &World, mut over: impl FnMut() -> bool) -> Result<u32> {
    let until = Instant::now() + Duration::from_secs(300);
    let mut stops = 0;
    while !over() && Instant::now() < until {
        let stopped = Stopped::new(world)?;
        thread::sleep(Duration::from_millis(100));
        drop(stopped);
        thread::sleep(Duration::from_millis(100));
        stops += 1;
    }
    Ok(stops)
}

#[test]
fn a_supervisor_that_stops_and_goes_on_lets_nothing_through() -> Result<()> {
    let world = World::new()?;
    world.write(&world.home().join(".ssh/id_ed25519"), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")?;
    world.write(&world.home().join(".bashrc"), "plain\n")?;
    let tool = world.home().join(".ssh/tool");
    world.write(&tool, "#!/bin/sh\n")?;
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
    let script = format!(
        ": >begun; try() {{ for ((i = 0; i < {}; i++)); do \
         read -r line <.ssh/id_ed25519 && echo \"read $line\"; : 3<>/dev/tcp/169.254.169.254/80 && echo reached; \
         echo key >.ssh/authorized_keys && echo made; echo run >>.bashrc && echo appended; \
         /usr/bin/env ./.ssh/tool && echo ran; \
         done; }} 2>/dev/null; for n in 1 2 3 4 5 6 7 8; do try & done; wait; echo over",
        attempts()
    );
    let mut client = begin(&world, &world.home(), &script, 0)?;
    ensure!(wait_until(SOON, || world.home().join("begun").exists()));
    let stops = stop_and_go_on(&world, || client.try_wait().is_ok_and(|status| status.is_some()))?;
    if client.try_wait()?.is_none() {
        world.run(["stop-session", "last"])?;
    }
    let output = client.wait_with_output()?;
    println!("stopped {stops} times");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "over\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&fs::read(world.path().join("summary.json"))?)?;
    is_lsm(&summary)?;
    assert_eq!(summary["denied"], 5 * 8 * attempts(), "{}", summary["denied"]);
    let of = |path: &str| fs::read_to_string(world.home().join(path)).unwrap_or_default();
    assert_eq!((of(".ssh/authorized_keys").as_str(), of(".bashrc").as_str()), ("", "plain\n"));
    for way in [
        "a key is read from eight processes",
        "the metadata service is reached from eight processes",
        "`~/.ssh/authorized_keys` is made by eight processes",
        "`~/.bashrc` is appended to by eight processes",
        "a program in `~/.ssh` is started by eight processes",
    ] {
        bypass::came(STOPS, way, "a user", Fate::Refused);
    }
    Ok(())
}

/// Processes that replace a start-up file as fast as they can, each by files of its own.
const REPLACING: &str = r#"
import os
for n in range(8):
    if os.fork() == 0:
        for i in range(ATTEMPTS):
            try: os.rename(f"evil/{n}.{i}", ".bashrc")
            except PermissionError: pass
        os._exit(0)
for _ in range(8): os.wait()
print("over")
"#;

/// Where nothing can refuse it, the kernel side has the session stand still with the call: whoever was in one may have been as quick.
#[test]
fn a_rename_goes_no_further_while_the_supervisor_is_stopped_and_goes_on() -> Result<()> {
    // Before, the kernel does not say what a call has changed, and nothing stops it.
    if !can_refuse() && kernel() < (6, 13) {
        println!("skipped: this kernel does not say which files a call has changed");
        return Ok(());
    }
    if !has("python3") {
        println!("skipped: there is no python3");
        return Ok(());
    }
    let world = World::new()?;
    let home = world.home();
    world.write(&home.join(".bashrc"), "plain\n")?;
    world.write(&home.join("replace.py"), REPLACING.replace("ATTEMPTS", &attempts().to_string()))?;
    for n in 0..8 {
        for i in 0..attempts() {
            world.write(&home.join(format!("evil/{n}.{i}")), "evil\n")?;
        }
    }
    let mut client = begin(&world, &home, ": >begun; python3 -I replace.py", 0)?;
    ensure!(wait_until(SOON, || home.join("begun").exists()));
    let left = || fs::read_dir(home.join("evil")).map_or(0, Iterator::count);
    let all = 8 * attempts() as usize;
    let is_back = || fs::read_to_string(home.join(".bashrc")).is_ok_and(|held| held == "plain\n");
    let mut rounds = 0;
    let stops = stop_and_go_on(&world, || {
        rounds += 1;
        let stands = left() < all && is_back() && rounds > 10;
        stands || client.try_wait().is_ok_and(|status| status.is_some())
    })?;
    if client.try_wait()?.is_none() {
        world.run(["stop-session", "last"])?;
    }
    let output = client.wait_with_output()?;
    let replaced = all - left();
    println!("stopped {stops} times, replaced {replaced} times");
    let summary: Value = serde_json::from_slice(&fs::read(world.path().join("summary.json"))?)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(is_back(), "{summary:#}");
    let fate = if is_lsm(&summary)? {
        assert_eq!((replaced, said.as_str()), (0, "over\n"), "{summary:#}");
        assert_eq!(summary["denied"], 8 * attempts(), "{summary:#}");
        Fate::Refused
    } else {
        assert!((1..=8).contains(&replaced) && said.is_empty(), "{replaced} {said} {summary:#}");
        assert_eq!(summary["denials"][0]["fate"], "happened-and-stopped", "{summary:#}");
        Fate::Stopped
    };
    bypass::came(STOPS, "`~/.bashrc` is replaced by eight processes", "a user", fate);
    Ok(())
}
