//! Objects that are put in a jewel's place during the session. Where the kernel can refuse, nothing is made. In the other
//! tier a directory can be made, and nothing is got into it; what takes the place of a jewel in one step freezes the
//! session.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result};
use end_to_end::scene::{can_refuse, is_lsm};
use end_to_end::uring::{Answer, Entry, RENAMEAT, on_paths, request};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

/// Runs a script in a session to its end; with its summary.
fn run(world: &World, verb: &str, script: &str) -> Result<(Value, Output)> {
    let summary = world.path().join("summary.json");
    let path = summary.to_str().context("path")?;
    let output = world.run_script(verb, &["--quiet", "--summary-file", path], script)?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok((serde_json::from_slice(&text)?, output))
}

fn denials(summary: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = summary["denials"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| (text(&row["stage"]), text(&row["op"]), text(&row["means"]))).collect()
}

/// Directories of jewels, none of which is there, and what an attack puts into them. The parents of the first two are not
/// there either.
const ABSENT: [(&str, &str); 5] = [
    (".config/systemd/user", "evil.service"),
    (".config/autostart", "evil.desktop"),
    (".aws", "credentials"),
    (".ssh", "authorized_keys"),
    (".local/share/systemd/user", "evil.service"),
];

#[test]
fn a_directory_of_jewels_that_is_made_inside_takes_nothing() -> Result<()> {
    for verb in ["enforce", "record"] {
        for (directory, file) in ABSENT {
            let world = World::new()?;
            let home = world.home();
            let script = format!(
                "cd '{0}'; mkdir -p {directory}; mkdir -p {directory}; bash -c 'echo evil > {directory}/{file}'; \
                 echo evil | tee {directory}/{file} >/dev/null; echo went on",
                home.display()
            );
            let (summary, output) = run(&world, verb, &script)?;
            let made = fs::read_to_string(home.join(directory).join(file)).unwrap_or_default();
            assert_eq!(made, "", "{verb} {directory}/{file}: {output:?} {summary:#}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("went on"), "{output:?}");
            let denials = denials(&summary);
            let first = denials.first().with_context(|| format!("{verb} {directory}: {summary:#}"))?;
            let means = if is_lsm(&summary)? { "lsm" } else { "kill" };
            assert_eq!(*first, ("T0".into(), "mkdir".into(), means.into()), "{directory}");
            assert!(denials.iter().all(|denial| denial.0 == "T0"), "{denials:?}");
            if is_lsm(&summary)? {
                assert!(!home.join(directory).exists());
            }
        }
    }
    Ok(())
}

/// What needs but one step, in a home that is prepared; and the operation that is told.
const STEPS: [(&str, &str); 6] = [
    ("mv prepared .config/autostart", "rename"),
    ("ln -s prepared .config/autostart", "symlink"),
    ("mv prepared/evil.desktop .config/environment.d/", "rename"),
    ("mv prepared/evil.desktop .bashrc", "rename"),
    ("ln .ssh/id_ed25519 prepared/key", "link"),
    (BEHIND_AN_UNMOUNT, "rename"),
];

/// What an unmount frees is changed when its call has ended, and by the thread that renames then.
const BEHIND_AN_UNMOUNT: &str = r#"unshare --user --map-root-user --mount python3 -I -c '
import ctypes, os
libc = ctypes.CDLL(None)
os.mkdir("room")
assert libc.mount(b"none", b"room", b"tmpfs", 0, None) == 0
for name in range(9):
    open(f"room/{name}", "w").write("content")
assert libc.umount2(b"room", 0) == 0
os.rename("prepared/evil.desktop", ".bashrc")
'"#;

/// Names what the program of the next steps renames, and how it is answered.
const RENAME: &str = "WARDLINE_TEST_RENAME";

/// The program that renames through io_uring: this one.
#[test]
fn rename_by_request() -> Result<()> {
    let Ok(asked) = std::env::var(RENAME) else { return Ok(()) };
    let [from, to, answer] = asked.split(' ').collect::<Vec<_>>()[..] else { anyhow::bail!("{asked}") };
    let (from, to) = (CString::new(from)?, CString::new(to)?);
    let entry = on_paths(RENAMEAT, &from, &to);
    let known = [Answer::Told, Answer::Silent, Answer::Deferred];
    let answer = known.into_iter().find(|known| format!("{known:?}") == answer).context("no such answer")?;
    let _ = request(4, &Entry { answer, ..entry });
    // A process that ends with a ring waits for its workers, which may be frozen by then: the session cannot be frozen in
    // time, and is killed.
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// The same through io_uring: also by requests of which nobody is told that they have succeeded.
fn by_request(program: &Path) -> [(String, &'static str); 6] {
    let step = |from: &str, to: &str, answer: Answer| {
        let program = program.display();
        (
            format!("{RENAME}='{from} {to} {answer:?}' '{program}' --exact rename_by_request >/dev/null"),
            "rename",
        )
    };
    [
        step("prepared", ".config/autostart", Answer::Told),
        step("prepared", ".config/autostart", Answer::Silent),
        step("prepared", ".config/autostart", Answer::Deferred),
        step("prepared/evil.desktop", ".bashrc", Answer::Told),
        step("prepared/evil.desktop", ".bashrc", Answer::Silent),
        step("prepared/evil.desktop", ".bashrc", Answer::Deferred),
    ]
}

fn prepared() -> Result<World> {
    let world = World::new()?;
    for path in [
        "prepared/evil.desktop",
        ".config/environment.d/old",
        ".bashrc",
        ".ssh/id_ed25519",
        ".claude.json",
        ".gitconfig",
    ] {
        world.write(&world.home().join(path), "plain\n")?;
    }
    Ok(world)
}

#[test]
fn what_takes_the_place_of_a_jewel_in_one_step_is_refused_or_freezes_the_session() -> Result<()> {
    let refuses = can_refuse();
    let shared = tempfile::tempdir()?;
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o755))?;
    let program = shared.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    let steps = STEPS.map(|(step, op)| (step.to_owned(), op)).into_iter().chain(by_request(&program));
    for (step, op) in steps {
        let world = prepared()?;
        let script = format!("cd '{}'; {step}; sleep 0.5; echo went on", world.home().display());
        if refuses {
            let (summary, output) = run(&world, "enforce", &script)?;
            assert_eq!(denials(&summary), [("T0".into(), op.into(), "lsm".into())], "{step}: {summary:#}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("went on"), "{output:?}");
            continue;
        }
        let summary = world.path().join("summary.json");
        let mut args = world.session(
            "enforce",
            &["--quiet", "--io-uring", "--summary-file", summary.to_str().context("path")?],
        );
        args.extend(["bash", "-c", &script].map(str::to_owned));
        let client = world.wardline(args).stdout(Stdio::piped()).spawn()?;
        let state = || -> Option<String> {
            let listed = world.run(["sessions", "--json"]).ok()?.stdout;
            let listed: Value = serde_json::from_slice(&listed).ok()?;
            Some(listed[0]["state"].as_str()?.to_owned())
        };
        let frozen = wait_until(Duration::from_secs(20), || state().as_deref() == Some("frozen"));
        assert!(frozen, "{step}: {:?}", state());
        let stopped = world.run(["stop-session", "last"])?;
        let state = state();
        let output = client.wait_with_output()?;
        assert!(stopped.status.success(), "{step}: {stopped:?} {state:?} {output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("went on"), "{step}: {output:?}");
        let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
        assert_eq!(denials(&summary), [("T0".into(), op.into(), "freeze".into())], "{step}: {summary:#}");
        assert_eq!(summary["stopped_by"], "T0");
    }
    Ok(())
}

/// A directory of jewels that somebody outside makes while a session runs is guarded against being filled, too.
#[test]
fn a_directory_of_jewels_that_is_made_outside_takes_nothing_from_inside() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    let script = format!(
        "cd '{}'; until [ -e .config/autostart/mine ]; do sleep 0.05; done; bash -c 'echo evil > .config/autostart/evil'; \
         bash -c 'echo evil > .config/other'; echo went on",
        home.display()
    );
    world.write(&home.join(".config/some"), "")?;
    let summary = world.path().join("summary.json");
    let mut args =
        world.session("enforce", &["--quiet", "--summary-file", summary.to_str().context("path")?]);
    args.extend(["bash", "-c", &script].map(str::to_owned));
    let client = world.wardline(args).stdout(Stdio::piped()).spawn()?;
    let runs = wait_until(Duration::from_secs(20), || !world.user_processes().is_empty());
    assert!(runs);
    std::thread::sleep(Duration::from_millis(300));
    world.write(&home.join(".config/autostart/mine"), "mine\n")?;
    let output = client.wait_with_output()?;
    assert!(String::from_utf8_lossy(&output.stdout).contains("went on"), "{output:?}");
    assert_eq!(fs::read_to_string(home.join(".config/autostart/evil")).unwrap_or_default(), "");
    assert_eq!(fs::read_to_string(home.join(".config/other"))?, "evil\n");
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    assert_eq!(summary["denied"], 1, "{summary:#}");
    Ok(())
}

/// A file that holds settings alone may be read, and not written; what turns up in it, or in its place, is refused again.
#[test]
fn what_holds_no_credential_may_be_read_until_it_does() -> Result<()> {
    for replaced in [false, true] {
        let world = World::new()?;
        let home = world.home();
        world.write(&home.join(".npmrc"), "registry=https://registry.example.org/\n")?;
        world.write(&home.join(".netrc"), "machine example.org login me password secret\n")?;
        let script = format!(
            "cd '{}'; cat .npmrc; bash -c 'echo //evil/ >>.npmrc'; cat .netrc; touch projects/app/ready; \
             until [ -e projects/app/go ]; do sleep 0.02; done; cat .npmrc; echo code=$?",
            home.display()
        );
        let summary = world.path().join("summary.json");
        let path = summary.to_str().context("path")?;
        let mut args = world.session("enforce", &["--quiet", "--summary-file", path]);
        args.extend(["bash", "-c", &script].map(str::to_owned));
        let client = world.wardline(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let ready = home.join("projects/app/ready");
        assert!(wait_until(Duration::from_secs(20), || ready.exists()));
        if replaced {
            world.write(&home.join("new"), "_authToken=THE-TOKEN\n")?;
            fs::rename(home.join("new"), home.join(".npmrc"))?;
        } else {
            world.write(&home.join(".npmrc"), "_authToken=THE-TOKEN\n")?;
        }
        fs::write(home.join("projects/app/go"), "")?;
        let output = client.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, "registry=https://registry.example.org/\ncode=1\n", "{replaced}");
        let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
        assert_eq!(summary["denied"], 3, "{replaced}: {summary:#}");
        assert_eq!(fs::read_to_string(home.join(".npmrc"))?, "_authToken=THE-TOKEN\n");
    }
    Ok(())
}
