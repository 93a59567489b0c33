//! What a session does not change, reach or end: the places of jewels, sockets of delegated authority, processes
//! outside of it, the supervisor.

use anyhow::{Context, Result};
use end_to_end::World;
use end_to_end::attempt::{self, Attempt, Outcomes};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{Came, Scene, assert_denials, has_domains, is_lsm, kernel, rows, tells_changes};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const EPERM: i32 = libc::EPERM;
/// Headings and ways of the page.
const LIMITED: &str = "its limits are set by `prlimit`, by which it leaves its memory in a core dump";
const SAMPLED: &str = "its registers and stack are sampled by `perf_event_open`";
const ENVIRONMENT: &str = "its environment is opened";
const MEMORY: &str = "its memory is read by `process_vm_readv`";
const DESCRIPTOR: &str = "a descriptor is taken by `pidfd_getfd`";
const TRACED: &str = "it is traced";
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
const OVERLAYS: [(&str, &str); 2] = [
    (
        "a program is put into `~/.config/autostart` through an overlay of `~/.config`",
        "autostart/evil.desktop",
    ),
    ("one is put into `~/.config/systemd/user`, which was not there", "systemd/user/evil.service"),
];

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Changes of the jewels' places. Where LSM programs are to be had none of them does anything.
#[test]
fn nothing_of_a_jewel_is_changed() -> Result<()> {
    let changes = |scene: &Scene| {
        let p = |path: &str| scene.path(path);
        let (key, directory, new) = (&*p(".ssh/id_ed25519"), &*p(".ssh"), &*p(".ssh/new"));
        let settings = &*p(".claude/settings.json");
        rows([
            ("its permissions are changed", "chmod", &[key]),
            ("those of its directory are", "chmod", &[directory]),
            ("an attribute of its neighbour is set", "setxattr", &[&p(".ssh/config")]),
            ("a hard link is made beside it", "link", &[&p("notes.txt"), &p(".ssh/linked")]),
            ("a symbolic link is made beside it", "symlink", &["/etc/passwd", &p(".ssh/pointer")]),
            ("a directory is made beside it", "mkdir", &[&p(".ssh/directory")]),
            ("`~/.ssh/authorized_keys` is made", "create", &[&p(".ssh/authorized_keys")]),
            ("a file is moved beside it", "rename", &[&p("projects/app/main.txt"), new]),
            ("`~/.ssh/config` gets another name", "rename", &[&p(".ssh/config"), &p(".ssh/renamed")]),
            ("it is moved away", "rename", &[key, &p("out")]),
            ("a hard link to it gets another one", "link", &[&p("old-link"), &p("another-link")]),
            ("it is cut by its path", "truncate", &[&p("old-link")]),
            ("a hard link to it is removed", "unlink", &[&p("old-link")]),
            ("`~/.bashrc` is appended to", "append", &[&p(".bashrc")]),
            ("`~/.bashrc` is replaced", "rename", &[&p("notes.txt"), &p(".bashrc")]),
            ("`~/.claude/settings.json` is made", "create", &[settings]),
            ("`~/.claude/settings.json` is put there by rename", "rename", &[&p(".claude/notes"), settings]),
        ])
    };
    // These are refused in every tier.
    let opens = ["`~/.ssh/authorized_keys` is made", "`~/.bashrc` is appended to"];
    for as_root in [false, true] {
        let scene = Scene::new(as_root)?;
        for (name, errno) in scene.free(&changes(&scene))? {
            // There is none on every kernel's tmpfs.
            let missing = name == "an attribute of its neighbour is set" && errno == libc::EOPNOTSUPP;
            assert!(errno == 0 || missing, "no test: {name} fails without a guard: {errno}");
        }
        drop(scene);
        let scene = Scene::new(as_root)?;
        through_an_overlay(&scene, as_root)?;
        let state = || -> Result<_> {
            Ok((scene.keys()?, listing(&scene.path(""))?, listing(&scene.path(".claude"))?))
        };
        let before = state()?;
        let all = changes(&scene);
        let refused = |came: &Outcomes, of: &[Attempt], output: &Output| -> Result<()> {
            for change in of {
                let errno = *came.get(&change.name).with_context(|| format!("{output:?}"))?;
                assert_eq!(errno, EPERM, "{}", change.name);
                let by = if as_root { "root" } else { "a user" };
                bypass::came("A jewel is changed", &change.name, by, Fate::Refused);
            }
            Ok(())
        };
        let of_opens: Vec<Attempt> =
            all.iter().filter(|change| opens.contains(&change.name.as_str())).cloned().collect();
        let (came, summary, output) = scene.guarded("enforce", &of_opens)?;
        refused(&came, &of_opens, &output)?;
        if is_lsm(&summary)? {
            let (came, _, output) = scene.guarded("enforce", &all)?;
            refused(&came, &all, &output)?;
            assert_eq!(state()?, before);
            assert_eq!(fs::read_to_string(scene.path(".bashrc"))?, "plain\n");
        } else if tells_changes(&summary)? {
            // Who changed a jewel by its path where that cannot be refused has changed it, and is stopped.
            let (_, summary, _) = scene.guarded("enforce", &all[..1])?;
            assert!(summary["t0_hits"].as_u64().is_some_and(|hits| hits > 0), "{summary}");
        }
        assert_denials(&summary, opens.len())?;
    }
    Ok(())
}

/// What an overlay shows of a directory is that directory.
fn through_an_overlay(scene: &Scene, as_root: bool) -> Result<()> {
    let by = if as_root { "root" } else { "a user" };
    let config = scene.path(".config");
    for path in [config.clone(), format!("{config}/autostart")] {
        fs::create_dir_all(&path)?;
        chown(&path, Some(scene.world.user.id), Some(scene.world.user.id))?;
    }
    let create = |way: &str, name: &str| rows([(way, "overlay-create", &[&config, name])]);
    assert_eq!(scene.free(&create("free", "other/free.desktop"))?["free"], 0);
    assert_eq!(fs::read_to_string(format!("{config}/other/free.desktop"))?, "made\n");
    for (way, name) in OVERLAYS {
        let (came, summary, output) = scene.guarded("enforce", &create(way, name))?;
        let made = fs::read_to_string(format!("{config}/{name}"));
        let denial = &summary["denials"][0];
        assert_eq!(denial["stage"], "T0", "{output:?} {summary:#}");
        if is_lsm(&summary)? {
            assert_eq!(came.get(way), Some(&EPERM), "{output:?}");
            assert!(made.is_err(), "{made:?}");
            bypass::came("A jewel is changed", way, by, Fate::Refused);
            continue;
        }
        assert_ne!(came.get(way), Some(&0), "{output:?} {summary:#}");
        assert_eq!(made.unwrap_or_default(), "", "{output:?} {summary:#}");
        bypass::came("A jewel is changed", way, by, Fate::Stopped);
    }
    Ok(())
}

/// People keep what lies in their home somewhere else, and link to it: the whole directory, or the file.
#[test]
fn a_jewel_behind_links_is_one() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let kept =
        ["bashrc", "git/config", "claude/settings.json", "codex.toml", "opencode/opencode.json", "keys/work"];
    world.write(&home.join("dotfiles/ssh"), "Host box\n")?;
    for path in kept {
        world.write(&home.join("dotfiles").join(path), "plain\n")?;
    }
    fs::create_dir_all(home.join(".config"))?;
    fs::create_dir_all(home.join(".codex"))?;
    fs::create_dir_all(home.join(".ssh"))?;
    let links = [
        (".bashrc", "dotfiles/bashrc"),
        (".config/git", "../dotfiles/git"),
        (".claude", "dotfiles/claude"),
        (".codex/config.toml", "../dotfiles/codex.toml"),
        (".config/opencode", "../dotfiles/opencode"),
        (".ssh/id_ed25519", "../dotfiles/keys/work"),
        (".ssh/config", "../dotfiles/ssh"),
    ];
    for (link, to) in links {
        symlink(to, home.join(link))?;
    }
    let script = format!(
        "cd '{}'; for file in {}; do bash -c \"echo evil >>dotfiles/$file\"; done; cat dotfiles/keys/work; \
         for file in .bashrc .config/git/config .claude/settings.json .claude/settings.local.json .codex/config.toml \
         .config/opencode/opencode.json .ssh/id_ed25519; do bash -c \"echo evil >>$file\"; done; echo fine >dotfiles/other; \
         cat .ssh/config; echo went on",
        home.display(),
        kept.join(" ")
    );
    let output = world.run_script("enforce", &["--quiet"], &script)?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Host box\nwent on\n", "{output:?}");
    for path in kept {
        assert_eq!(fs::read_to_string(home.join("dotfiles").join(path))?, "plain\n", "{path}: {output:?}");
    }
    // Where the file is made before it is refused, it stays empty.
    let made = fs::read_to_string(home.join("dotfiles/claude/settings.local.json")).unwrap_or_default();
    assert_eq!((made.as_str(), fs::read_to_string(home.join("dotfiles/other"))?.as_str()), ("", "fine\n"));
    Ok(())
}

/// Programs look for parts of the home where variables say: what is a jewel in the home is one there.
#[test]
fn a_jewel_that_a_variable_names_is_one() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let moved = home.join("moved");
    let (write, read) = (
        ["zsh/.zshrc", "config/git/config", "claude/settings.json", "codex/config.toml"],
        ["npmrc", "kube-two"],
    );
    for path in write.into_iter().chain(read) {
        world.write(&moved.join(path), "_authToken=THE-TOKEN\n")?;
    }
    let at = |path: &str| moved.join(path).display().to_string();
    let script = format!(
        "cd '{}'; for file in {}; do bash -c \"echo evil >>$file\"; done; cat {}; echo fine >>config/other; \
         echo fine >>zsh/.zlogin; cat config/other; echo went on",
        moved.display(),
        write.join(" "),
        read.join(" ")
    );
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash", "-c", &script].map(str::to_owned));
    let output = world
        .wardline(args)
        .env("ZDOTDIR", at("zsh"))
        .env("XDG_CONFIG_HOME", at("config"))
        .env("CLAUDE_CONFIG_DIR", at("claude"))
        .env("CODEX_HOME", at("codex"))
        .env("NPM_CONFIG_USERCONFIG", at("npmrc"))
        .env("KUBECONFIG", format!("{}:{}", at("kube-one"), at("kube-two")))
        // What is nobody's to close stays open, whatever a variable says.
        .env("DOCKER_CONFIG", "/etc")
        .env("AZURE_CONFIG_DIR", &home)
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "fine\nwent on\n", "{output:?}");
    for path in write {
        assert_eq!(fs::read_to_string(moved.join(path))?, "_authToken=THE-TOKEN\n", "{path}: {output:?}");
    }
    assert_eq!(fs::read_to_string(moved.join("zsh/.zlogin")).unwrap_or_default(), "", "{output:?}");
    Ok(())
}

/// Names in a directory.
fn listing(path: &str) -> Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

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

/// Where it cannot be refused it has happened, and who did it ends with the call.
#[test]
fn a_process_outside_is_not_reached_into() -> Result<()> {
    for (as_root, by) in [(false, "a user"), (true, "root")] {
        let scene = Scene::new(as_root)?;
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::piped()).uid(scene.world.user.id).gid(scene.world.user.id);
        let outside = Outside(command.spawn()?);
        let input = outside.0.stdin.as_ref().context("no pipe")?;
        std::os::unix::fs::fchown(input, Some(scene.world.user.id), None)?;
        let pid = &*outside.0.id().to_string();
        let reaches = rows([
            (ENVIRONMENT, "open", &[&format!("/proc/{pid}/environ")]),
            ("its memory is opened to be written", "write", &[&format!("/proc/{pid}/mem")]),
            (MEMORY, "reach", &["memory", pid]),
            (DESCRIPTOR, "reach", &["descriptor", pid]),
            (TRACED, "reach", &["trace", pid]),
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
            // What names a process by a call is told, and a file in `/proc` that cannot be opened is one of many.
            let told = [MEMORY, DESCRIPTOR, TRACED].contains(&&*way.name);
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

/// An agent's own sandbox makes file systems in memory, which no baseline can know: what lies there is the session's own.
/// To start a program from there is refused, but where the baseline has learned that its sessions change what is mounted
/// on `/`, which is seen in tier `lsm`: what lies in no known place is then open as a whole.
#[test]
fn a_sandbox_uses_what_it_made() -> Result<()> {
    const SANDBOX: &str = "unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c '\
        mount -t tmpfs made /mnt && echo kept > /mnt/a && cat /mnt/a && grep -c Name: /proc/self/status; \
        cp /bin/true /mnt/program && /mnt/program; echo code=$?'";
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    for _ in 0..4 {
        let output = world.run_script("record", &more, SANDBOX)?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "kept\n1\ncode=0\n", "{output:?}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let output = world.run_script("enforce", &more, SANDBOX)?;
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if is_lsm(&summary)? {
        assert_eq!((said.as_str(), &summary["denied"]), ("kept\n1\ncode=0\n", &0.into()), "{summary}");
        return Ok(());
    }
    assert_eq!(said, "kept\n1\ncode=137\n", "{output:?} {summary}");
    assert_eq!((&summary["stopped"], &summary["stopped_by"]), (&1.into(), &"T1".into()), "{summary}");
    assert_eq!(summary["denials"][0]["op"], "exec", "{summary}");
    Ok(())
}

/// A directory that no normal session made is where an attack puts its own: where making it cannot be refused, who made it
/// ends before there is anything in it; where it is not even told, who puts something into it ends.
#[test]
fn nothing_is_put_into_a_directory_that_does_not_belong() -> Result<()> {
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    for _ in 0..4 {
        let output = world.run_script("record", &more, "mkdir -p built && ls")?;
        assert!(output.status.success(), "{output:?}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let output = world.run_script("enforce", &more, "mkdir -p built/more && ls")?;
    assert!(output.status.success(), "{output:?}");
    let plants = "mkdir ~/.monitor && echo run > ~/.monitor/service; echo code=$?";
    let output = world.run_script("enforce", &more, plants)?;
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let place = world.home().join(".monitor");
    let (code, op) = match (is_lsm(&summary)?, tells_changes(&summary)?) {
        (true, _) => ("code=1\n", "mkdir"),
        (_, true) => ("code=137\n", "mkdir"),
        _ => ("", "open"),
    };
    assert_eq!((said.as_str(), place.exists()), (code, !is_lsm(&summary)?), "{output:?} {summary}");
    assert_eq!(fs::read_to_string(place.join("service")).unwrap_or_default(), "", "{summary}");
    assert!(op == "open" || !place.join("service").exists(), "{summary}");
    let denial = &summary["denials"][0];
    assert_eq!((&denial["stage"], &denial["op"]), (&"T1".into(), &op.into()), "{summary}");
    Ok(())
}

/// Sessions that make the same names in the home each time let nothing else be made there, nor in the directories that they
/// make first, and what they do make is made.
#[test]
fn where_sessions_make_the_same_names_nothing_else_is_made() -> Result<()> {
    const USUAL: &str = "mkdir ~/.tool && echo new > ~/.tool/new && mv ~/.tool/new ~/.tool/$$ && \
        mkdir -p ~/.local/state && echo $$ > ~/.local/state/$$ && sleep 0.3 && \
        echo 1 > ~/.toolrc.new && mv ~/.toolrc.new ~/.toolrc; echo code=$?";
    let world = World::new()?;
    let summary = world.path().join("summary.json");
    let more = ["--quiet", "--task", "build", "--summary-file", summary.to_str().context("path")?];
    // In a home that no session has been in.
    let run = |verb: &str, script: &str| -> Result<(String, Value)> {
        let home = world.home();
        [".tool", ".local"].iter().for_each(|made| drop(fs::remove_dir_all(home.join(made))));
        drop(fs::remove_file(home.join(".toolrc")));
        let output = world.run_script(verb, &more, script)?;
        Ok((
            String::from_utf8_lossy(&output.stdout).into_owned(),
            serde_json::from_slice(&fs::read(&summary)?)?,
        ))
    };
    for _ in 0..4 {
        let (said, summary) = run("record", USUAL)?;
        assert_eq!(said, "code=0\n", "{summary}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    assert!(trained.status.success(), "{trained:?}");
    let (said, ended) = run("enforce", USUAL)?;
    assert_eq!((said.as_str(), &ended["denied"]), ("code=0\n", &0.into()), "{ended}");
    let plants = [
        ("echo run > ~/.service", ".service"),
        ("mkdir ~/.monitor", ".monitor"),
        ("ln -s .toolrc ~/.link", ".link"),
        ("mkdir ~/.local/share", ".local/share"),
    ];
    let others = plants.map(|(plant, _)| format!("; bash -c '{plant}'; echo code=$?")).concat();
    let (said, ended) = run("enforce", &format!("{USUAL}{others}"))?;
    let lsm = is_lsm(&ended)?;
    let code = if lsm { "code=1\n" } else { "code=137\n" };
    // What is not an open is not told as the kernel's own everywhere.
    let refused = if tells_changes(&ended)? { plants.len() } else { 1 };
    let codes = code.repeat(refused) + &"code=0\n".repeat(plants.len() - refused);
    let fate = if lsm { "denied" } else { "stopped" };
    assert_eq!((said, &ended[fate]), (format!("code=0\n{codes}"), &refused.into()), "{ended}");
    let denials = ended["denials"].as_array().context("no denials")?;
    assert!(denials.iter().all(|denial| denial["stage"] == "T1"), "{ended}");
    for (plant, place) in plants {
        let place = world.home().join(place);
        assert_eq!(place.symlink_metadata().is_ok(), !lsm, "{plant}");
        assert_ne!(fs::read_to_string(&place).unwrap_or_default(), "run\n", "{plant}: {ended}");
    }
    Ok(())
}
