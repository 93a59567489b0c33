//! A crown jewel is refused at the first attempt, by whatever way it is reached for, with the exact error; and what
//! is next to it is not. Each way is first shown to work where nobody guards.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Result, ensure};
use end_to_end::attempt::{self, Attempt, SECRET};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{Came, LINKS, Scene, assert_denials, can_refuse, is_lsm, rows};
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

const EPERM: i32 = libc::EPERM;

/// The program that makes the attempts: this one.
#[test]
fn attempts() -> Result<()> {
    attempt::serve()
}

/// Ways to a key. What begins with `try:` prepares the next one. Where it cannot be refused it ends the session that
/// tries (see `made.rs`), and is left out here.
fn ways(scene: &Scene) -> Vec<Attempt> {
    let refuses = can_refuse();
    let ways = all_ways(scene).into_iter();
    ways.filter(|way| refuses || !way.name.starts_with("try:")).collect()
}

fn all_ways(scene: &Scene) -> Vec<Attempt> {
    let p = |path: &str| scene.path(path);
    let (key, directory, moved) = (&*p(".ssh/id_ed25519"), &*p(".ssh"), &*p("moved"));
    rows([
        ("by its path", "read", &[key]),
        ("by its path, once more", "read", &[key]),
        ("through a symbolic link", "read", &[&p("link-1")]),
        ("through a symbolic link to its directory", "read", &[&p("keys/id_ed25519")]),
        ("through forty symbolic links", "read", &[&p(&format!("link-{LINKS}"))]),
        ("through a bind mount that was there", "read", &[&p("bound/id_ed25519")]),
        ("through `/proc/self/root`", "read", &[&format!("/proc/self/root{key}")]),
        ("by a relative path", "read", &["../../.ssh/id_ed25519"]),
        ("by a relative path with detours", "read", &["./../app/../../projects/../.ssh//./id_ed25519"]),
        ("from inside its directory", "read-in", &[directory, "id_ed25519"]),
        ("by a hard link that was there", "read", &[&p("old-link")]),
        ("by a descriptor that was only found (`O_PATH`)", "reopen", &[key]),
        ("below a descriptor of its directory", "read-at", &[directory, "id_ed25519"]),
        ("below a descriptor of another directory", "read-at", &[&p("projects"), "../.ssh/id_ed25519"]),
        ("its directory is listed", "list", &[directory]),
        ("it is opened to be written", "write", &[key]),
        ("try: chmod", "chmod", &[key]),
        ("after its permissions were to be changed", "read", &[key]),
        ("try: link", "link", &[key, &p("new-link")]),
        ("by a hard link that was to be made", "read", &[&p("new-link"), key]),
        ("try: rename", "rename", &[key, moved]),
        ("after it was to be moved", "read", &[moved, key]),
        ("try: rename its directory", "rename", &[directory, &p("x")]),
        ("after its directory was to be moved", "read", &[moved, key, &p("x/id_ed25519")]),
        ("it is appended to, by a hard link", "append", &[&p("old-link")]),
        ("it is cut, by a hard link", "cut", &[&p("old-link")]),
    ])
}

/// What an agent needs.
fn ordinary(scene: &Scene) -> Vec<Attempt> {
    let p = |path: &str| scene.path(path);
    rows([
        ("null", "write", &["/dev/null"]),
        ("passwd", "open", &["/etc/passwd"]),
        ("workspace", "open", &["main.txt"]),
        ("workspace-append", "append", &["main.txt"]),
        ("workspace-create", "create", &["new.txt"]),
        ("workspace-mkdir", "mkdir", &["new"]),
        ("workspace-rename", "rename", &["new.txt", "new/renamed.txt"]),
        ("home", "open", &[&p("notes.txt")]),
        ("home-list", "list", &[&p("")]),
        ("home-create", "create", &[&p("new.txt")]),
        ("home-unlink", "unlink", &[&p("new.txt")]),
        ("read-start-up", "open", &[&p(".bashrc")]),
    ])
}

fn every_way_is_refused(as_root: bool, verb: &str) -> Result<()> {
    let scene = Scene::new(as_root)?;
    let ways_then_ordinary = [ways(&scene), ordinary(&scene)].concat();
    for (name, errno) in scene.free(&ways_then_ordinary)? {
        assert_eq!(errno, 0, "no test: {name} fails without a guard");
    }
    drop(scene);
    let scene = Scene::new(as_root)?;
    let before = scene.keys()?;
    let (ways, ordinary) = (ways(&scene), ordinary(&scene));
    let (came, summary, output) = scene.guarded(verb, &[ways.clone(), ordinary.clone()].concat())?;
    assert_eq!(came.len(), ways.len() + ordinary.len(), "{output:?}");
    let lsm = is_lsm(&summary)?;
    let mut refused = 0;
    for way in &ways {
        let errno = came[&way.name];
        refused += usize::from(errno == EPERM);
        assert_eq!(errno, EPERM, "{}", way.name);
        if !way.name.starts_with("try:") {
            let by = if as_root { "root" } else { "a user" };
            let by = if verb == "record" { "a user, recorded" } else { by };
            bypass::came("A key is read", &way.name, by, Fate::Refused);
        }
    }
    for fine in &ordinary {
        assert_eq!(came[&fine.name], 0, "{}", fine.name);
    }
    if lsm {
        assert_eq!(scene.keys()?, before);
    }
    assert_eq!(fs::read_to_string(scene.path("old-link"))?, SECRET);
    assert_denials(&summary, refused)
}

#[test]
fn a_user_gets_to_a_key_by_no_way() -> Result<()> {
    every_way_is_refused(false, "enforce")
}

#[test]
fn root_gets_to_a_key_by_no_way() -> Result<()> {
    every_way_is_refused(true, "enforce")
}

#[test]
fn neither_does_who_is_recorded() -> Result<()> {
    every_way_is_refused(false, "record")
}

/// A file over which root binds the key: either the mount is refused, or what is then there.
#[test]
fn a_bind_mount_made_inside_shows_no_key() -> Result<()> {
    let scene = Scene::new(true)?;
    let cover = scene.path("projects/app/cover");
    let key = scene.path(".ssh/id_ed25519");
    let attempts = rows([("bind", "bind", &[&key, &cover]), ("read", "read", &[&cover])]);
    assert!(scene.free(&attempts)?.values().all(|errno| *errno == 0));
    let (came, summary, _) = scene.guarded("enforce", &attempts)?;
    match came["bind"] {
        0 => assert_eq!(came["read"], EPERM),
        errno => assert_eq!((errno, came["read"]), (EPERM, attempt::OTHER_CONTENT)),
    }
    bypass::came("A key is read", "through a bind mount that everybody sees", "root", Fate::Refused);
    assert_denials(&summary, 1)
}

#[test]
fn ten_thousand_attempts_from_eight_threads_get_nothing() -> Result<()> {
    let scene = Scene::new(false)?;
    let key = scene.path(".ssh/id_ed25519");
    let many = rows([("many", "threads", &["8", "1250", &key])]);
    assert_eq!(scene.free(&many)?["many:done"], 10_000);
    let (came, summary, _) = scene.guarded("enforce", &many)?;
    assert_eq!((came["many:done"], came["many:refused"]), (0, 10_000));
    assert_eq!(summary["denied"], 10_000);
    bypass::came("A key is read", "10,000 times, from eight threads", "a user", Fate::Refused);
    assert_denials(&summary, 10_000)
}

/// Each answer wakes all who wait for theirs, so that what a thread asks for is looked at while it runs.
#[test]
fn ten_thousand_readers_of_what_is_closed_to_changes_are_let_through() -> Result<()> {
    let scene = Scene::new(false)?;
    let many = rows([("many", "threads", &["8", "1250", &scene.path(".bashrc")])]);
    let (came, summary, _) = scene.guarded("enforce", &many)?;
    assert_eq!((came["many:done"], came["many:refused"]), (10_000, 0));
    assert_eq!(summary["denied"], 0, "{summary}");
    Ok(())
}

/// `ssh` reads its configuration in every session, and a baseline learns it. It is not to be changed, and the key next to it
/// stays refused.
#[test]
fn a_baseline_opens_no_jewel() -> Result<()> {
    if !Path::new("/usr/bin/ssh").exists() {
        println!("skipped: there is no ssh");
        return Ok(());
    }
    let scene = Scene::apart(true)?;
    let world = &scene.world;
    let config = scene.path(".ssh/config");
    chown(&config, Some(0), Some(0))?;
    let session = |verb: &str, attempts: &[Attempt]| -> Result<Came> {
        let ssh = format!("/usr/bin/ssh -G -F {config} box | grep '^user '; exec \"$0\" \"$@\"");
        scene.through(verb, &["bash", "-c", &ssh], &["--task", "fetch"], attempts)
    };
    for _ in 0..4 {
        let (_, summary, output) =
            session("record", &rows([("notes", "open", &[&scene.path("notes.txt")])]))?;
        assert!(String::from_utf8_lossy(&output.stdout).contains("user somebody"), "{output:?}");
        assert_eq!(summary["denied"], 0, "{summary}");
    }
    let trained = world.run(["train", "--agent", "test-agent"])?;
    ensure!(trained.status.success(), "{trained:?}");
    let shown = world.run(["baseline", "show", "test-agent/fetch"])?;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("$home/.ssh/config"), "{shown:?}");
    let reads = [
        rows([("notes", "open", &[&scene.path("notes.txt")]), ("config", "write", &[&config])]),
        ways(&scene).into_iter().take(12).collect(),
    ]
    .concat();
    let (came, summary, output) = session("enforce", &reads)?;
    assert!(String::from_utf8_lossy(&output.stdout).contains("user somebody"), "{output:?}");
    assert_eq!(came["notes"], 0);
    assert!(came.iter().all(|(name, errno)| name == "notes" || *errno == EPERM), "{came:?}");
    let way = "under a baseline of sessions that read what lies beside it";
    bypass::came("A key is read", way, "root", Fate::Refused);
    assert_denials(&summary, came.len() - 1)
}
