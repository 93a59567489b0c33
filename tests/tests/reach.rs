//! What a session reaches outside of itself is decided by who listens: helpers that work with the user's authority are
//! refused, what else listens is named, and what the session has started itself stays open.

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::listener::{self, OF_A_HELPER, OF_NOBODY, Server, outside, session};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

#[test]
fn program() -> Result<()> {
    listener::serve()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The peers of a summary, of one process.
fn peers(summary: &Value, pid: u32) -> Vec<&Value> {
    summary["peers"].as_array().into_iter().flatten().filter(|peer| peer["pid"] == pid).collect()
}

/// What the session asked was not done, and says so; and the session went on.
#[track_caller]
fn assert_kept_from(output: &Output, summary: &Value, server: &Server, path: &str, kind: &Value) {
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("went on") && !said.contains("answer="), "{output:?}");
    let [peer] = peers(summary, server.pid())[..] else { panic!("{summary}") };
    assert!(peer["program"].as_str().is_some_and(|program| program.ends_with(path)), "{summary}");
    assert_eq!(&peer["kind"], kind, "{summary}");
    assert!(peer["fate"] == "refused" || peer["fate"] == "happened-and-stopped", "{summary}");
    assert_eq!((&summary["verdict"], &summary["delegate"]), (&"deny".into(), &Value::Null), "{summary}");
    assert!(text(&output.stderr).contains(&format!("(process {})", server.pid())), "{output:?}");
}

#[test]
fn what_works_for_others_with_the_users_authority_is_refused_by_its_program() -> Result<()> {
    let world = World::new()?;
    let path = |name: &str| format!("unix:{}", world.home().join(name).display());
    let name = |name: &str| format!("unix:@{name}-{}", world.user.id);
    for (program, at, work) in [
        (OF_A_HELPER, path("tmux.sock"), "terminal"),
        (OF_A_HELPER, name("tmux"), "terminal"),
        ("opt/emacs-29.1", path("server"), "editor"),
        (".local/bin/rbw-agent", name("keys"), "keys"),
        ("opt/google/chrome/chrome", name("singleton"), "browser"),
        ("bin/watchman", path("watchman"), "builds"),
    ] {
        let mut server = Server::start(&world, program, &at)?;
        assert!(outside(&world, &at)?.contains("answer=done"), "no test: {program} does nothing");
        let (output, summary) = session(&world, "enforce", &[], &at, "{ask}; echo went on")?;
        assert_kept_from(&output, &summary, &server, program, &serde_json::json!({ "helper": work }));
        let denial = &summary["denials"][0];
        assert_eq!((&denial["stage"], &denial["op"]), (&"T0".into(), &"connect".into()), "{summary}");
        if summary["tier"] == "lsm" {
            assert!(text(&output.stdout).contains("errno=1"), "{output:?}");
        }
        assert_eq!(server.end()?, "work\n", "{program} was asked from inside");
    }
    Ok(())
}

#[test]
fn what_else_listens_outside_is_reached_and_named() -> Result<()> {
    let world = World::new()?;
    let at = format!("unix:@database-{}", world.user.id);
    let mut server = Server::start(&world, OF_NOBODY, &at)?;
    let (output, summary) = session(&world, "enforce", &[], &at, "{ask}; {ask}; sleep 1")?;
    assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
    let [peer] = peers(&summary, server.pid())[..] else { panic!("{summary}") };
    assert!(peer["program"].as_str().is_some_and(|program| program.ends_with(OF_NOBODY)), "{summary}");
    assert_eq!(
        (&peer["kind"], &peer["fate"], &peer["times"]),
        (&"other".into(), &"happened".into(), &2.into()),
        "{summary}"
    );
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary}");
    let said = text(&output.stderr);
    assert!(said.contains("reached    outside: `") && said.contains(OF_NOBODY), "{said}");
    for command in ["show", "tail"] {
        let told = text(&world.wardline([command, "last"]).output()?.stdout);
        assert!(told.contains(OF_NOBODY) && told.contains(&server.pid().to_string()), "{command}: {told}");
    }
    assert_eq!(server.end()?, "work\nwork\n");
    Ok(())
}

#[test]
fn what_the_session_has_started_itself_stays_open() -> Result<()> {
    let world = World::new()?;
    let path = format!("unix:{}", world.home().join("own.sock").display());
    for at in [path, format!("unix:@own-{}", world.user.id)] {
        let (output, summary) = session(&world, "enforce", &[], &at, "{both}")?;
        assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
        assert_eq!((&summary["denied"], &summary["peers"]), (&0.into(), &serde_json::json!([])), "{summary}");
    }
    Ok(())
}

/// Runs a script as the world's user, outside of any session.
fn alone(world: &World, script: &str) -> Result<String> {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .env_clear()
        .env("HOME", world.home())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output = command.uid(world.user.id).gid(world.user.id).current_dir(world.workspace()).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(text(&output.stdout))
}

#[test]
fn gits_cache_of_passwords_keeps_them() -> Result<()> {
    const FILL: &str = "printf 'protocol=https\\nhost=git.example\\n\\n' | GIT_TERMINAL_PROMPT=0 GIT_ASKPASS= \
                        git -c credential.helper=cache credential fill";
    let world = World::new()?;
    alone(
        &world,
        "printf 'protocol=https\\nhost=git.example\\nusername=u\\npassword=CANARY\\n\\n' | \
         git -c credential.helper='cache --timeout=600' credential approve",
    )?;
    let known = alone(&world, FILL)?;
    assert!(known.contains("password=CANARY"), "no test: {known}");
    let script = format!("export HOME={}; {FILL}; echo went on", world.home().display());
    let (output, summary) = session(&world, "enforce", &[], "", &script)?;
    let said = text(&output.stdout);
    assert!(said.contains("went on") && !said.contains("CANARY"), "{output:?}");
    let peer = summary["peers"].get(0).with_context(|| format!("{summary}"))?;
    assert_eq!(peer["kind"], serde_json::json!({ "helper": "keys" }), "{summary}");
    assert!(peer["program"].as_str().is_some_and(|program| program.contains("git")), "{summary}");
    assert!(alone(&world, FILL)?.contains("password=CANARY"), "the cache is gone");
    alone(&world, "git credential-cache exit")?;
    Ok(())
}
