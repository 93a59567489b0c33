//! Nothing that was ever inside a session outlives it: neither its end, nor `stop-session`, nor the supervisor's death. A
//! process is alive as long as any of its threads is.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::{self, Attempt, SECRET};
use end_to_end::bypass::{self, Fate};
use end_to_end::survivors::{WAYS, WAYS_OF_ROOT, who};
use end_to_end::{World, is_alive, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Emulation is slow, and so are a machine with other work and a kernel that gives back the programs of a supervisor which
/// was killed.
const SOON: Duration = Duration::from_secs(120);

/// The program that survives: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// A world, in which a program begins one survivor of each way and then sleeps.
struct Haunted {
    world: World,
    program: PathBuf,
    as_root: bool,
}

impl Haunted {
    fn new(as_root: bool) -> Result<Self> {
        let world = World::new()?;
        world.write(&world.home().join(".ssh/id_ed25519"), SECRET)?;
        let program = world.path().join("program");
        fs::copy(std::env::current_exe()?, &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(Self { world, program, as_root })
    }

    fn said(&self) -> String {
        fs::read_to_string(self.world.workspace().join("said")).unwrap_or_default()
    }

    /// Adds to a command the arguments that make it the program, which goes on for so many seconds.
    fn haunting(&self, command: &mut Command, ways: &[&str], seconds: u32) -> Result<()> {
        let key = self.world.home().join(".ssh/id_ed25519").display().to_string();
        let said = self.world.workspace().join("said").display().to_string();
        let mut attempts: Vec<Attempt> =
            ways.iter().map(|way| Attempt::new(way, "outlive", [way, key.as_str(), said.as_str()])).collect();
        attempts.push(Attempt::new("wait", "wait", [seconds.to_string()]));
        attempt::make(command, &self.program, self.world.path(), &attempts)
    }

    /// Starts a session of it, and waits until everybody is there.
    fn session(&self, verb: &str, seconds: u32) -> Result<Child> {
        let summary = self.world.path().join("summary.json").display().to_string();
        let mut args = self.world.session(verb, &["--quiet", "--summary-file", &summary]);
        if self.as_root {
            let user = args.iter().position(|arg| arg == "--user").context("no --user")?;
            args.splice(user..user + 2, ["--as-root".to_owned()]);
        }
        let mut command = self.world.wardline(args);
        let ways = self.ways();
        self.haunting(&mut command, &ways, seconds)?;
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Err(error) = self.wait_for(ways.len()) {
            client.kill()?;
            return Err(error.context(format!("{:?}", client.wait_with_output()?)));
        }
        Ok(client)
    }

    fn wait_for(&self, ways: usize) -> Result<()> {
        let there = || {
            let mut names: Vec<String> = who(&self.said()).into_iter().map(|(way, _)| way).collect();
            names.dedup();
            names.len() >= ways
        };
        ensure!(wait_until(SOON, there), "not everybody is there: {}", self.said());
        Ok(())
    }

    fn alive(&self) -> Vec<(String, u32)> {
        who(&self.said()).into_iter().filter(|(_, pid)| is_alive(*pid)).collect()
    }

    /// The ways in which its processes want to survive.
    fn ways(&self) -> Vec<&'static str> {
        let of_root = WAYS_OF_ROOT.iter().filter(|_| self.as_root);
        WAYS.iter().chain(of_root).copied().collect()
    }

    /// Each of them has ended with the session.
    fn have_ended(&self, when: &str) {
        for way in self.ways() {
            let by = if self.as_root { "root" } else { "a user" };
            bypass::came("A session is outlived", &format!("{}, {when}", in_words(way)), by, Fate::Ended);
        }
    }

    /// Nobody is alive any more, and nobody has read the key.
    fn is_over(&self) -> Result<()> {
        ensure!(wait_until(SOON, || self.alive().is_empty()), "alive: {:?}", self.alive());
        ensure!(!self.said().contains("READ"), "{}", self.said());
        Ok(())
    }
}

impl Drop for Haunted {
    fn drop(&mut self) {
        for (_, pid) in self.alive() {
            let _ = kill(pid);
        }
    }
}

/// A way, for people.
fn in_words(way: &str) -> &str {
    match way {
        "plain" => "a child",
        "headless" => "a process whose first thread has exited",
        "headless-again" => "the child of such a one, of the same kind",
        "shared-memory" => "a child that shares memory (`CLONE_VM` without `CLONE_THREAD`)",
        "vfork" => "a chain of children by vfork",
        "stopped" => "a stopped process",
        "traced" => "a traced process",
        "namespace" => "a process in a pid namespace of its own",
        "headless-elsewhere" => "a process without its first thread, in another cgroup",
        other => other,
    }
}

fn kill(pid: u32) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

#[test]
fn nobody_outlives_the_end_of_the_command() -> Result<()> {
    for (as_root, verb) in [(false, "record"), (false, "enforce"), (true, "enforce")] {
        let haunted = Haunted::new(as_root)?;
        let output = haunted.session(verb, 1)?.wait_with_output()?;
        // As soon as the client has ended, and not a moment later.
        assert_eq!(haunted.alive(), [], "{verb}: {output:?}");
        haunted.is_over()?;
        let summary = fs::read(haunted.world.path().join("summary.json"))?;
        let summary: Value = serde_json::from_slice(&summary)?;
        assert!(!summary["notes"].to_string().contains("cannot be shown to have ended"), "{summary}");
        assert_eq!(summary["exit_status"], 0, "{output:?}");
        if verb == "enforce" {
            haunted.have_ended("at the end of the command");
        }
    }
    Ok(())
}

#[test]
fn nobody_outlives_being_killed_from_outside() -> Result<()> {
    for as_root in [false, true] {
        let haunted = Haunted::new(as_root)?;
        let client = haunted.session("enforce", 1000)?;
        let killed = haunted.world.run(["stop-session", "last", "--kill"])?;
        assert!(killed.status.success(), "{killed:?}");
        assert_eq!(haunted.alive(), []);
        haunted.is_over()?;
        client.wait_with_output()?;
        haunted.have_ended("at `stop-session --kill`");
    }
    Ok(())
}

#[test]
fn nobody_outlives_the_supervisor_and_the_client() -> Result<()> {
    for as_root in [false, true] {
        let haunted = Haunted::new(as_root)?;
        let mut client = haunted.session("enforce", 1000)?;
        kill(client.id())?;
        kill(haunted.world.supervisor().context("no supervisor")?)?;
        client.wait()?;
        ensure!(wait_until(SOON, || haunted.alive().is_empty()), "alive: {:?}", haunted.alive());
        haunted.have_ended("when the supervisor and the client are killed");
    }
    Ok(())
}

/// Frozen, nobody tries any more; and they go on together.
#[test]
fn a_freeze_holds_everybody() -> Result<()> {
    let haunted = Haunted::new(true)?;
    let client = haunted.session("enforce", 1000)?;
    assert!(haunted.world.run(["stop-session", "last", "--freeze"])?.status.success());
    let ticks = || -> u64 { haunted.alive().iter().map(|(_, pid)| runs(*pid)).sum() };
    std::thread::sleep(Duration::from_millis(200));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ticks(), before, "somebody goes on");
    assert!(haunted.world.run(["stop-session", "last", "--thaw"])?.status.success());
    ensure!(wait_until(SOON, || ticks() > before), "nobody goes on");
    assert!(haunted.world.run(["stop-session", "last", "--kill"])?.status.success());
    client.wait_with_output()?;
    haunted.is_over()
}

/// How often the threads of a process gave up their processor by themselves.
fn runs(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let status = threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    let count = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    status.map(count).sum()
}

/// Who is found dead half is taken in like everybody else, guarded, and ended with the others; the process that is attached
/// to may be such a one itself.
#[test]
fn a_tree_without_first_threads_is_taken_in() -> Result<()> {
    for itself in ["plain", "headless"] {
        let haunted = Haunted::new(false)?;
        let (home, key) = (haunted.world.home(), haunted.world.home().join(".ssh/id_ed25519"));
        // Until it is attached nobody guards the key.
        let hidden = haunted.world.home().join("hidden");
        fs::rename(&key, &hidden)?;
        let mut command = Command::new("env");
        // Who was orphaned before nobody can know to be of the tree.
        let ways: Vec<&str> = WAYS.into_iter().filter(|way| *way != "shared-memory").collect();
        haunted.haunting(&mut command, &ways, 1000)?;
        let mut tree = command
            .current_dir(haunted.world.workspace())
            .env("HOME", &home)
            .uid(haunted.world.user.id)
            .gid(haunted.world.user.id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        haunted.wait_for(ways.len())?;
        let pid = match itself {
            "plain" => tree.id(),
            way => who(&haunted.said()).into_iter().find(|(of, _)| of == way).context("nobody")?.1,
        };
        let (home, pid_text) = (home.display().to_string(), pid.to_string());
        let args = ["enforce", "--agent", "test-agent", "--home", &home];
        let args = args.into_iter().chain(["--attach", &pid_text]);
        let told = haunted.world.path().join("told");
        let mut client = haunted.world.wardline(args).stderr(fs::File::create(&told)?).spawn()?;
        let taken_in = || fs::read_to_string(&told).is_ok_and(|told| told.contains("taken in"));
        if !wait_until(SOON, taken_in) {
            client.kill()?;
            anyhow::bail!("{itself}: not taken in: {}", fs::read_to_string(&told)?);
        }
        fs::rename(&hidden, &key)?;
        std::thread::sleep(Duration::from_millis(300));
        let taken: Vec<u32> = match itself {
            "plain" => haunted.alive().into_iter().map(|(_, pid)| pid).collect(),
            _ => vec![pid],
        };
        let read = |said: &str| said.lines().any(|line| line.ends_with(&format!("READ {pid}")));
        ensure!(is_alive(pid) && !read(&haunted.said()), "{itself}: {}", haunted.said());
        ensure!(itself != "plain" || !haunted.said().contains("READ"), "{itself}: {}", haunted.said());
        assert!(haunted.world.run(["stop-session", "last", "--kill"])?.status.success());
        let alive: Vec<&u32> = taken.iter().filter(|pid| is_alive(**pid)).collect();
        assert!(alive.is_empty(), "{itself}: {alive:?} {}", haunted.said());
        client.wait()?;
        let _ = tree.kill();
        tree.wait()?;
    }
    Ok(())
}
