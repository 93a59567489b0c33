//! Replacements of a jewel, or of a directory above one. Where the kernel can refuse, nothing happens. In the other tier it
//! has happened when it is told (since Linux 6.13): the session stands still, and what lies there is closed.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

mod itself;

use anyhow::{Context, Result};
use end_to_end::bypass::{self, Fate};
use end_to_end::scene::{can_refuse, is_lsm, kernel};
use end_to_end::standing::{self, Ended};
use end_to_end::uring::{Entry, RENAMEAT, on_paths, request};
use end_to_end::{World, wait_until};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Jewels of a home, and what lies beside them.
const PLAIN: [&str; 9] = [
    ".config/app/settings",
    ".local/share/app/data",
    ".claude/settings.json",
    ".codex/config.toml",
    ".claude.json",
    ".bashrc",
    ".ssh/id_ed25519",
    "another/.env",
    "another/.git/config",
];

/// A home with what the steps move.
fn prepared() -> Result<World> {
    let world = World::new()?;
    let home = world.home();
    for path in PLAIN.into_iter().chain([".cache/a/file", "projects/file"]) {
        world.write(&home.join(path), "plain\n")?;
    }
    for path in ["prepared/evil", "prepared/settings.json"] {
        world.write(&home.join(path), "evil\n")?;
    }
    fs::set_permissions(home.join(".bashrc"), fs::Permissions::from_mode(0o640))?;
    world.write(&home.join(".gitconfig"), "[user]\n\tname = somebody\n\temail = somebody@example.org\n")?;
    // The user may move the home itself.
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o1777))?;
    Ok(world)
}

/// Python that calls `renameat2(2)` with a flag, and by directory descriptors.
const EXCHANGE: &str = r#"python3 -I -c '
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, b"prepared", -100, b".config", 2) != 0: raise SystemExit(ctypes.get_errno())
'"#;
const BY_DESCRIPTORS: &str = r#"python3 -I -c '
import os
home, prepared = os.open(".", os.O_PATH), os.open("prepared", os.O_PATH)
try: os.rename("evil", ".bashrc", src_dir_fd=prepared, dst_dir_fd=home)
except OSError as e: raise SystemExit(e.errno)
'"#;
const REPLACE: &str = r#"python3 -I -c '
import os
try: os.replace("prepared/evil", ".bashrc")
except OSError as e: raise SystemExit(e.errno)
'"#;

/// What has no name gets one by its descriptor.
const NAMELESS: &str = r#"python3 -I -c '
import os
file = os.open("prepared", os.O_TMPFILE | os.O_WRONLY)
os.write(file, b"evil")
here = os.open(".", os.O_PATH)
try: os.link("/proc/self/fd/%d" % file, ".ssh/authorized_keys", src_dir_fd=here, dst_dir_fd=here)
except OSError as e: raise SystemExit(e.errno)
'"#;

/// One step each, and the operation that is told.
const STEPS: [(&str, &str); 25] = [
    // A directory above is moved away, at any height.
    ("mv .config .c", "rename"),
    ("mv .local .l", "rename"),
    ("mv .local/share .local/s", "rename"),
    ("mv \"$PWD\" ../other", "rename"),
    ("mv \"/proc/self/root$PWD/.config\" .c", "rename"),
    ("(setsid bash -c 'sleep 0.2; mv .config .c' &) ; sleep 1", "rename"),
    (EXCHANGE, "rename"),
    // Something takes the place of one that is not there.
    ("mv prepared .docker", "rename"),
    ("ln -s prepared .docker", "symlink"),
    (NAMELESS, "link"),
    // Or of one that matters wherever it is.
    ("mv prepared projects/app/.claude", "rename"),
    ("ln -s ../../prepared projects/app/.vscode", "symlink"),
    // Or of the jewel itself.
    ("mv prepared/evil .bashrc", "rename"),
    ("mv prepared/evil .claude.json", "rename"),
    ("mv prepared/evil .claude/settings.json", "rename"),
    ("mv prepared/evil .codex/config.toml", "rename"),
    ("mv prepared/evil .gitconfig", "rename"),
    ("ln -f prepared/evil .bashrc", "rename"),
    ("git config --global core.hooksPath /tmp/hooks", "rename"),
    ("sed -i s/plain/evil/ .bashrc", "rename"),
    (REPLACE, "rename"),
    (BY_DESCRIPTORS, "rename"),
    ("mv .ssh x", "rename"),
    // What is a jewel by its name alone, and a repository of another's.
    ("mv another projects/app/x", "rename"),
    ("mv prepared/evil another/.git/config", "rename"),
];

/// The heading of the page.
const TAKEN: &str = "The place of a jewel is taken";

/// A step, for people.
fn in_words(step: &str) -> String {
    match step {
        EXCHANGE => "`renameat2` with `RENAME_EXCHANGE` of `~/.config`".to_owned(),
        BY_DESCRIPTORS => "`renameat` over `~/.bashrc`, below descriptors".to_owned(),
        NAMELESS => "`linkat` of a file without a name to `~/.ssh/authorized_keys`".to_owned(),
        REPLACE => "`os.replace` over `~/.bashrc`".to_owned(),
        request if request.contains(RENAME) => {
            "a rename of `~/.config` through io_uring, in a session that is given a ring".to_owned()
        }
        step => format!("`{step}`"),
    }
}

/// Names what the program of the last step renames.
const RENAME: &str = "WARDLINE_TEST_RENAME";

/// The program that renames through io_uring: this one.
#[test]
fn rename_by_request() -> Result<()> {
    let Ok(asked) = std::env::var(RENAME) else { return Ok(()) };
    let (from, to) = asked.split_once(' ').context("two paths")?;
    let (from, to) = (CString::new(from)?, CString::new(to)?);
    let _ = request(4, &Entry { ..on_paths(RENAMEAT, &from, &to) });
    std::thread::sleep(std::time::Duration::from_secs(2));
    Ok(())
}

/// All of them in one session, since nothing is changed: each fails, and the home is as it was.
fn each_is_refused(steps: &[(String, &str)]) -> Result<()> {
    let world = prepared()?;
    let home = world.home();
    let before = files(&home)?;
    let mut script = format!("cd '{}'\n", home.display());
    for (number, (step, _)) in steps.iter().enumerate() {
        script.push_str(&format!("{step}\necho \"@{number} $?\"\n"));
    }
    let ended = standing::run(&world, "enforce", &[], &script)?;
    assert!(is_lsm(&ended.summary)? && !ended.frozen, "{ended:#?}");
    let said = ended.said();
    for (number, (step, op)) in steps.iter().enumerate() {
        let code = said.lines().find_map(|line| line.strip_prefix(&format!("@{number} ")));
        // Python says which error it was; of what runs detached, and of the request, nobody hears.
        let errno = step.contains("python3").then(|| libc::EPERM.to_string());
        let unheard = step.contains("setsid") || step.contains(RENAME);
        assert!(code.is_some(), "{step}: {ended:#?}");
        assert!(unheard || code != Some("0"), "{step}: {ended:#?}");
        assert!(errno.is_none_or(|errno| code == Some(&errno)), "{step}: {code:?} {ended:#?}");
        let refusal = ("T0".to_owned(), (*op).to_owned(), "lsm".to_owned());
        assert!(ended.denials().contains(&refusal), "{step}: {ended:#?}");
        bypass::came(TAKEN, &in_words(step), "a user", Fate::Refused);
    }
    assert!(ended.denials().iter().all(|denial| denial.0 == "T0" && denial.2 == "lsm"), "{ended:#?}");
    let denied = ended.summary["denied"].as_u64().context("no number")?;
    assert!(denied >= steps.len() as u64, "{ended:#?}");
    assert_eq!(files(&home)?, before, "{ended:#?}");
    Ok(())
}

fn stands_still(step: &str, op: &str) -> Result<()> {
    let world = prepared()?;
    let home = world.home();
    let script = format!("cd '{}'; {step}; sleep 0.5; echo went on", home.display());
    let jewels = jewels(&home)?;
    let is_back = || jewels_are(&home, &jewels);
    let ended = standing::run_and(&world, "enforce", &["--io-uring"], &script, || {
        wait_until(Duration::from_secs(20), is_back);
    })?;
    assert!(ended.frozen && !ended.said().contains("went on"), "{step}: {ended:#?}");
    assert_eq!(ended.denials(), [("T0".into(), op.into(), "freeze".into())], "{step}: {ended:#?}");
    let told = (&ended.summary["stopped_by"], &ended.summary["denials"][0]["fate"]);
    assert_eq!(told, (&"T0".into(), &"happened-and-stopped".into()), "{step}: {ended:#?}");
    // What was there before is there again, as it was, and what was not is not there.
    assert!(is_back(), "{step}: {:?} {ended:#?}", files(&home)?);
    let notes = ended.summary["notes"].to_string();
    let is_new = step == NAMELESS || [".docker", "projects/app/."].iter().any(|place| step.contains(place));
    let said =
        if is_new { &["which the session put there"][..] } else { &["was moved back", "has what it held"] };
    assert!(said.iter().any(|said| notes.contains(said)), "{step}: {notes}");
    for new in [".docker", "projects/app/.claude", ".ssh/authorized_keys"] {
        assert!(!home.join(new).exists(), "{step}: {notes}");
    }
    bypass::came(TAKEN, &in_words(step), "a user", Fate::Stopped);
    Ok(())
}

/// What must be as it was: content, owner and permissions.
type Jewels = Vec<(&'static str, Vec<u8>, u32, u32)>;

fn jewels(home: &Path) -> Result<Jewels> {
    let state = |path| -> Result<_> {
        let meta = fs::metadata(home.join(path))?;
        Ok((path, fs::read(home.join(path))?, meta.uid(), meta.mode()))
    };
    PLAIN.into_iter().chain([".gitconfig"]).map(state).collect()
}

fn jewels_are(home: &Path, before: &Jewels) -> bool {
    jewels(home).is_ok_and(|now| now == *before)
}

/// Every path below a directory, with what a file holds.
fn files(directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            let content = if kind.is_file() { fs::read(&path)? } else { Vec::new() };
            // What `mv`, `sed` and `git` make beside it, and leave, is theirs.
            if kind.is_dir() {
                left.push(path.clone());
            }
            found.push((path.display().to_string(), content));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a session is told what it changed when it has.
fn tells_or_refuses() -> bool {
    let tells = can_refuse() || kernel() >= (6, 13);
    if !tells {
        println!("skipped: this kernel does not say which files a call has changed");
    }
    tells
}

#[test]
fn what_takes_a_place_is_refused_or_the_session_stands_still() -> Result<()> {
    if !tells_or_refuses() {
        return Ok(());
    }
    let shared = tempfile::tempdir()?;
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o755))?;
    let program = shared.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    let by_request =
        format!("{RENAME}='.config .c' '{}' --exact rename_by_request >/dev/null", program.display());
    let steps = STEPS.map(|(step, op)| (step.to_owned(), op)).into_iter().chain([(by_request, "rename")]);
    let steps: Vec<_> = steps.collect();
    if can_refuse() {
        return each_is_refused(&steps);
    }
    steps.iter().try_for_each(|(step, op)| stands_still(step, op))
}

/// Nothing stands still for it: who did it ends, and the session goes on.
#[test]
fn what_was_removed_or_got_other_permissions_is_as_it_was_when_the_session_is_over() -> Result<()> {
    if can_refuse() || !tells_or_refuses() {
        return Ok(());
    }
    for (step, told) in [
        ("rm .bashrc", "has what it held"),
        ("chmod 777 .ssh/id_ed25519", "has the permissions that it had"),
        ("chmod 4777 .bashrc", "has the permissions that it had"),
        ("chmod 777 .ssh", "has the permissions that it had"),
        ("chmod 666 .bashrc; rm .bashrc", "has what it held"),
    ] {
        let world = prepared()?;
        let home = world.home();
        let jewels = jewels(&home)?;
        let script = format!("cd '{}'; bash -c '{step}'; echo went on", home.display());
        let ended = standing::run(&world, "enforce", &[], &script)?;
        assert_eq!((ended.frozen, ended.said().as_str()), (false, "went on\n"), "{step}: {ended:#?}");
        assert!(jewels_are(&home, &jewels), "{step}: {:?} {ended:#?}", files(&home)?);
        assert_eq!(ended.summary["denials"][0]["fate"], "happened-and-stopped", "{step}: {ended:#?}");
        assert!(ended.summary["notes"].to_string().contains(told), "{step}: {ended:#?}");
    }
    Ok(())
}

/// A session may end with the change itself, before it can stand still: what it changed is put back all the same.
#[test]
fn what_the_last_call_of_a_session_has_changed_is_put_back() -> Result<()> {
    // What is refused changes nothing, whenever it comes: see above.
    if can_refuse() || !tells_or_refuses() {
        return Ok(());
    }
    for step in [
        "mv .config .c",
        "mv .ssh x",
        "mv prepared/evil .bashrc",
        "mv prepared/evil .claude/settings.json",
        "rm .bashrc",
        "chmod 777 .ssh/id_ed25519",
    ] {
        let world = prepared()?;
        let home = world.home();
        let jewels = jewels(&home)?;
        let ended = standing::run(&world, "enforce", &[], &format!("cd '{}'; exec {step}", home.display()))?;
        assert!(jewels_are(&home, &jewels), "{step}: {:?} {ended:#?}", files(&home)?);
        assert_eq!(ended.summary["denials"][0]["fate"], "happened-and-stopped", "{step}: {ended:#?}");
    }
    Ok(())
}

/// A recording is not frozen: who moved something is ended, and the session goes on. Neither what was moved nor what takes
/// its place can be filled.
#[test]
fn a_place_stays_closed_when_its_directory_was_moved() -> Result<()> {
    if !tells_or_refuses() {
        return Ok(());
    }
    let world = prepared()?;
    let home = world.home();
    let script = format!(
        "cd '{}'; mv .config .c; mkdir -p .config/systemd/user .config/autostart .c/autostart; mkdir .config .config/autostart; \
         for to in .config/autostart .config/systemd/user .c/autostart; do \
         bash -c \"echo evil > $to/evil\"; cp prepared/evil $to/copied; done; echo fine > .config/other; \
         cat .config/other; echo went on",
        home.display()
    );
    let ended = standing::run(&world, "record", &[], &script)?;
    assert!(!ended.frozen && ended.said().ends_with("fine\nwent on\n"), "{ended:#?}");
    // Where nothing was moved, what is made beside it is nobody's.
    let moved = if is_lsm(&ended.summary)? { None } else { Some(".c/autostart") };
    for directory in [".config/autostart", ".config/systemd/user"].into_iter().chain(moved) {
        for name in ["evil", "copied"] {
            let held = fs::read_to_string(home.join(directory).join(name)).unwrap_or_default();
            assert_eq!(held, "", "{directory}/{name}: {ended:#?}");
        }
    }
    let (op, means) = ("rename".to_owned(), if is_lsm(&ended.summary)? { "lsm" } else { "kill" });
    assert_eq!(ended.denials().first(), Some(&("T0".into(), op, means.into())), "{ended:#?}");
    assert!(ended.denials().iter().all(|denial| denial.0 == "T0"), "{ended:#?}");
    Ok(())
}

/// What agents, tools and editors do all day.
#[test]
fn ordinary_life_moves_what_it_wants() -> Result<()> {
    let world = prepared()?;
    let steps = [
        "mkdir -p .config/new/deep .docker/cli .cargo/bin .local/share/new",
        "mv .config/new .config/newer",
        "rm -rf .config/newer",
        "mv .cache/a .cache/b",
        "rm -rf .cache",
        "mv prepared other",
        "mv other projects/other",
        "ln -s ../other projects/link",
        "mkdir -p projects/app/.claude projects/app/.vscode && rmdir projects/app/.claude",
        "mv projects/app/.vscode projects/app/.vscode.bak",
        "cd projects/app",
        "git init -q . && git config user.name me && git config user.email me@example.org",
        "echo one > main.txt && git add . && git commit -qm one && git mv main.txt second.txt && git commit -qm two",
        "echo two > .second.txt.swp && mv .second.txt.swp second.txt",
        "sed -i s/two/three/ second.txt && grep -q three second.txt",
    ];
    let script = format!("set -e; cd '{}'; {}; echo went on", world.home().display(), steps.join("\n"));
    let ended = standing::run(&world, "enforce", &[], &script)?;
    assert!(!ended.frozen && ended.said().ends_with("went on\n"), "{ended:#?}");
    assert_eq!((&ended.summary["denied"], &ended.summary["t0_hits"]), (&0.into(), &0.into()), "{ended:#?}");
    Ok(())
}

/// A mount that nobody else sees covers nothing for anybody else.
#[test]
fn a_mount_of_the_sessions_own_frees_nothing() -> Result<()> {
    let world = prepared()?;
    let home = world.home();
    let script = format!(
        "cd '{}'; unshare --user --map-root-user --mount bash -c 'mount --bind prepared .config && \
         mkdir .config/autostart && cp prepared/evil .config/autostart/'; echo $?; echo went on",
        home.display()
    );
    let ended = standing::run(&world, "enforce", &[], &script)?;
    if ended.said().contains("Operation not permitted") {
        println!("skipped: this machine lets users make no namespaces");
        return Ok(());
    }
    assert!(!ended.frozen && ended.said().ends_with("0\nwent on\n"), "{ended:#?}");
    assert!(!home.join(".config/autostart").exists());
    Ok(())
}

/// One that everybody sees is root's alone to make.
#[test]
fn a_mount_over_a_directory_above_a_jewel_is_refused_or_the_session_stands_still() -> Result<()> {
    if !can_refuse() && kernel() < (6, 14) {
        println!("skipped: this kernel does not say what a call has mounted");
        return Ok(());
    }
    let world = prepared()?;
    let home = world.home();
    let config = home.join(".config");
    let script = format!("cd '{}'; mount --bind prepared .config; sleep 0.5; echo went on", home.display());
    let ended = standing::run(&world, "enforce", &["--as-root"], &script);
    let covered = !config.join("app").exists();
    if covered {
        rustix::mount::unmount(&config, rustix::mount::UnmountFlags::DETACH)?;
    }
    let ended: Ended = ended?;
    let means = if can_refuse() { "lsm" } else { "freeze" };
    assert_eq!(ended.denials(), [("T0".into(), "mount".into(), means.into())], "{ended:#?}");
    assert_eq!((ended.frozen, covered), (!can_refuse(), !can_refuse()), "{ended:#?}");
    Ok(())
}
