//! A process outside sessions is never refused by an error, and never waits: not for the questions of a session, however
//! many, and not for a supervisor that stands still. Tier `tracepoint`: the other one asks nobody.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::can_refuse;
use end_to_end::stopped::{signal, stop};
use end_to_end::{World, is_alive, wait_until};
use rustix::process::Signal;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What is started in a session again: this program, told by this what to do there.
const INSIDE: &str = "WARDLINE_TEST_INSIDE";
/// The heading of the page.
const OTHERS: &str = "Others are kept waiting, or refused what is theirs";
const SECRET: &str = "the key that nobody reads";
const SOON: Duration = Duration::from_secs(60);
/// Threads of a session that ask all the time.
const THREADS: usize = 500;
/// Half of the supervisor's own patience for who stands still, and far above what an answer takes.
const AT_ONCE: Duration = Duration::from_millis(500);
/// How long a supervisor is stopped at most, whatever becomes of the test.
const STOPPED: Duration = Duration::from_secs(5);

#[test]
fn programs() -> Result<()> {
    let Some(what) = std::env::var_os(INSIDE) else { return Ok(()) };
    let home = PathBuf::from(std::env::var_os("HOME").context("HOME")?);
    let say = |name: &str, text: &str| {
        fs::write(format!("{name}.new"), text).and_then(|()| fs::rename(format!("{name}.new"), name))
    };
    match what.to_str().context("what")? {
        "flood" => {
            let key = Arc::new(home.join(".ssh/id_ed25519"));
            for n in 0..THREADS {
                let key = Arc::clone(&key);
                thread::Builder::new().stack_size(1 << 16).spawn(move || {
                    if n % 2 == 0 {
                        schedule(libc::SCHED_IDLE, 0);
                    }
                    while File::open(&*key).is_err() {}
                })?;
            }
            // Who is idle asks, and does not get to sleep.
            for _ in 0..2 {
                thread::spawn(|| while !std::hint::black_box(false) {});
            }
            thread::sleep(Duration::from_secs(1));
            say("ready", "")?;
            thread::sleep(Duration::from_secs(120));
        }
        "lease" => {
            let mut told = String::new();
            let mut held = Vec::new();
            for path in [".gitconfig", ".claude/hooks/later.sh"] {
                let file = File::open(home.join(path))?;
                // SAFETY: a call on an open descriptor, with integers.
                let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
                let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
                told.push_str(&format!("{path} {}\n", if taken == 0 { 0 } else { errno }));
                held.push(file);
            }
            // SAFETY: the handler is the system's own.
            unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
            say("ready", &told)?;
            thread::sleep(Duration::from_secs(120));
        }
        other => anyhow::bail!("no such program: {other}"),
    }
    Ok(())
}

fn schedule(policy: i32, priority: i32) {
    let priority = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is whole, and lives until the call returns.
    unsafe { libc::sched_setscheduler(0, policy, &priority) };
}

/// A world with a key and a start-up file.
fn world() -> Result<World> {
    let world = World::new()?;
    for (path, content) in
        [(".ssh/id_ed25519", SECRET), (".gitconfig", "[user]\n"), (".claude/hooks/early.sh", "#\n")]
    {
        world.write(&world.home().join(path), content)?;
    }
    Ok(world)
}

/// Starts this program in an enforced session, and waits until it says that it is ready.
fn inside(world: &World, what: &str) -> Result<Child> {
    let program = world.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(
        [&program.display().to_string(), "--exact", "programs", "--test-threads=1"].map(str::to_owned),
    );
    let mut command = world.wardline(args);
    command.env(INSIDE, what).env("HOME", world.home()).stdout(Stdio::null()).stderr(Stdio::null());
    let client = command.spawn()?;
    ensure!(
        wait_until(SOON, || world.workspace().join("ready").exists()),
        "the session of `{what}` does not run"
    );
    Ok(client)
}

/// A session that tries to read the key, again and again.
fn reader(world: &World) -> Result<Child> {
    let script = "while :; do cat ~/.ssh/id_ed25519 >>read 2>/dev/null; echo . >>tries; sleep 0.02; done";
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut command = world.wardline(args);
    let client = command.env("HOME", world.home()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    ensure!(wait_until(SOON, || world.workspace().join("tries").exists()), "the session does not run");
    Ok(client)
}

/// Reads as somebody outside; how long the open took.
fn open(path: &Path) -> Result<Duration> {
    let asked = Instant::now();
    File::open(path).with_context(|| format!("{} for somebody outside", path.display()))?;
    Ok(asked.elapsed())
}

fn end(mut client: Child) -> Result<()> {
    client.kill()?;
    client.wait()?;
    Ok(())
}

/// A process that stands still, for some seconds at most: everybody may wait for it.
struct Stopped {
    pid: u32,
    over: Arc<AtomicBool>,
}

impl Stopped {
    fn new(pid: u32) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&over);
        thread::spawn(move || {
            let until = Instant::now() + STOPPED;
            while Instant::now() < until && !watched.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = signal(pid, Signal::CONT);
        });
        let stopped = Self { pid, over };
        stop(pid)?;
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = signal(self.pid, Signal::CONT);
        self.over.store(true, Ordering::Release);
    }
}

/// The doorkeeper of a supervisor.
fn doorkeeper(world: &World) -> Option<u32> {
    let supervisor = world.supervisor()?;
    let tasks = fs::read_dir(format!("/proc/{supervisor}/task")).ok()?.flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<u32> = children
        .flat_map(|line| line.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>())
        .collect();
    pids.into_iter().find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == b"doorkeeper") && is_alive(*pid)
    })
}

fn asks_nobody() -> bool {
    if can_refuse() {
        println!("skipped: tier lsm refuses by itself, and asks nobody");
    }
    can_refuse()
}

#[test]
fn no_flood_of_questions_makes_others_wait() -> Result<()> {
    if asks_nobody() {
        return Ok(());
    }
    let world = world()?;
    let client = inside(&world, "flood")?;
    // What is measured is the guard, and not who gets a processor.
    let key = world.home().join(".ssh/id_ed25519");
    let measured = thread::spawn(move || -> Result<Vec<Duration>> {
        schedule(libc::SCHED_FIFO, 1);
        let mut took = Vec::new();
        for n in 0..1000 {
            took.push(open(if n % 2 == 0 { Path::new("/etc/shadow") } else { &key })?);
            thread::sleep(Duration::from_millis(2));
        }
        took.sort_unstable();
        Ok(took)
    });
    let took = measured.join().map_err(|_| anyhow::anyhow!("panicked"))??;
    end(client)?;
    let [p50, p99, max] = [499, 989, 999].map(|at| took[at]);
    println!("p50 {p50:?}, p99 {p99:?}, max {max:?}");
    ensure!(p99 < Duration::from_millis(10), "p50 {p50:?}, p99 {p99:?}, max {max:?}");
    bypass::came(
        OTHERS,
        "500 threads of a session ask for marked files all the time, half of them idle",
        "a user",
        Fate::Refused,
    );
    Ok(())
}

#[test]
fn a_supervisor_that_stands_still_stops_nobody_outside_and_lets_nobody_in() -> Result<()> {
    let world = world()?;
    let client = reader(&world)?;
    let key = world.home().join(".ssh/id_ed25519");
    let stopped = Stopped::new(world.supervisor().context("no supervisor")?)?;
    let since = Instant::now();
    let mut longest = Duration::ZERO;
    while since.elapsed() < Duration::from_secs(2) {
        for path in [Path::new("/etc/shadow"), &key] {
            longest = longest.max(open(path)?);
        }
        thread::sleep(Duration::from_millis(20));
    }
    drop(stopped);
    ensure!(longest < AT_ONCE, "somebody outside waited {longest:?}");
    bypass::came(OTHERS, "the supervisor stands still", "a user", Fate::Refused);
    assert_eq!(fs::read_to_string(world.workspace().join("read"))?, "");
    end(client)
}

#[test]
fn a_doorkeeper_that_is_stopped_goes_on_and_one_that_is_killed_has_a_successor() -> Result<()> {
    if asks_nobody() {
        return Ok(());
    }
    let world = world()?;
    let client = reader(&world)?;
    let key = world.home().join(".ssh/id_ed25519");
    let first = doorkeeper(&world).context("no doorkeeper")?;
    let stopped = Stopped::new(first)?;
    let took = open(&key)?;
    ensure!(took < Duration::from_secs(2), "somebody outside waited {took:?}");
    drop(stopped);

    signal(first, Signal::KILL)?;
    let took = open(&key)?;
    ensure!(took < Duration::from_secs(2), "somebody outside waited {took:?}");
    ensure!(wait_until(SOON, || doorkeeper(&world).is_some_and(|pid| pid != first)), "no successor");
    // The session goes on, and gets nothing.
    let tries = || fs::metadata(world.workspace().join("tries")).map_or(0, |meta| meta.len());
    let before = tries();
    ensure!(wait_until(SOON, || tries() > before + 10), "the session stands still");
    assert_eq!(fs::read_to_string(world.workspace().join("read"))?, "");
    end(client)?;
    let again =
        world.run_script("enforce", &["--quiet"], "cat $HOME/.ssh/id_ed25519 2>/dev/null; echo code=$?")?;
    assert_eq!(String::from_utf8_lossy(&again.stdout), "code=1\n", "{again:?}");
    Ok(())
}

#[test]
fn a_lease_of_a_session_refuses_nobody_their_own_file() -> Result<()> {
    if asks_nobody() {
        return Ok(());
    }
    let world = world()?;
    // The session is there before the second file is.
    let waits = reader(&world)?;
    world.write(&world.home().join(".claude/hooks/later.sh"), "#\n")?;
    let client = inside(&world, "lease")?;
    let told = fs::read_to_string(world.workspace().join("ready"))?;
    // What has a mark of its own takes no write lease.
    assert!(told.starts_with(&format!(".gitconfig {}\n", libc::EAGAIN)), "{told}");
    let took = open(&world.home().join(".gitconfig"))?;
    ensure!(took < AT_ONCE, "{took:?}");
    // Below a directory that has one, the holder ends.
    let later = world.home().join(".claude/hooks/later.sh");
    ensure!(
        wait_until(Duration::from_secs(20), || open(&later).is_ok()),
        "refused for as long as the lease is held: {told}"
    );
    bypass::came(OTHERS, "a session has a write lease on a file that has a mark", "a user", Fate::Refused);
    end(client)?;
    end(waits)
}

#[test]
fn all_sessions_share_one_group_of_marks() -> Result<()> {
    if asks_nobody() {
        return Ok(());
    }
    let world = world()?;
    let clients = [reader(&world)?, reader(&world)?, reader(&world)?];
    let listed = || -> Result<usize> {
        let listed: serde_json::Value = serde_json::from_slice(&world.run(["sessions", "--json"])?.stdout)?;
        let all = listed.as_array().cloned().unwrap_or_default();
        Ok(all.iter().filter(|one| one["state"] == "running").count())
    };
    ensure!(wait_until(SOON, || listed().is_ok_and(|running| running == 3)), "{:?}", listed());
    let groups = |pid: u32| -> Result<usize> {
        let fds = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
        let links = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
        Ok(links.filter(|link| link.to_string_lossy() == "anon_inode:[fanotify]").count())
    };
    assert_eq!(groups(world.supervisor().context("no supervisor")?)?, 1);
    // A session that ends takes its marks along, and nobody else's.
    let [one, two, three] = clients;
    end(one)?;
    end(two)?;
    ensure!(wait_until(SOON, || listed().is_ok_and(|running| running == 1)), "{:?}", listed());
    let before = fs::metadata(world.workspace().join("tries"))?.len();
    thread::sleep(Duration::from_millis(500));
    assert!(fs::metadata(world.workspace().join("tries"))?.len() > before);
    assert_eq!(fs::read_to_string(world.workspace().join("read"))?, "");
    end(three)
}
