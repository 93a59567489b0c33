//! Operations that the end of a call does not show, or that no call on a path performs, are noticed all the same.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use end_to_end::attempt::{self, Attempt};
use end_to_end::bypass::{self, Fate};
use end_to_end::pty::Pty;
use end_to_end::scene::{Scene, is_lsm, rows, tells_changes};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const ROW: &str = "What is done is hidden";
const EPERM: i32 = libc::EPERM;

#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// A process that is ended with this.
struct Outside(Child);

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An attempt was refused in the tier `lsm`, and has ended who made it in the other one.
fn is_kept_from(scene: &Scene, way: &Attempt, by: &str) -> Result<Value> {
    let (came, summary, output) = scene.guarded("enforce", std::slice::from_ref(way))?;
    let denial = &summary["denials"][0];
    let fate = if is_lsm(&summary)? {
        assert_eq!(came.get(&way.name), Some(&EPERM), "{output:?} {summary:#}");
        assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"refused".into()), "{summary:#}");
        Fate::Refused
    } else {
        assert_eq!(
            (came.len(), output.status.signal()),
            (0, Some(libc::SIGKILL)),
            "{came:?} {output:?} {summary:#}"
        );
        assert_eq!(
            (&denial["stage"], &denial["fate"]),
            (&"T0".into(), &"happened-and-stopped".into()),
            "{summary:#}"
        );
        Fate::Stopped
    };
    bypass::came(ROW, &way.name, by, fate);
    Ok(summary)
}

/// Whether the last session stands still.
fn stands(world: &World) -> bool {
    let listed = world.run(["sessions", "--json"]).map(|output| output.stdout).unwrap_or_default();
    let listed: Value = serde_json::from_slice(&listed).unwrap_or_default();
    listed.as_array().and_then(|all| all.last()).is_some_and(|session| session["state"] == "frozen")
}

/// Reading an inode from a disk stamps it as a change does: more of them than a call remembers come before what it changes.
#[test]
fn a_walk_along_a_path_hides_nothing_that_a_call_changes() -> Result<()> {
    /// More than `INODES` of the kernel side.
    const DIRECTORIES: usize = 24;
    let scene = Scene::apart(false)?;
    for n in 0..DIRECTORIES {
        let directory = scene.path(&format!("cold-{n}"));
        fs::create_dir(&directory)?;
        // What is not written stays in memory.
        fs::File::open(&directory)?.sync_all()?;
    }
    let cold: String = (0..DIRECTORIES).map(|n| format!("cold-{n}/../")).collect();
    let [from, to] = [scene.path(&format!("{cold}notes.txt")), scene.path(".bash_aliases")];
    let way = &rows([(
        "a file is moved to `~/.bash_aliases`, along a path that is not in memory",
        "rename",
        &[&from, &to],
    )])[0];
    fs::write("/proc/sys/vm/drop_caches", "2")?;
    let over = AtomicBool::new(false);
    let (came, summary, output) = thread::scope(|scope| {
        scope.spawn(|| {
            let stands =
                wait_until(Duration::from_secs(60), || over.load(Ordering::Acquire) || stands(&scene.world));
            stands.then(|| scene.world.run(["stop-session", "last"]))
        });
        let came = scene.guarded("enforce", std::slice::from_ref(way));
        over.store(true, Ordering::Release);
        came
    })?;
    if !tells_changes(&summary)? {
        assert_eq!(came.get(&way.name), Some(&0));
        return Ok(());
    }
    let denial = &summary["denials"][0];
    let told = (&denial["stage"], &denial["op"]);
    assert_eq!(told, (&"T0".into(), &"rename".into()), "{came:?} {output:?} {summary:#}");
    let fate = if is_lsm(&summary)? { Fate::Refused } else { Fate::Stopped };
    assert_eq!(
        denial["fate"],
        if fate == Fate::Refused { "refused" } else { "happened-and-stopped" },
        "{summary:#}"
    );
    assert!(!fs::exists(&to)?, "it is put aside");
    bypass::came(ROW, &way.name, "a user", fate);
    Ok(())
}

#[test]
fn no_socket_is_bound_at_a_closed_place() -> Result<()> {
    let scene = Scene::new(false)?;
    let path = scene.path(".ssh/authorized_keys");
    let way = &rows([("a socket is bound to `~/.ssh/authorized_keys`", "socket", &[&path])])[0];
    let (_, summary, _) =
        scene.guarded("enforce", &rows([("own", "socket", &[&scene.path("projects/app/own")])]))?;
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
    ensure!(fs::metadata(scene.path("projects/app/own"))?.file_type().is_socket());
    if tells_changes(&summary)? {
        is_kept_from(&scene, way, "a user")?;
    }
    Ok(())
}

/// What a thread waits for is no call of its own then, though its registers are those of one.
#[test]
fn a_jewel_is_not_changed_by_a_request_behind_a_call() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let way = "`~/.bashrc` is appended to by a request through io_uring, behind a call to start a program that is not there, in a session that is given a ring";
        let ways = rows([(way, "append-behind-exec", &[&scene.path(".bashrc")])]);
        assert_eq!(scene.free(&ways)?[way], 0, "no test");
        let scene = Scene::new(as_root)?;
        let before = fs::read(scene.path(".bashrc"))?;
        let ways = rows([(way, "append-behind-exec", &[&scene.path(".bashrc")])]);
        let (came, summary, output) = scene.through("enforce", &[], &["--io-uring"], &ways)?;
        assert_eq!(came.get(way), Some(&EPERM), "{output:?} {summary:#}");
        assert_eq!(fs::read(scene.path(".bashrc"))?, before);
        let denial = &summary["denials"][0];
        assert_eq!((&denial["stage"], &denial["fate"]), (&"T0".into(), &"refused".into()), "{summary:#}");
        bypass::came(ROW, way, by, Fate::Refused);
    }
    Ok(())
}

/// The place lies in its caller's memory.
#[test]
fn no_socket_is_bound_at_a_closed_place_by_a_call_of_32_bits() -> Result<()> {
    let scene = Scene::new(false)?;
    let free = scene.path("projects/app/own");
    // A kernel may have no such calls.
    if scene.free(&rows([("free", "socket-narrow", &[&free])]))?["free"] != 0 {
        return Ok(());
    }
    let place = scene.path(".ssh/authorized_keys");
    let name = "a socket is bound to `~/.ssh/authorized_keys` by a system call of 32 bits";
    let (came, summary, output) = scene.guarded("enforce", &rows([(name, "socket-narrow", &[&place])]))?;
    if !tells_changes(&summary)? {
        return Ok(());
    }
    let (fate, told) = match is_lsm(&summary)? {
        true => (Fate::Refused, "refused"),
        false => (Fate::Stopped, "happened-and-stopped"),
    };
    let denial = &summary["denials"][0];
    assert_eq!(
        (&denial["stage"], &denial["fate"]),
        (&"T0".into(), &told.into()),
        "{came:?} {output:?} {summary:#}"
    );
    assert_ne!(came[name], 0);
    bypass::came(ROW, name, "a user", fate);
    Ok(())
}

/// Its user may read what a process leaves of its memory.
#[test]
fn a_process_outside_is_not_made_to_leave_its_memory() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let sleeps = || -> Result<Outside> {
            let mut command = Command::new("sleep");
            command.arg("1000").uid(scene.world.user.id).gid(scene.world.user.id).current_dir("/");
            Ok(Outside(command.stdin(Stdio::null()).spawn()?))
        };
        let mut outside = sleeps()?;
        let way = &rows([(
            "a process outside is made to dump its memory",
            "abort",
            &[&outside.0.id().to_string()],
        )])[0];
        let summary = is_kept_from(&scene, way, by)?;
        let ended = outside.0.try_wait()?.is_some();
        assert_eq!(ended, !is_lsm(&summary)?, "{summary:#}");
        // What leaves no memory may be sent.
        let other = sleeps()?;
        let (came, summary, _) =
            scene.guarded("enforce", &rows([("ends", "kill", &[&other.0.id().to_string()])]))?;
        assert_eq!((came.get("ends"), &summary["denied"]), (Some(&0), &0.into()), "{summary:#}");
    }
    Ok(())
}

#[test]
fn a_terminal_of_somebody_else_is_not_opened() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let mut command = Command::new("sleep");
        command.arg("1000");
        let pty = Pty::start(command)?;
        let terminal = pty.name.display().to_string();
        chown(&terminal, Some(scene.world.user.id), None)?;
        let free = scene.free(&rows([("writes", "write", &[&terminal])]))?;
        ensure!(free["writes"] == 0, "no test: {terminal}");
        for (name, verb) in [
            ("another terminal is opened to be read", "open"),
            ("another terminal is opened to be written", "write"),
        ] {
            is_kept_from(&scene, &rows([(name, verb, &[&terminal])])[0], by)?;
        }
    }
    Ok(())
}

/// A session's own terminal, and those that it makes.
#[test]
fn own_terminals_are_opened() -> Result<()> {
    let scene = Scene::new(false)?;
    let summary = scene.world.path().join("summary.json");
    let mut args =
        scene.world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    let script = "read -r line; t=$(readlink /proc/self/fd/0); : <$t && : >$t && setsid bash -c \": <$t\" && \
                  { ! command -v script >/dev/null || script -qec ': <$(readlink /proc/self/fd/0)' /dev/null; } && \
                  echo \"ALL\"OPEN";
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut pty = Pty::start(scene.world.wardline(args))?;
    chown(&pty.name, Some(scene.world.user.id), None)?;
    pty.send("\n")?;
    pty.expect("ALLOPEN")?;
    pty.finish()?;
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
    Ok(())
}

#[test]
fn the_access_list_of_a_jewel_is_not_changed() -> Result<()> {
    let scene = Scene::new(false)?;
    let key = scene.path(".ssh/id_ed25519");
    let way = &rows([("the access list of a key is changed", "acl", &[&key])])[0];
    let free = scene.free(&rows([("list", "acl", &[&scene.path("notes.txt")])]))?;
    if free["list"] == libc::EOPNOTSUPP {
        println!("skipped: the file system of {key} keeps no access lists");
        return Ok(());
    }
    ensure!(free["list"] == 0, "no test: {free:?}");
    let (_, summary, _) = scene.guarded("enforce", &rows([("null", "write", &["/dev/null"])]))?;
    if tells_changes(&summary)? {
        is_kept_from(&scene, way, "a user")?;
    }
    Ok(())
}

/// A descriptor that may be had, since it is only read by.
#[test]
fn the_mode_of_a_jewel_is_not_changed_by_a_descriptor() -> Result<()> {
    let scene = Scene::new(false)?;
    let (_, summary, _) = scene.guarded(
        "enforce",
        &rows([("own", "fchmod", &[&scene.path("notes.txt")]), ("read", "open", &[&scene.path(".bashrc")])]),
    )?;
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary:#}");
    let way = "the mode of `~/.bashrc` is changed by a descriptor that was opened to read it";
    let mode = || fs::metadata(scene.path(".bashrc")).map(|meta| meta.permissions().mode());
    let before = mode()?;
    is_kept_from(&scene, &rows([(way, "fchmod", &[&scene.path(".bashrc")])])[0], "a user")?;
    assert_eq!(mode()?, before, "it has the permissions again that it had");
    Ok(())
}

/// Whom nothing can refuse it is ended for keeping it secret.
#[test]
fn no_request_opens_in_secret() -> Result<()> {
    let scene = Scene::new(false)?;
    let mut command = Command::new("sleep");
    command.arg("1000").uid(scene.world.user.id).gid(scene.world.user.id);
    let outside = Outside(command.spawn()?);
    let environment = format!("/proc/{}/environ", outside.0.id());
    let way = &rows([(
        "the environment of a process outside is opened by a request that nobody is told of, where the command is not confined",
        "open-silently",
        &[&environment],
    )])[0];
    let free = scene.free(std::slice::from_ref(way))?;
    if free[&way.name] == libc::ENOSYS || free[&way.name] == EPERM {
        println!("skipped: there is no io_uring here");
        return Ok(());
    }
    // Where the command is confined, there is no ring.
    let (came, summary, output) = scene.unconfined("enforce", std::slice::from_ref(way))?;
    let denial = &summary["denials"][0];
    let fate = if is_lsm(&summary)? {
        assert_eq!(denial["fate"], "refused", "{summary:#}");
        Fate::Refused
    } else {
        assert_eq!((came.len(), output.status.signal()), (0, Some(libc::SIGKILL)), "{output:?} {summary:#}");
        assert_eq!(denial["fate"], "happened-and-stopped", "{summary:#}");
        Fate::Stopped
    };
    bypass::came(ROW, &way.name, "a user", fate);
    Ok(())
}
