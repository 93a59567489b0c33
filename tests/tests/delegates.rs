//! An agent outside of the session is reached through its socket: it would do the work unguarded, so the session ends at
//! once and says what to do. What the session has started itself it may talk to.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::listener::{self, AT, DEED, OF_NOBODY, Server, command_line, session};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::process::{Output, Stdio};
use std::time::Duration;

/// Where an agent's package has its program; [`OF_NOBODY`] only sounds so.
const OF_AN_AGENT: &str = ".npm-global/lib/node_modules/@openai/codex/bin/server";

#[test]
fn program() -> Result<()> {
    listener::serve()
}

/// A socket in the home, and an abstract one.
fn sockets(world: &World) -> [String; 2] {
    [
        format!("unix:{}", world.home().join("daemon.sock").display()),
        format!("unix:@daemon-{}", world.user.id),
    ]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_ended(output: &Output, summary: &Value, server: u32) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(122), "{said}");
    assert!(!text(&output.stdout).contains("answer="), "{output:?}");
    assert_eq!(summary["delegate"]["pid"], server, "{summary}");
    assert_eq!(summary["delegate"]["agent"], "codex");
    let command = summary["delegate"]["command"].as_str().unwrap_or_default();
    assert!(command.contains(OF_AN_AGENT), "{summary}");
    assert_eq!(summary["verdict"], "kill", "{summary}");
    for words in [
        format!("(process {server}) is an agent (`codex`) outside of the session"),
        format!("`kill {server}`"),
        format!("`wardline enforce --attach {server}`"),
        "`codex --no-daemon`".to_owned(),
    ] {
        assert!(said.contains(&words), "`{words}` is not in {said}");
    }
}

#[test]
fn an_agent_outside_ends_the_session_before_it_is_asked_for_anything() -> Result<()> {
    let world = World::new()?;
    for (verb, socket) in ["enforce", "record"].into_iter().zip(sockets(&world)) {
        let mut server = Server::start(&world, OF_AN_AGENT, &socket)?;
        let script = "{ask}; sleep 60; touch went-on";
        let (output, summary) = session(&world, verb, &["--quiet"], &socket, script)?;
        assert_ended(&output, &summary, server.pid());
        assert_eq!(summary["denials"][0]["op"], "connect", "{summary}");
        assert_eq!(summary["denials"][0]["stage"], "T0", "{summary}");
        if summary["tier"] == "lsm" {
            // The session may be over before its program has read the error.
            let came = (&summary["denials"][0]["means"], &summary["denials"][0]["fate"]);
            assert_eq!(came, (&"lsm".into(), &"refused".into()), "{summary}");
        }
        assert!(!world.workspace().join("went-on").exists());
        assert_eq!(server.end()?, "", "it was asked for work");
        let fate = if summary["tier"] == "lsm" { Fate::Refused } else { Fate::Stopped };
        if verb == "enforce" {
            bypass::came(
                "Somebody outside is reached",
                "an agent's own daemon (the session ends)",
                "a user",
                fate,
            );
        }
    }
    Ok(())
}

#[test]
fn what_the_session_started_itself_and_what_is_no_agent_is_talked_to() -> Result<()> {
    let world = World::new()?;
    for socket in sockets(&world) {
        let script = format!("{DEED}=both {}", command_line(&world, OF_AN_AGENT)?);
        let (output, summary) = session(&world, "enforce", &[], &socket, &script)?;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
        assert_eq!((&summary["delegate"], &summary["denied"]), (&Value::Null, &Value::from(0)), "{summary}");
        let _ = fs::remove_file(socket.trim_start_matches("unix:"));
        let mut server = Server::start(&world, OF_NOBODY, &socket)?;
        let (output, summary) = session(&world, "enforce", &[], &socket, "{ask}")?;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
        assert_eq!((&summary["delegate"], &summary["denied"]), (&Value::Null, &Value::from(0)), "{summary}");
        assert_eq!(server.end()?, "work\n");
    }
    Ok(())
}

/// Starts a server when the session says that it runs.
fn late(world: &World, socket: &str, script: &str) -> Result<(Output, Value, Server)> {
    let (started, there) = (world.workspace().join("started"), world.workspace().join("there"));
    let script = format!("touch started; until [ -e there ]; do sleep 0.01; done; {script}");
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            ensure!(wait_until(Duration::from_secs(120), || started.exists()), "the session did not start");
            let server = Server::start(world, OF_AN_AGENT, socket)?;
            fs::write(&there, "")?;
            Ok(server)
        });
        let (output, summary) = session(world, "enforce", &[], socket, &script)?;
        let server = server.join().map_err(|_| anyhow::anyhow!("the server's thread panicked"))??;
        Ok((output, summary, server))
    })
}

#[test]
fn an_agent_that_starts_later_ends_the_session_too() -> Result<()> {
    let world = World::new()?;
    let [path, _] = sockets(&world);
    let (output, summary, mut server) = late(&world, &path, "sleep 3; {ask}; sleep 60")?;
    assert_ended(&output, &summary, server.pid());
    assert_eq!(server.end()?, "", "it was known by then");
    // At once: it may be asked before it is known, and the session goes no further.
    let world = World::new()?;
    let [_, name] = sockets(&world);
    let (output, summary, server) = late(&world, &name, "{ask} >/dev/null; sleep 60; touch went-on")?;
    assert_ended(&output, &summary, server.pid());
    assert!(!world.workspace().join("went-on").exists());
    Ok(())
}

#[test]
fn an_agent_in_another_session_is_outside() -> Result<()> {
    let world = World::new()?;
    let [path, _] = sockets(&world);
    let agent = command_line(&world, OF_AN_AGENT)?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(agent.split(' ').map(str::to_owned));
    let mut first = world.wardline(args);
    let mut first = first.env(DEED, "listen").env(AT, &path).stdout(Stdio::piped()).spawn()?;
    let socket = world.home().join("daemon.sock");
    ensure!(wait_until(Duration::from_secs(120), || socket.exists()), "the first does not listen");
    let (output, summary) = session(&world, "enforce", &[], &path, "{ask}; sleep 60")?;
    assert_eq!(output.status.code(), Some(122), "{output:?}");
    assert_eq!(summary["delegate"]["agent"], "codex", "{summary}");
    assert!(first.try_wait()?.is_none(), "the other session goes on");
    first.kill()?;
    first.wait()?;
    Ok(())
}

#[test]
fn a_shadow_says_it_and_goes_on() -> Result<()> {
    let world = World::new()?;
    let [path, _] = sockets(&world);
    let mut server = Server::start(&world, OF_AN_AGENT, &path)?;
    let (output, summary) = session(&world, "enforce", &["--shadow"], &path, "{ask}")?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
    assert_eq!(summary["delegate"]["pid"], server.pid(), "{summary}");
    assert!(text(&output.stderr).contains(&format!("(process {})", server.pid())), "{output:?}");
    assert_eq!(server.end()?, "work\n");
    Ok(())
}
