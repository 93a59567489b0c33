//! What a session reaches outside of itself is decided by who listens: helpers that work with the user's authority are
//! refused, what else listens is named, and what the session has started itself stays open.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

mod baseline;

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use end_to_end::bypass::{self, Fate};
use end_to_end::listener::{self, OF_A_HELPER, OF_NOBODY, Server, outside, session};
use end_to_end::scene::{is_lsm, kernel};
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

/// The heading of the page.
const OUTSIDE: &str = "Somebody outside is reached";

/// Says what came of a way: refused, or its maker was stopped.
fn came(way: &str, summary: &Value) -> Result<()> {
    let fate = match summary["denials"][0]["fate"].as_str() {
        Some("refused") => Fate::Refused,
        Some("happened-and-stopped") => Fate::Stopped,
        other => anyhow::bail!("{other:?}: {summary}"),
    };
    bypass::came(OUTSIDE, way, "a user", fate);
    Ok(())
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
        let place = if at.contains('@') { "an abstract socket" } else { "a socket in the home" };
        let name = program.rsplit('/').next().unwrap_or(program);
        came(&format!("a helper, by {place} at which `{name}` listens"), &summary)?;
    }
    Ok(())
}

/// What is sent to many is sent to a helper that listens for it, too.
#[test]
fn a_helper_is_reached_by_no_address_of_many() -> Result<()> {
    let world = World::new()?;
    let mut server = Server::start(&world, OF_A_HELPER, "udp:0.0.0.0:0")?;
    let port = server.at.rsplit(':').next().context("no port")?.to_owned();
    let at = format!("many:224.0.0.1:{port}");
    assert!(outside(&world, &at)?.contains("answer=sent"), "no test");
    let (output, summary) = session(&world, "enforce", &[], &at, "{ask}; echo went on")?;
    let said = text(&output.stdout);
    assert!(said.contains("went on") && said.contains("errno=1"), "{output:?}");
    let denial = &summary["denials"][0];
    let told = (&denial["stage"], &denial["op"], &denial["fate"]);
    assert_eq!(told, (&"T0".into(), &"send".into(), &"refused".into()), "{summary}");
    assert_eq!(server.end()?, "work\n", "it was asked from inside");
    came("a helper, by a datagram to many (multicast)", &summary)
}

/// Whom a datagram has reached, the kernel says while it is sent (since Linux 6.3).
#[test]
fn a_helper_is_sent_no_datagram() -> Result<()> {
    let world = World::new()?;
    for at in [
        format!("dgram:{}", world.home().join("tmux.sock").display()),
        format!("dgram:@tmux-{}", world.user.id),
    ] {
        let mut server = Server::start(&world, OF_A_HELPER, &at)?;
        assert!(outside(&world, &at)?.contains("answer=sent"), "no test");
        let (output, summary) = session(&world, "enforce", &[], &at, "{ask}; {ask}; echo went on")?;
        let said = text(&output.stdout);
        assert!(said.contains("went on"), "{output:?}");
        if !is_lsm(&summary)? && kernel() < (6, 3) {
            assert_eq!((said.matches("answer=sent").count(), server.end()?), (2, "work\n".repeat(3)));
            continue;
        }
        assert!(!said.contains("answer="), "{output:?}");
        let denial = &summary["denials"][0];
        assert_eq!((&denial["stage"], &denial["op"]), (&"T0".into(), &"send".into()), "{summary}");
        assert_eq!(summary["verdict"], "deny", "{summary}");
        let (fate, heard) = if is_lsm(&summary)? { ("refused", 1) } else { ("happened-and-stopped", 3) };
        assert_eq!((&denial["fate"], server.end()?), (&fate.into(), "work\n".repeat(heard)), "{summary}");
        came("a helper, by a datagram to a unix socket", &summary)?;
    }
    Ok(())
}

/// A shell outside that takes what comes out of a named pipe for commands, and one that opens it anew for each.
#[test]
fn what_is_written_into_a_pipe_that_is_read_outside_is_stopped_and_told() -> Result<()> {
    for script in [
        "while read -r line; do eval \"$line\"; done <pipe",
        "while read -r line <pipe; do eval \"$line\"; done",
    ] {
        let world = World::new()?;
        let home = world.home();
        alone(&world, &format!("cd {}; mkfifo pipe", home.display()))?;
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).current_dir(&home).uid(world.user.id).gid(world.user.id);
        let mut shell = shell.spawn()?;
        let writes = format!("echo 'touch done' >{}/pipe; sleep 4; echo went on", home.display());
        let came = session(&world, "enforce", &[], "", &writes);
        shell.kill()?;
        shell.wait()?;
        let (output, summary) = came?;
        let peer = summary["peers"].get(0).with_context(|| format!("{summary}"))?;
        assert!(peer["at"].as_str().is_some_and(|at| at.ends_with("/pipe")), "{summary}");
        assert_eq!(peer["fate"], "happened-and-stopped", "{summary}");
        assert_eq!(
            (&summary["verdict"], &summary["stopped_by"]),
            (&"deny".into(), &"T0".into()),
            "{output:?}"
        );
        bypass::came(
            OUTSIDE,
            "a shell, by a named pipe that it reads commands from",
            "a user",
            Fate::Stopped,
        );
    }
    Ok(())
}

/// As `fish` does, to tell others of its kind.
#[test]
fn a_pipe_that_is_opened_for_both_is_told_and_no_more() -> Result<()> {
    let world = World::new()?;
    let home = world.home();
    alone(&world, &format!("cd {}; mkfifo pipe", home.display()))?;
    let mut shell = Command::new("bash");
    shell.args(["-c", "exec 3<>pipe; sleep 1000 & wait"]).current_dir(&home);
    let mut shell = shell.uid(world.user.id).gid(world.user.id).process_group(0).spawn()?;
    let script = format!("exec 3<>{}/pipe; sleep 4; echo went on", home.display());
    let came = session(&world, "enforce", &[], "", &script);
    let group = rustix::process::Pid::from_raw(shell.id() as i32).context("no group")?;
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
    shell.wait()?;
    let (output, summary) = came?;
    assert_eq!(text(&output.stdout), "went on\n", "{output:?}");
    let peer = summary["peers"].get(0).with_context(|| format!("{summary}"))?;
    assert_eq!((&peer["fate"], &summary["stopped"]), (&"happened".into(), &0.into()), "{summary}");
    assert!(text(&output.stderr).contains("/pipe"), "{output:?}");
    Ok(())
}

#[test]
fn a_pipe_that_the_session_reads_itself_is_its_own() -> Result<()> {
    let world = World::new()?;
    let script =
        "mkfifo pipe; for n in 1 2; do cat pipe & echo hi >pipe; wait; done; cat <(echo more); sleep 3";
    let (output, summary) = session(&world, "enforce", &[], "", script)?;
    assert_eq!(text(&output.stdout), "hi\nhi\nmore\n", "{output:?}");
    assert_eq!(
        (&summary["peers"], &summary["verdict"]),
        (&serde_json::json!([]), &"allow".into()),
        "{summary}"
    );
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
    let way = "a server that is no helper, by an abstract socket, without a baseline (the summary names it)";
    bypass::came(OUTSIDE, way, "a user", Fate::Happened);
    Ok(())
}

#[test]
fn what_the_session_has_started_itself_stays_open() -> Result<()> {
    let world = World::new()?;
    let path = format!("unix:{}", world.home().join("own.sock").display());
    let internet = ["tcp:127.0.0.1:0", "tcp:[::1]:0", "udp:127.0.0.1:0"].map(str::to_owned);
    for at in [path, format!("unix:@own-{}", world.user.id)].into_iter().chain(internet) {
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
    came("git's cache of passwords", &summary)?;
    alone(&world, "git credential-cache exit")?;
    Ok(())
}

/// Wherever an address leads on this machine, who listens there decides.
#[test]
fn a_helper_is_reached_by_no_address_of_this_machine() -> Result<()> {
    let world = World::new()?;
    let at = |protocol: &str, ips: &[&str], port: &str| -> Vec<String> {
        ips.iter().map(|ip| format!("{protocol}:{ip}:{port}")).collect()
    };
    let four = ["127.0.0.1", "127.9.8.7", "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]"];
    for (protocol, bound, ips) in [
        ("tcp", "0.0.0.0", &four[..]),
        ("tcp", "127.0.0.2", &["127.0.0.2"]),
        ("tcp", "[::1]", &["[::1]", "[::]"]),
        ("udp", "0.0.0.0", &four[..3]),
        ("connected-udp", "127.0.0.1", &["127.0.0.1", "0.0.0.0"]),
        ("udp", "[::1]", &["[::1]", "[::]"]),
    ] {
        let listens = protocol.trim_start_matches("connected-");
        let mut server = Server::start(&world, OF_A_HELPER, &format!("{listens}:{bound}:0"))?;
        let port = server.at.rsplit(':').next().context("port")?;
        let asked = at(protocol, ips, port);
        let free = outside(&world, &asked.join(" "))?;
        assert_eq!(free.matches("answer=done").count(), ips.len(), "no test: {free}");
        let (output, summary) = session(&world, "enforce", &[], &asked.join(" "), "{ask}; echo went on")?;
        let said = text(&output.stdout);
        assert_eq!(said.matches("errno=1\n").count(), ips.len(), "{said}");
        assert!(said.contains("went on"), "{said}");
        assert_eq!(summary["denied"], ips.len(), "{summary}");
        let denial = &summary["denials"][0];
        assert_eq!((&denial["stage"], &denial["means"]), (&"T0".into(), &"cgroup".into()), "{summary}");
        let peers = peers(&summary, server.pid());
        let times: u64 = peers.iter().filter_map(|peer| peer["times"].as_u64()).sum();
        assert_eq!(times, ips.len() as u64, "{summary}");
        for peer in peers {
            assert_eq!((&peer["kind"]["helper"], &peer["fate"]), (&"terminal".into(), &"refused".into()));
        }
        assert_eq!(server.end()?.matches("work").count(), ips.len(), "it was asked from inside");
        for ip in ips {
            came(&format!("a helper, by `{ip}` ({protocol}), where it listens at `{bound}`"), &summary)?;
        }
    }
    Ok(())
}

#[test]
fn a_server_of_another_kind_is_reached_at_its_port_and_named() -> Result<()> {
    let world = World::new()?;
    for at in ["tcp:127.0.0.1:0", "udp:127.0.0.1:0"] {
        let mut server = Server::start(&world, OF_NOBODY, at)?;
        let (output, summary) = session(&world, "enforce", &[], &server.at.clone(), "{ask}; sleep 2")?;
        assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
        let [peer] = peers(&summary, server.pid())[..] else { panic!("{summary}") };
        assert!(peer["program"].as_str().is_some_and(|program| program.ends_with(OF_NOBODY)), "{summary}");
        assert_eq!((&peer["kind"], &peer["fate"]), (&"other".into(), &"happened".into()), "{summary}");
        assert_eq!(&summary["denied"], 0, "{summary}");
        let told = text(&world.wardline(["show", "last"]).output()?.stdout);
        assert!(told.contains(OF_NOBODY), "{told}");
        assert_eq!(server.end()?, "work\n");
        let protocol = at.split(':').next().unwrap_or_default();
        let way = format!(
            "a server (a proxy, say) at loopback ({protocol}), without a baseline (the summary names it)"
        );
        bypass::came(OUTSIDE, &way, "a user", Fate::Happened);
    }
    Ok(())
}

/// As agents of keys do it: the kernel keeps for a unix socket who has begun to listen.
#[test]
fn who_listens_in_the_place_of_one_that_has_ended_is_known() -> Result<()> {
    let world = World::new()?;
    let path = format!("unix:{}", world.home().join("agent.1").display());
    for at in [path, format!("unix:@agent-{}", world.user.id)] {
        let mut server = Server::hands_on(&world, "bin/ssh-agent", &at)?;
        assert!(outside(&world, &at)?.contains("answer=done"), "no test");
        let (output, summary) = session(&world, "enforce", &[], &at, "{ask}; echo went on")?;
        assert_kept_from(
            &output,
            &summary,
            &server,
            "bin/ssh-agent",
            &serde_json::json!({ "helper": "keys" }),
        );
        assert_eq!(server.end()?, "work\n", "it was asked from inside");
        came("an agent of keys, by a socket at which another process had begun to listen", &summary)?;
    }
    Ok(())
}
