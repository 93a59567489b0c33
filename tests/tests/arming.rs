//! What is looked through before a session begins lies where others choose: a home that never answers keeps its own session
//! from starting, and nobody else's from starting, ending or being guarded.

use anyhow::{Context, Result, ensure};
use end_to_end::fuse::Mount;
use end_to_end::{World, wait_until};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// What another session takes to start and to end, on a busy machine.
const USUAL: Duration = Duration::from_secs(20);
/// `service::supervisor::armer::DEADLINE`, and what the client and the broker take before it.
const GIVEN_UP: Duration = Duration::from_secs(110);

/// Another home in the world, with a workspace, of a user of its own.
fn home(world: &World, name: &str, uid: u32) -> Result<PathBuf> {
    let home = world.path().join(name);
    fs::create_dir_all(home.join("app"))?;
    for path in [&home, &home.join("app")] {
        chown(path, Some(uid), Some(uid))?;
    }
    Ok(home)
}

/// Starts `true` in a session of a user with that home.
fn start(world: &World, home: &Path, uid: u32) -> Result<Child> {
    let user = format!("{uid}:{uid}");
    let home_arg = home.to_str().context("path")?;
    let args =
        ["enforce", "--agent", "test-agent", "--user", &user, "--home", home_arg, "--quiet", "--", "true"];
    let mut command = world.wardline(args);
    Ok(command.current_dir(home.join("app")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
}

/// Threads of the supervisor that look at file systems.
fn looking(supervisor: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{supervisor}/task")).into_iter().flatten().flatten();
    tasks.filter(|task| fs::read(task.path().join("comm")).is_ok_and(|name| name == b"armer\n")).count()
}

fn ended(mut client: Child, within: Duration) -> Result<Output> {
    let in_time = wait_until(within, || client.try_wait().is_ok_and(|status| status.is_some()));
    if !in_time {
        client.kill()?;
    }
    let output = client.wait_with_output()?;
    ensure!(in_time, "it took longer than {within:?}: {output:?}");
    Ok(output)
}

#[test]
fn a_home_that_never_answers_keeps_its_own_session_from_starting_and_nobody_elses() -> Result<()> {
    let world = World::new()?;
    let (other, slow) = (world.user.id, world.user.id + 32);
    let (quick_home, slow_home) = (home(&world, "quick", other)?, home(&world, "slow", slow)?);
    let point = world.path().join("mount");
    fs::create_dir(&point)?;
    // Its user is answered, and root waits.
    let mount = Mount::new(&point, slow)?.context("there is no /dev/fuse")?;
    symlink(point.join("keys"), slow_home.join(".ssh"))?;

    // The kernel side is loaded, and a session goes on meanwhile.
    let first = ended(start(&world, &quick_home, other)?, GIVEN_UP)?;
    ensure!(first.status.success(), "{first:?}");
    let supervisor = world.supervisor().context("no supervisor")?;
    let began = Instant::now();
    let mut waits = start(&world, &slow_home, slow)?;
    ensure!(wait_until(USUAL, || looking(supervisor) > 0), "nobody looks");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(looking(supervisor), 1);
    for _ in 0..3 {
        let output = ended(start(&world, &quick_home, other)?, USUAL)?;
        ensure!(output.status.success(), "{output:?}");
    }
    ensure!(waits.try_wait()?.is_none(), "it did not wait: {:?}", waits.wait_with_output());
    let output = ended(waits, GIVEN_UP)?;
    println!("given up after {:?}", began.elapsed());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(said.contains("could not be armed within 60 s"), "{said}");
    // It still waits, in nobody's way, and is the only one of its user: the next one is told so at once.
    assert_eq!(looking(supervisor), 1);
    for _ in 0..3 {
        let output = ended(start(&world, &slow_home, slow)?, USUAL)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("still waiting for a file system that does not answer"), "{output:?}");
        assert_eq!(output.status.code(), Some(122), "{output:?}");
    }
    assert_eq!(looking(supervisor), 1);
    let output = ended(start(&world, &quick_home, other)?, USUAL)?;
    ensure!(output.status.success(), "{output:?}");
    drop(mount);
    ensure!(wait_until(USUAL, || looking(supervisor) == 0), "it looks for ever");
    fs::remove_file(slow_home.join(".ssh"))?;
    let output = ended(start(&world, &slow_home, slow)?, USUAL)?;
    ensure!(output.status.success(), "{output:?}");
    assert_eq!(world.supervisor(), Some(supervisor));
    Ok(())
}
