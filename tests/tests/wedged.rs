//! One thread of the supervisor stands still, or the disk under its store: sessions stand still with it or go on guarded, and
//! nobody acts unguarded meanwhile.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::acting::{Acting, SOON};
use end_to_end::scene::can_refuse;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// When the supervisor has not looked for so long, nobody acts any more.
const DEADLINE: Duration = Duration::from_millis(250);
/// Who was let through before may lose its processor before it acts, and a busy machine adds to it.
const SLACK: Duration = Duration::from_millis(500);
/// So long each thread stands still.
const WEDGED: Duration = Duration::from_millis(2_500);

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

/// What becomes of a thread that panics, and of one that is sent what ends it: the process ends, and so does every session.
#[test]
fn a_thread_that_dies_takes_every_session_with_it() -> Result<()> {
    for name in ["pump", "exe", "peer", "teller", "teller-hears", "log"] {
        let acting = Acting::new(World::new()?)?;
        let supervisor = acting.world()?.supervisor().context("no supervisor")?;
        let thread = threads(supervisor)?.into_iter().find(|(_, of)| of == name);
        let (thread, _) = thread.with_context(|| format!("no thread {name}: {:?}", threads(supervisor)))?;
        let from = SystemTime::now();
        // SAFETY: a signal, by numbers.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, supervisor, thread, libc::SIGABRT) };
        ensure!(sent == 0, "{name}: {}", std::io::Error::last_os_error());
        let (last, output) = acting.killed()?;
        let after = last.duration_since(from).unwrap_or_default();
        println!("{name}: acted until {after:?} after it");
        assert_eq!(output.status.code(), Some(123), "{name}: {output:?}");
        assert!(after <= DEADLINE + SLACK, "{name}: {after:?}");
    }
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
    /// The writer and the session keep what comes for a minute at most: each of their messages waits for a twentieth of a second.
    const FROZEN_S: u64 = 65;
    let world = World::new()?;
    let disk = Disk::new(&world)?;
    let unmounted = Unmounted(disk.point.clone());
    let acting = Acting::new(world)?;
    let frozen = disk.freeze(FROZEN_S + 30)?;
    let longest = acting.longest_pause(Duration::from_secs(FROZEN_S))?;
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
