//! Sockets of delegated authority, processes of the same user, and the supervisor.

use super::EPERM;
use anyhow::{Context, Result};
use end_to_end::attempt::Attempt;
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{Came, Scene, assert_denials, has_domains, is_lsm, kernel, rows};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Headings and ways of the page.
const LIMITED: &str = "its limits are set by `prlimit`, by which it leaves its memory in a core dump";
const SAMPLED: &str = "its registers and stack are sampled by `perf_event_open`";
const ENVIRONMENT: &str = "its environment is opened";
const MEMORY: &str = "its memory is read by `process_vm_readv`";
const DESCRIPTOR: &str = "a descriptor is taken by `pidfd_getfd`";
const UNCONFINED: &str = "where the command is not confined";
const INTO: &str = "A process of the same user outside is reached into";
const OUTSIDE: &str = "Somebody outside is reached";
const SUPERVISOR: &str = "the supervisor is killed (and every session with it)";
const AGENT: &str = "a connection to the ssh-agent in `SSH_AUTH_SOCK`";
/// Ways to have one connection in two processes, and what they are called.
const SHARED: [(&str, &str); 2] = [
    ("inherited", "the same, by a socket that a child of the session has as well"),
    ("table", "the same, by a process that shares its descriptors with another one"),
];

#[test]
fn an_agents_socket_is_not_connected_to() -> Result<()> {
    let scene = Scene::new(false)?;
    let socket = scene.world.path().join("agent.sock");
    let listener = UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
    let connect = rows([("connect", "connect", &[socket.to_str().context("path")?])]);
    assert_eq!(scene.free(&connect)?["connect"], 0);
    listener.accept()?;
    let (came, summary, output) = scene.guarded("enforce", &connect)?;
    if is_lsm(&summary)? {
        assert_eq!(came["connect"], EPERM);
        assert!(listener.accept().is_err(), "a connection was made");
        bypass::came(OUTSIDE, AGENT, "a user", Fate::Refused);
        return assert_denials(&summary, 1);
    }
    assert_eq!((came.len(), output.status.signal()), (0, Some(libc::SIGKILL)), "{output:?}");
    let denial = &summary["denials"][0];
    assert_eq!((&denial["stage"], &denial["means"]), (&"T0".into(), &"kill".into()), "{summary}");
    bypass::came(OUTSIDE, AGENT, "a user", Fate::Stopped);
    Ok(())
}

/// Answers what it is asked, and counts that.
fn answering(listener: UnixListener) -> Result<Arc<AtomicUsize>> {
    listener.set_nonblocking(false)?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            while stream.read(&mut [0; 1]).is_ok_and(|read| read == 1) {
                counts.fetch_add(1, Ordering::SeqCst);
                // Who asked may be gone.
                let _ = stream.write_all(b"y");
            }
        }
    });
    Ok(asked)
}

/// Where it cannot be refused, who else has the connection may send once by it in that instant, and is seldom answered.
#[test]
fn an_agents_socket_is_of_no_use_to_who_shares_it() -> Result<()> {
    for (how, name) in SHARED {
        let scene = Scene::new(false)?;
        let socket = scene.world.path().join("agent.sock");
        let asked = answering(UnixListener::bind(&socket)?)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
        let share = rows([(name, "share", &[how, socket.to_str().context("path")?])]);
        assert_eq!(scene.free(&share)?, [("answered".to_owned(), 0), (name.to_owned(), 0)].into());
        assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
        let (mut came, mut summary, mut output) = scene.guarded("enforce", &share)?;
        // Before the call has returned, another process may have been quicker, and be over.
        for _ in 0..5 {
            if came.len() != 1 || is_lsm(&summary)? {
                break;
            }
            asked.store(0, Ordering::SeqCst);
            (came, summary, output) = scene.guarded("enforce", &share)?;
        }
        if is_lsm(&summary)? {
            assert_eq!((came, asked.load(Ordering::SeqCst)), ([(name.to_owned(), EPERM)].into(), 0));
            bypass::came(OUTSIDE, name, "a user", Fate::Refused);
            assert_denials(&summary, 1)?;
            continue;
        }
        assert_eq!((came.len(), output.status.signal()), (0, Some(libc::SIGKILL)), "{output:?} {summary:#}");
        assert!(asked.load(Ordering::SeqCst) <= 1, "{asked:?} {summary:#}");
        assert_eq!(summary["verdict"], "kill", "{summary:#}");
        let denial = &summary["denials"][0];
        assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"happened-and-stopped".into()));
        assert!(summary["notes"].to_string().contains("may have as well"), "{summary:#}");
        bypass::came(OUTSIDE, name, "a user", Fate::Stopped);
    }
    Ok(())
}

/// A process that ends with its scope.
struct Outside(Child);

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Outside {
    /// One of the session's user, which waits.
    fn new(scene: &Scene) -> Result<Outside> {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::piped()).uid(scene.world.user.id).gid(scene.world.user.id);
        Ok(Outside(command.spawn()?))
    }
}

/// A 64-bit process can make the 32-bit calls, which have numbers of their own.
#[test]
fn a_process_outside_is_limited_by_no_32_bit_call() -> Result<()> {
    let scene = Scene::new(false)?;
    let outside = Outside::new(&scene)?;
    let limited = rows([("limits", "reach", &["narrow-limits", &*outside.0.id().to_string()])]);
    let own = rows([("own child's limits", "reach", &["narrow-limits", "own"])]);
    assert_eq!(scene.free(&limited)?["limits"], 0, "no test: it fails without a guard");
    let (came, summary, output) = scene.guarded("enforce", &own)?;
    assert_eq!((came["own child's limits"], &summary["denied"]), (0, &0.into()), "{output:?} {summary:#}");
    let (came, summary, output) = scene.guarded("enforce", &limited)?;
    if is_lsm(&summary)? {
        assert_eq!(came["limits"], EPERM, "{summary:#}");
        return assert_denials(&summary, 1);
    }
    assert_eq!((came.len(), output.status.signal()), (0, Some(libc::SIGKILL)), "{output:?} {summary:#}");
    let denial = &summary["denials"][0];
    let told = (&denial["stage"], &denial["means"], &denial["fate"]);
    assert_eq!(told, (&"T0".into(), &"kill".into(), &"happened-and-stopped".into()), "{summary:#}");
    Ok(())
}

/// Where it cannot be refused it has happened, and who did it ends with the call.
#[test]
fn a_process_outside_is_not_reached_into() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let outside = Outside::new(&scene)?;
        let input = outside.0.stdin.as_ref().context("no pipe")?;
        std::os::unix::fs::fchown(input, Some(scene.world.user.id), None)?;
        let pid = &*outside.0.id().to_string();
        let reaches = rows([
            (ENVIRONMENT, "open", &[&format!("/proc/{pid}/environ")]),
            ("its memory is opened to be written", "write", &[&format!("/proc/{pid}/mem")]),
            (MEMORY, "reach", &["memory", pid]),
            (DESCRIPTOR, "reach", &["descriptor", pid]),
            ("it is traced", "reach", &["trace", pid]),
            ("what it reads as its input is opened to be written", "write", &[&format!("/proc/{pid}/fd/0")]),
        ]);
        // Root of a machine may be without the right to it.
        let limited = rows([(LIMITED, "reach", &["limits", pid])]).into_iter().filter(|_| !as_root);
        let reaches: Vec<_> = reaches.into_iter().chain(limited).collect();
        // Debian lets no user sample anything.
        let sampled = rows([(SAMPLED, "reach", &["sample", pid])]);
        let sampled: Vec<_> = sampled.into_iter().filter(|_| as_root).collect();
        let ordinary = rows([
            ("own environment", "open", &["/proc/self/environ"]),
            ("status", "open", &[&format!("/proc/{pid}/status")]),
            ("own memory", "reach", &["memory", "own"]),
            ("own child", "reach", &["trace", "own"]),
            ("own child's limits", "reach", &["limits", "own"]),
            ("own other thread's limits", "reach", &["thread-limits", "own"]),
            ("own child's registers", "reach", &["sample", "own"]),
            ("own pipe", "reach", &["pipe", "own"]),
            ("own parent's pipe", "reach", &["parents-pipe", "own"]),
        ]);
        let ordinary: Vec<_> =
            ordinary.into_iter().filter(|way| as_root || !way.name.contains("registers")).collect();
        for (name, errno) in scene.free(&[ordinary.clone(), reaches.clone(), sampled.clone()].concat())? {
            assert_eq!(errno, 0, "no test: {name} fails without a guard");
        }
        let (came, summary, output) = scene.guarded("enforce", &ordinary)?;
        assert!(
            came.len() == ordinary.len() && came.values().all(|errno| *errno == 0),
            "{came:?} {output:?} {summary:#}"
        );
        if is_lsm(&summary)? {
            let (came, summary, _) = scene.guarded("enforce", &reaches)?;
            for (name, errno) in &came {
                // The kernel makes EACCES of what refuses access to memory.
                assert!([EPERM, libc::EACCES].contains(errno), "{name}, by {by}: {errno}");
                bypass::came(INTO, name, by, Fate::Refused);
            }
            assert_eq!(came.len(), reaches.len());
            assert_denials(&summary, reaches.len())?;
        }
        // Root's right to sample asks no hook.
        if is_lsm(&summary)? {
            are_stopped(&scene, &sampled, by, Scene::guarded)?;
            continue;
        }
        let (kept, stopped): (Vec<_>, Vec<_>) =
            reaches.into_iter().partition(|reach| is_kept(&reach.name, as_root));
        for way in &kept {
            let (came, summary, output) = scene.guarded("enforce", std::slice::from_ref(way))?;
            let errno =
                came.get(&way.name).with_context(|| format!("{}: {output:?} {summary:#}", way.name))?;
            assert!([EPERM, libc::EACCES].contains(errno), "{}, by {by}: {errno}", way.name);
            // A file in `/proc` that cannot be opened is one of many, and tracing fails for many a reason.
            let told = [MEMORY, DESCRIPTOR].contains(&&*way.name);
            let denied = (&summary["denied"], &summary["stopped"]);
            assert_eq!(denied, (&u32::from(told).into(), &0.into()), "{}: {summary:#}", way.name);
            let denial = &summary["denials"][0];
            let said = (&denial["stage"], &denial["means"], &denial["fate"]);
            let right = (&"T0".into(), &"confinement".into(), &"refused".into());
            assert!(!told || said == right, "{}: {summary:#}", way.name);
            bypass::came(INTO, &way.name, by, Fate::Refused);
        }
        are_stopped(&scene, &[stopped, sampled].concat(), by, Scene::guarded)?;
        are_stopped(&scene, &unconfined(&kept), by, Scene::unconfined)?;
    }
    Ok(())
}

/// Whether a session of the tier `tracepoint` is kept from it by its domain.
fn is_kept(name: &str, as_root: bool) -> bool {
    // There, who may watch the performance of everything may read what lies in any process, whatever modules say.
    let by_right = as_root && kernel() >= (6, 13) && name == ENVIRONMENT;
    has_domains() && name != LIMITED && !by_right
}

/// The same, where the client could not confine the command.
fn unconfined(ways: &[Attempt]) -> Vec<Attempt> {
    ways.iter().map(|way| way.called(&format!("{}, {UNCONFINED}", way.name))).collect()
}

/// Each happens, and ends who does it.
fn are_stopped(
    scene: &Scene,
    ways: &[Attempt],
    by: &str,
    session: fn(&Scene, &str, &[Attempt]) -> Result<Came>,
) -> Result<()> {
    for way in ways.chunks(1) {
        let (came, summary, output) = session(scene, "enforce", way)?;
        let ended = (came.len(), output.status.signal());
        assert_eq!(ended, (0, Some(libc::SIGKILL)), "{}: {output:?} {summary:#}", way[0].name);
        let denial = &summary["denials"][0];
        let told = (&denial["stage"], &denial["means"], &denial["fate"]);
        assert_eq!(told, (&"T0".into(), &"kill".into(), &"happened-and-stopped".into()), "{summary:#}");
        bypass::came(INTO, &way[0].name, by, Fate::Stopped);
    }
    Ok(())
}

/// Where the signal cannot be refused, the supervisor's end is the session's.
#[test]
fn root_inside_does_not_end_the_supervisor() -> Result<()> {
    let scene = Scene::new(true)?;
    let (_, summary, _) = scene.guarded("enforce", &rows([("null", "write", &["/dev/null"])]))?;
    let supervisor = scene.world.supervisor().context("no supervisor")?;
    let kill = rows([("kill", "kill", &[&supervisor.to_string()]), ("wait", "wait", &["5"])]);
    if is_lsm(&summary)? {
        let (came, summary, _) = scene.guarded("enforce", &kill[..1])?;
        assert_eq!(came["kill"], EPERM);
        assert_eq!(scene.world.supervisor(), Some(supervisor));
        bypass::came(OUTSIDE, SUPERVISOR, "root", Fate::Refused);
        return assert_denials(&summary, 1);
    }
    fs::remove_file(scene.world.path().join("summary.json"))?;
    let lost = scene.guarded("enforce", &kill);
    let said = format!("{lost:?}");
    assert!(lost.is_err() && said.contains("the supervisor ended"), "{said}");
    bypass::came(OUTSIDE, SUPERVISOR, "root", Fate::Stopped);
    Ok(())
}
