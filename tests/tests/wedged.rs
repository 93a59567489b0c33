//! One thread of the supervisor stands still, or the disk under its store: sessions stand still with it or go on guarded, and
//! nobody acts unguarded meanwhile.

use anyhow::{Context, Result, ensure};
use end_to_end::scene::{can_refuse, is_lsm};
use end_to_end::{World, wait_until};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// Emulation is slow.
const SOON: Duration = Duration::from_secs(120);
/// When the supervisor has not looked for so long, nobody acts any more.
const DEADLINE: Duration = Duration::from_millis(250);
/// Who was let through before may lose its processor before it acts, and a busy machine adds to it.
const SLACK: Duration = Duration::from_millis(500);
/// So long each thread stands still.
const WEDGED: Duration = Duration::from_millis(2_500);
const SECRET: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n";

/// Four processes read a key and write a file, in turn and as fast as they can, until there is a file `stop`.
const ACTING: &str = r#"
act() { local i=0; while [ ! -e stop ]; do
    i=$((i+1)); read -r line <"$HOME/.ssh/id_ed25519" && echo "read $line"; echo $i >made/$1; sleep 0.005; done; }
mkdir -p made
for n in 1 2 3 4; do act $n 2>/dev/null & done
wait
echo over
"#;

/// A world with a key, and a session that acts in it.
struct Acting {
    world: Option<World>,
    client: Option<Child>,
    summary: PathBuf,
}

impl Acting {
    fn new(world: World) -> Result<Self> {
        world.write(&world.home().join(".ssh/id_ed25519"), SECRET)?;
        let summary = world.path().join("summary.json");
        let mut args =
            world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
        args.extend(["bash", "-c", ACTING].map(str::to_owned));
        let client = world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut acting = Self { world: Some(world), client: Some(client), summary };
        if !wait_until(SOON, || acting.last().is_some_and(|time| time.elapsed().is_ok())) {
            acting.client.take().context("no client")?.kill()?;
            anyhow::bail!("nobody acts");
        }
        Ok(acting)
    }

    fn world(&self) -> Result<&World> {
        self.world.as_ref().context("no world")
    }

    /// When somebody acted last.
    fn last(&self) -> Option<SystemTime> {
        let made = fs::read_dir(self.world().ok()?.workspace().join("made")).ok()?;
        made.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
    }

    /// Whether somebody acts within a time from now.
    fn acts_within(&self, limit: Duration) -> bool {
        let now = SystemTime::now();
        wait_until(limit, || self.last().is_some_and(|last| last > now))
    }

    /// Ends it: nothing was read, and nothing failed.
    fn end(mut self) -> Result<(World, Value, Output)> {
        let world = self.world.take().context("no world")?;
        fs::write(world.workspace().join("stop"), "")?;
        let mut client = self.client.take().context("no client")?;
        if !wait_until(SOON, || client.try_wait().is_ok_and(|status| status.is_some())) {
            world.run(["stop-session", "last", "--kill"])?;
        }
        let output = client.wait_with_output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "over\n", "{output:?}");
        let summary: Value = serde_json::from_slice(&fs::read(&self.summary)?)?;
        is_lsm(&summary)?;
        assert!(summary["denied"].as_u64() > Some(0), "{summary:#}");
        Ok((world, summary, output))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}

/// A thread that is traced and stands still, until this is dropped, or this test was ended.
struct Still(Pid);

impl Still {
    fn new(thread: u32) -> Result<Option<Self>> {
        let pid = Pid::from_raw(i32::try_from(thread)?);
        if ptrace::seize(pid, ptrace::Options::empty()).is_err() {
            return Ok(None);
        }
        ptrace::interrupt(pid)?;
        match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => Ok(None),
            _ => Ok(Some(Self(pid))),
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

/// The threads of a process, with their names.
fn threads(pid: u32) -> Result<Vec<(u32, String)>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    let named = tasks.filter_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, name.trim().to_owned()))
    });
    Ok(named.collect())
}

#[test]
fn a_thread_that_stands_still_lets_nothing_through() -> Result<()> {
    let acting = Acting::new(World::new()?)?;
    let supervisor = acting.world()?.supervisor().context("no supervisor")?;
    let mut pumps = 0;
    for (thread, name) in threads(supervisor)? {
        let Some(still) = Still::new(thread)? else { continue };
        let from = SystemTime::now();
        std::thread::sleep(WEDGED);
        let last = acting.last().context("nobody acted")?;
        drop(still);
        // How long after the thread was stopped somebody acted last.
        let after = last.duration_since(from).unwrap_or_default();
        println!("{name}: acted until {after:?} after it");
        if name == "pump" {
            pumps += 1;
            assert!(after <= DEADLINE + SLACK, "{after:?}");
        } else if can_refuse() {
            // Whoever decides is another one.
            assert!(after > WEDGED / 2, "{name}: {after:?}");
        }
        ensure!(acting.acts_within(SOON), "{name}: nobody goes on");
    }
    assert_eq!(pumps, 1);
    acting.end()?;
    Ok(())
}

/// A disk of its own, on which a store lies.
struct Disk {
    point: PathBuf,
}

impl Disk {
    fn new(world: &World) -> Result<Self> {
        let image = world.path().join("disk");
        fs::File::create(&image)?.set_len(64 << 20)?;
        let point = world.state();
        fs::create_dir(&point)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&point))?;
        Ok(Self { point })
    }

    /// Has everybody who writes to it wait until it is let go on, at the latest in so many seconds.
    fn freeze(&self, seconds: u64) -> Result<Frozen> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.point))?;
        let later = format!("sleep {seconds}; exec fsfreeze --unfreeze '{}'", self.point.display());
        let later = Command::new("sh").args(["-c", &later]).stderr(Stdio::null()).process_group(0).spawn()?;
        Ok(Frozen { point: self.point.clone(), later })
    }
}

/// Lets the disk go on when it is dropped, before anybody waits for who writes to it.
struct Frozen {
    point: PathBuf,
    later: Child,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = run(Command::new("fsfreeze").arg("--unfreeze").arg(&self.point));
        if let Some(group) = rustix::process::Pid::from_raw(self.later.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.later.wait();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}

/// The store's disk takes nothing for longer than anything is kept in memory: the session goes on, guarded, and what was not
/// kept is said.
#[test]
fn a_disk_that_stands_still_keeps_nobody_from_deciding() -> Result<()> {
    /// The writer and the session keep what comes for some ten seconds.
    const FROZEN_S: u64 = 15;
    let world = World::new()?;
    let disk = Disk::new(&world)?;
    let unmounted = Unmounted(disk.point.clone());
    let acting = Acting::new(world)?;
    let frozen = disk.freeze(FROZEN_S + 30)?;
    let mut longest = Duration::ZERO;
    let until = SystemTime::now() + Duration::from_secs(FROZEN_S);
    while SystemTime::now() < until {
        let before = SystemTime::now();
        ensure!(acting.acts_within(Duration::from_secs(20)), "nobody acts any more");
        longest = longest.max(before.elapsed()?);
    }
    drop(frozen);
    println!("the longest that nobody acted: {longest:?}");
    let (world, summary, output) = acting.end()?;
    // Nobody has it open any more, and the world takes its directory away.
    world.run(["stop", "--kill-sessions"])?;
    drop(unmounted);
    let notes = summary["notes"].to_string();
    assert!(!notes.contains("it stood still "), "{notes}");
    assert!(notes.contains("the store took nothing for a while"), "{notes}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    Ok(())
}

/// Unmounts when everybody who has it open is gone.
struct Unmounted(PathBuf);

impl Drop for Unmounted {
    fn drop(&mut self) {
        let unmount = |path: &Path| Command::new("umount").args(["--lazy"]).arg(path).status();
        let _ = unmount(&self.0);
    }
}
