//! Permissions of the control socket: no process in a session controls its guard, and a guard that dies takes its sessions
//! along.
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are the test's own, or such as the kernel gives"
)]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result};
use end_to_end::bypass::{self, Fate};
use end_to_end::members::fill;
use end_to_end::{World, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The heading of the page.
const SAY: &str = "The supervisor is asked from inside";
/// Another one.
const OTHERS: &str = "Others are kept waiting, or refused what is theirs";

fn kill(pid: u32) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// How long a session may take to start: under emulation the kernel side alone takes a minute to load.
const STARTS: Duration = Duration::from_secs(180);

/// Starts a session that sleeps, and waits until it does.
fn sleeping(world: &World, verb: &str) -> Result<Child> {
    let mut args = world.session(verb, &[]);
    args.extend(["sleep", "1000"].map(str::to_owned));
    let mut client = world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let runs = || {
        world.user_processes().iter().any(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\0"))
        })
    };
    if !wait_until(STARTS, runs) {
        client.kill()?;
        let output = client.wait_with_output()?;
        anyhow::bail!("the session did not start: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(client)
}

#[test]
fn nobody_inside_has_a_say() -> Result<()> {
    let world = World::new()?;
    let ask = format!("'{}' --state-dir '{}'", world.program()?.display(), world.state().display());
    let requests = ["task last install", "stop-session last --thaw", "stop-session last", "sessions", "tail"];
    for verb in ["record", "enforce"] {
        let script: String = requests
            .iter()
            .map(|request| {
                format!("{ask} {request} 2>&1 | grep 'inside a session'; echo code=${{PIPESTATUS[0]}}\n")
            })
            .collect();
        let output = world.run_script(verb, &["--quiet"], &script)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let codes: Vec<&str> = said.lines().filter(|line| line.starts_with("code=")).collect();
        assert_eq!(codes, ["code=122"; 5], "{verb}: {said}");
        assert_eq!(said.matches("inside a session").count(), requests.len(), "{verb}: {said}");
        if verb == "enforce" {
            for request in requests {
                bypass::came(SAY, &format!("`wardline {request}`"), "a user", Fate::Refused);
            }
        }
    }
    Ok(())
}

#[test]
fn an_orphan_inside_has_no_say_either() -> Result<()> {
    let world = World::new()?;
    let out = world.workspace().join("said");
    let script = format!(
        "setsid bash -c 'sleep 0.5; \"{}\" --state-dir \"{}\" task last install >{out} 2>&1; echo code=$? >>{out}' & \
         exec bash -c 'for i in $(seq 100); do grep -q code= {out} 2>/dev/null && exit; sleep 0.1; done'",
        world.program()?.display(),
        world.state().display(),
        out = out.display()
    );
    world.run_script("enforce", &["--quiet"], &script)?;
    let said = std::fs::read_to_string(out)?;
    assert!(said.contains("inside a session") && said.contains("code=122"), "{said}");
    bypass::came(SAY, "`wardline task last install`, by an orphan", "a user", Fate::Refused);
    Ok(())
}

#[test]
fn from_outside_a_session_is_switched_frozen_and_killed() -> Result<()> {
    let world = World::new()?;
    let client = sleeping(&world, "record")?;
    let done = |args: &[&str]| -> Result<String> {
        let output = world.run(args)?;
        anyhow::ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let listed =
        || -> Result<serde_json::Value> { Ok(serde_json::from_str(&done(&["sessions", "--json"])?)?) };
    assert_eq!(listed()?[0]["state"], "running");
    done(&["task", "last", "install"])?;
    assert_eq!(listed()?[0]["task"], "install");
    done(&["stop-session", "last", "--freeze"])?;
    assert_eq!(listed()?[0]["state"], "frozen");
    done(&["stop-session", "last", "--thaw"])?;
    done(&["stop-session", "last"])?;
    client.wait_with_output()?;
    assert_eq!(listed()?[0]["state"], "ended");
    Ok(())
}

#[test]
fn a_supervisor_that_is_killed_takes_its_sessions_along() -> Result<()> {
    for verb in ["record", "enforce"] {
        let world = World::new()?;
        let client = sleeping(&world, verb)?;
        kill(world.supervisor().context("no supervisor")?)?;
        assert!(
            wait_until(in_time(), || world.user_processes().is_empty()),
            "{verb}: the command runs unguarded"
        );
        let output = client.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(123), "{said}");
        assert!(said.contains("the supervisor ended"), "{said}");
        let listed: serde_json::Value = serde_json::from_slice(&world.run(["sessions", "--json"])?.stdout)?;
        assert_eq!(listed[0]["state"], "incomplete");
    }
    Ok(())
}

/// The client is killed with the supervisor: the keeper is what is left, also for what has left its parents.
#[test]
fn without_client_and_supervisor_the_keeper_kills() -> Result<()> {
    let world = World::new()?;
    let script = "setsid sleep 1000 & sleep 1000 & exec sleep 1000";
    let mut args = world.session("enforce", &[]);
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut client = world.wardline(args).stderr(Stdio::null()).spawn()?;
    assert!(wait_until(STARTS, || world.user_processes().len() >= 3));
    kill(client.id())?;
    kill(world.supervisor().context("no supervisor")?)?;
    client.wait()?;
    assert!(wait_until(in_time(), || world.user_processes().is_empty()));
    Ok(())
}

/// The same while the map of members has no room: nobody of those who are made without a pause is left, and the keeper has the
/// table of those whom it could not take.
#[test]
fn whom_the_map_cannot_take_does_not_outlive_the_supervisor() -> Result<()> {
    let world = World::new()?;
    let script = "touch inside; until [ -e go ]; do sleep 0.05; done; while :; do (exec sleep 1000) & done";
    let mut args = world.session("enforce", &[]);
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut client = world.wardline(args).stderr(Stdio::null()).spawn()?;
    assert!(wait_until(STARTS, || world.workspace().join("inside").exists()));
    let supervisor = world.supervisor().context("no supervisor")?;
    assert!(wait_until(STARTS, || keeper(supervisor).is_some()), "no keeper");
    let keeper = keeper(supervisor).context("no keeper")?;
    let mapped =
        || std::fs::read_to_string(format!("/proc/{keeper}/maps")).is_ok_and(|maps| maps.contains("bpf-map"));
    assert!(wait_until(STARTS, mapped), "the keeper has no table of them");
    fill(supervisor)?;
    std::fs::write(world.workspace().join("go"), "")?;
    std::thread::sleep(Duration::from_millis(200));
    kill(client.id())?;
    kill(supervisor)?;
    client.wait()?;
    assert!(wait_until(in_time(), || world.user_processes().is_empty()));
    Ok(())
}

/// What a keeper cannot do stands in the log of the supervisor, which is its standard error.
#[test]
fn a_keeper_says_what_it_cannot_do() -> Result<()> {
    let world = World::new()?;
    let place = world.path().display().to_string();
    let args = ["keeper", "--cgroups", &place, "--prefix", "nobody", "--strays", "4294967295"];
    let output = world.wardline(args.map(str::to_owned)).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("WARN") && said.contains("does not know for whom there was no room"), "{said}");
    Ok(())
}

#[test]
fn a_client_that_is_killed_takes_its_session_along() -> Result<()> {
    let world = World::new()?;
    let mut client = sleeping(&world, "enforce")?;
    client.kill()?;
    client.wait()?;
    assert!(wait_until(Duration::from_secs(20), || world.user_processes().is_empty()));
    Ok(())
}

#[test]
fn a_supervisor_without_sessions_ends() -> Result<()> {
    let world = World::new()?;
    world.run_script("record", &["--quiet"], "true")?;
    assert!(world.supervisor().is_some());
    assert!(wait_until(Duration::from_secs(20), || world.supervisor().is_none()));
    Ok(())
}

/// The keeper is watched: one that was killed has a successor, which does its work.
#[test]
fn a_keeper_that_is_killed_has_a_successor() -> Result<()> {
    let world = World::new()?;
    let client = sleeping(&world, "enforce")?;
    let supervisor = world.supervisor().context("no supervisor")?;
    let first = keeper(supervisor).context("no keeper")?;
    kill(first)?;
    let succeeded = || keeper(supervisor).is_some_and(|pid| pid != first);
    assert!(wait_until(Duration::from_secs(20), succeeded));
    kill(client.id())?;
    kill(supervisor)?;
    assert!(wait_until(in_time(), || world.user_processes().is_empty()));
    client.wait_with_output()?;
    Ok(())
}

/// How long an end may take: without the keeper they would run for a thousand seconds. The kernel gives back the programs of
/// a supervisor that was killed first, which takes seconds where others use the processors.
fn in_time() -> Duration {
    Duration::from_secs(20)
}

/// The keeper of a supervisor: its child of that name.
fn keeper(supervisor: u32) -> Option<u32> {
    let children = std::fs::read_dir(format!("/proc/{supervisor}/task"))
        .ok()?
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    children.iter().flat_map(|line| line.split_whitespace()).filter_map(|pid| pid.parse().ok()).find(
        |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|&b| b == 0).any(|arg| arg == b"keeper"))
        },
    )
}

/// A user without root's rights starts sessions, and reads their own, through a supervisor that stays.
#[test]
fn a_user_is_served_by_a_supervisor_that_stays() -> Result<()> {
    let world = World::new()?;
    let mut service = world.wardline(["supervisor", "--stay"]).stderr(Stdio::null()).spawn()?;
    let serves = || world.run(["sessions", "--json"]).is_ok_and(|output| output.status.success());
    assert!(
        wait_until(Duration::from_secs(10), || world.state().join("run/control.sock").exists() && serves())
    );
    let as_user = |args: &[&str]| -> Result<std::process::Output> {
        let mut command = world.wardline_of(&world.program()?, args);
        let output = command.uid(world.user.id).gid(world.user.id).env("HOME", world.home()).output()?;
        Ok(output)
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let output = as_user(&["enforce", "--quiet", "--agent", "mine", "--", "bash", "-c", "id -u; exit 6"])?;
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said(&output), format!("{}\n", world.user.id));
    let listed: serde_json::Value = serde_json::from_slice(&as_user(&["sessions", "--json"])?.stdout)?;
    assert_eq!((&listed[0]["agent"], &listed[0]["exit_status"]), (&"mine".into(), &6.into()));
    assert!(said(&as_user(&["show", "last"])?).contains("bash"));
    let exported = as_user(&["export", "last"])?;
    assert!(
        said(&exported).starts_with("{\"type\":\"session\""),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );
    for refused in [&["train"][..], &["db", "stats"], &["stop"], &["sessions", "--user", "0"]] {
        let code = as_user(refused)?.status.code();
        assert!(matches!(code, Some(121 | 122)), "{refused:?}: {code:?}");
    }
    world.run(["stop"])?;
    assert!(wait_until(Duration::from_secs(20), || matches!(service.try_wait(), Ok(Some(_)))));
    Ok(())
}

/// A supervisor that stays, and what ends it.
struct Service<'a>(&'a World, Child);

impl<'a> Service<'a> {
    fn start(world: &'a World) -> Result<Self> {
        let service = world.wardline(["supervisor", "--stay"]).stderr(Stdio::null()).spawn()?;
        let serves = || world.run(["sessions", "--json"]).is_ok_and(|output| output.status.success());
        let socket = world.state().join("run/control.sock");
        anyhow::ensure!(wait_until(Duration::from_secs(60), || socket.exists() && serves()), "no supervisor");
        Ok(Self(world, service))
    }

    /// A connection of this process'.
    fn connect(&self) -> Result<UnixStream> {
        Ok(UnixStream::connect(self.0.state().join("run/control.sock"))?)
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(["stop", "--kill-sessions"]);
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

/// A frame of the control socket: what a request is called, and its body in MessagePack.
fn frame(body: &[u8]) -> Vec<u8> {
    [b"WL\x07\x00", &(body.len() as u32).to_le_bytes()[..], body].concat()
}

fn text(words: &[&str]) -> Vec<u8> {
    words.iter().flat_map(|word| [&[0xa0 | word.len() as u8], word.as_bytes()].concat()).collect()
}

/// `Task { session: "last", owner: None, task: "laxer" }`
fn task() -> Vec<u8> {
    let fields = [text(&["session", "last", "owner"]), vec![0xc0], text(&["task", "laxer"])].concat();
    frame(&[vec![0x81], text(&["Task"]), vec![0x83], fields].concat())
}

/// `Tail { session: None, past: 0 }`
fn tail() -> Vec<u8> {
    let fields = [text(&["session"]), vec![0xc0], text(&["past"]), vec![0]].concat();
    frame(&[vec![0x81], text(&["Tail"]), vec![0x82], fields].concat())
}

/// The programs below are this one, started again as somebody else: what to do, and the socket.
const PEER: &str = "WARDLINE_TEST_PEER";

#[test]
fn peers() -> Result<()> {
    let Some(what) = std::env::var_os(PEER) else { return Ok(()) };
    let what = what.into_string().ok().context("what")?;
    let (what, state) = what.split_once(' ').context("which socket")?;
    let connect = || UnixStream::connect(format!("{state}/run/control.sock"));
    let said = |name: &str| std::path::Path::new("peer").with_extension(name);
    match what {
        // Begins a request, and ends it once it is told to.
        "early" => {
            let mut stream = connect()?;
            let request = task();
            stream.write_all(&request[..9])?;
            std::fs::write(said("begun"), "")?;
            anyhow::ensure!(wait_until(Duration::from_secs(120), || said("go").exists()), "not told");
            let _ = stream.write_all(&request[9..]);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            std::fs::write(said("new"), &answer)?;
            std::fs::rename(said("new"), said("answer"))?;
            std::thread::sleep(Duration::from_secs(1000));
        }
        "many" => {
            let mut held = Vec::new();
            for _ in 0..330 {
                let mut stream = connect()?;
                let _ = stream.write_all(&tail());
                held.push(stream);
            }
            std::fs::write(said("held"), "")?;
            std::thread::sleep(Duration::from_secs(1000));
        }
        _ => anyhow::bail!("no such peer"),
    }
    Ok(())
}

/// Starts a peer as the world's user, in its workspace.
fn peer(world: &World, what: &str) -> Result<Child> {
    let program = world.path().join("peer");
    if !program.exists() {
        std::fs::copy(std::env::current_exe()?, &program)?;
    }
    Ok(Command::new(program)
        .args(["--exact", "peers", "--test-threads=1"])
        .env(PEER, format!("{what} {}", world.state().display()))
        .current_dir(world.workspace())
        .uid(world.user.id)
        .gid(world.user.id)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?)
}

/// A request that began before its process was taken into a session is one from inside.
#[test]
fn a_request_begun_before_an_attachment_is_refused_after_it() -> Result<()> {
    let world = World::new()?;
    let service = Service::start(&world)?;
    // A request has a few seconds: the kernel side is loaded before it begins.
    world.run_script("record", &["--quiet"], "true")?;
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        let mut inside = peer(&world, "early")?;
        let there = |name: &str| world.workspace().join("peer").with_extension(name);
        anyhow::ensure!(wait_until(Duration::from_secs(60), || there("begun").exists()), "no peer");
        let (home, pid) = (world.home().display().to_string(), inside.id().to_string());
        let args = ["enforce", "--agent", "test-agent", "--home", &home, "--attach", &pid];
        let mut client = world.wardline(args).stderr(Stdio::piped()).spawn()?;
        // Whose client ends before it has heard of it is let go.
        let said = BufReader::new(client.stderr.take().context("no standard error")?);
        let attached = said.lines().map_while(Result::ok).any(|line| line.contains("taken in"));
        anyhow::ensure!(attached, "not attached");
        std::fs::write(there("go"), "")?;
        anyhow::ensure!(wait_until(Duration::from_secs(60), || there("answer").exists()), "no answer");
        let answer = String::from_utf8_lossy(&std::fs::read(there("answer"))?).into_owned();
        let listed: serde_json::Value = serde_json::from_slice(&world.run(["sessions", "--json"])?.stdout)?;
        assert_ne!(listed[0]["task"], "laxer", "{answer}");
        client.kill()?;
        client.wait()?;
        inside.wait()?;
        // On a busy machine attaching takes longer than a request may.
        if tries == 5 || !answer.contains("in time") {
            break answer;
        }
        for name in ["begun", "go", "answer"] {
            std::fs::remove_file(there(name))?;
        }
    };
    assert!(answer.contains("inside a session"), "{answer}");
    bypass::came(SAY, "a request that was begun before `--attach`", "a user", Fate::Refused);
    drop(service);
    Ok(())
}

/// Bytes that trickle in prolong nothing, and who says nothing is not waited for.
#[test]
fn a_request_has_one_deadline() -> Result<()> {
    let world = World::new()?;
    let service = Service::start(&world)?;
    let mut silent = service.connect()?;
    let mut slow = service.connect()?;
    let request = task();
    // Six times as long as a request may take, should nobody stop it.
    let stopped = request.iter().cycle().take(120).any(|byte| {
        std::thread::sleep(Duration::from_millis(500));
        slow.write_all(&[*byte]).is_err()
    });
    assert!(stopped, "a minute of single bytes was listened to");
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut answer = Vec::new();
        // The last byte may have come too late to be read, and the connection counts as reset behind the answer.
        let end = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(std::io::ErrorKind::ConnectionReset)), "{end:?}");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("did not come in time"), "{answer}");
    }
    bypass::came(OTHERS, "a request is begun and trickles in for a minute", "root", Fate::Refused);
    Ok(())
}

/// One user's connections keep neither root nor another user from being served.
#[test]
fn a_user_takes_nobody_elses_place() -> Result<()> {
    let world = World::new()?;
    let service = Service::start(&world)?;
    let mut many = peer(&world, "many")?;
    let held = || world.workspace().join("peer.held").exists();
    anyhow::ensure!(wait_until(Duration::from_secs(60), held), "no connections");
    let as_user = |uid: u32| -> Result<Output> {
        let mut command = world.wardline_of(&world.program()?, ["sessions", "--json"]);
        Ok(command.uid(uid).gid(uid).current_dir("/").env("HOME", "/").output()?)
    };
    let refused = as_user(world.user.id)?;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("too many connections"), "{refused:?}");
    let other = as_user(world.user.id + 1_000_000)?;
    assert!(other.status.success(), "{other:?}");
    assert!(world.run(["stop-session", "last"])?.status.code() != Some(0), "there is none");
    // Nobody else's connections wait at root's own socket.
    let mode = std::fs::metadata(world.state().join("run/root.sock"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let output = world.run_script("enforce", &["--quiet"], "exit 7")?;
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    many.kill()?;
    many.wait()?;
    bypass::came(OTHERS, "one user takes every connection to the supervisor", "a user", Fate::Refused);
    // Their places are free again.
    assert!(
        wait_until(Duration::from_secs(20), || as_user(world.user.id).is_ok_and(|of| of.status.success()))
    );
    drop(service);
    Ok(())
}
