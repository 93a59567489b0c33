//! An agent outside of the session is reached through its socket: it would do the work unguarded, so the session ends at
//! once and says what to do. What the session has started itself it may talk to.

use anyhow::{Context, Result, ensure};
use end_to_end::{World, wait_until};
use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Tells this very program what to do: `listen`, `ask` or `both`, and at which socket.
const VARIABLE: &str = "WARDLINE_TEST_DELEGATE";
/// The socket; with `@`, an abstract name.
const SOCKET: &str = "WARDLINE_TEST_SOCKET";
/// Where an agent's package has its program, and a place that only sounds so.
const OF_AN_AGENT: &str = ".npm-global/lib/node_modules/@openai/codex/bin/server";
const OF_NOBODY: &str = "projects/codex/bin/server";

#[test]
fn program() -> Result<()> {
    let Some(deed) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let socket = std::env::var(SOCKET)?;
    match deed.to_str().context("no text")? {
        "listen" => listen(&socket),
        "ask" => ask(&socket),
        _ => {
            let mut server = Command::new(std::env::current_exe()?);
            server.args(ARGUMENTS).env(VARIABLE, "listen").stdout(Stdio::piped());
            let mut server = Server::of(server.spawn()?)?;
            let asked = ask(&socket);
            server.end()?;
            asked
        }
    }?;
    std::process::exit(0)
}

const ARGUMENTS: [&str; 4] = ["--exact", "program", "--nocapture", "--test-threads=1"];

fn address(socket: &str) -> io::Result<SocketAddr> {
    match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

/// Does what it is asked: says so.
fn listen(socket: &str) -> Result<()> {
    let listener = UnixListener::bind_addr(&address(socket)?)?;
    println!("\nready");
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut asked = String::new();
        BufReader::new(&stream).read_line(&mut asked)?;
        print!("{asked}");
        io::stdout().flush()?;
        // Who asked may be gone.
        let _ = stream.write_all(b"done\n");
    }
}

fn ask(socket: &str) -> Result<()> {
    let stream = UnixStream::connect_addr(&address(socket)?);
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            println!("\nerrno={}", error.raw_os_error().unwrap_or_default());
            std::process::exit(1);
        }
    };
    stream.write_all(b"work\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("\nanswer={answer}");
    Ok(())
}

/// A process that listens.
struct Server {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts one outside of any session, as the world's user, from `path` in the home.
    fn start(world: &World, path: &str, socket: &str) -> Result<Server> {
        let mut command = Command::new(program_at(world, path)?);
        command.args(ARGUMENTS).env(VARIABLE, "listen").env(SOCKET, socket).stdout(Stdio::piped());
        command.uid(world.user.id).gid(world.user.id).current_dir("/");
        Server::of(command.spawn()?)
    }

    fn of(mut child: Child) -> Result<Server> {
        let mut lines = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        while line.trim() != "ready" {
            line.clear();
            ensure!(lines.read_line(&mut line)? > 0, "the server has ended");
        }
        Ok(Server { child, lines })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and returns what it was asked for.
    fn end(&mut self) -> Result<String> {
        self.child.kill()?;
        self.child.wait()?;
        let mut asked = String::new();
        self.lines.read_to_string(&mut asked)?;
        Ok(asked)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program, at a path of the home.
fn program_at(world: &World, path: &str) -> Result<PathBuf> {
    let program = world.home().join(path);
    if !program.exists() {
        world.write(&program, "")?;
        fs::copy(std::env::current_exe()?, &program)?;
    }
    Ok(program)
}

/// A session, by its script. `PROGRAM` is this program, named by nobody.
fn session(world: &World, verb: &str, more: &[&str], socket: &str, script: &str) -> Result<(Output, Value)> {
    let summary = world.path().join("summary.json");
    let file = summary.to_str().context("path")?;
    let mut args = world.session(verb, &[more, &["--summary-file", file]].concat());
    let program = program_at(world, OF_NOBODY)?;
    let script = script.replace("PROGRAM", &format!("{} {}", program.display(), ARGUMENTS.join(" ")));
    args.extend(["bash", "-c", &script].map(str::to_owned));
    let output = world.wardline(args).env(SOCKET, socket).env(VARIABLE, "ask").output()?;
    let summary = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok((output, serde_json::from_slice(&summary)?))
}

/// A socket in the home, and an abstract one.
fn sockets(world: &World) -> [String; 2] {
    [world.home().join("daemon.sock").display().to_string(), format!("@daemon-{}", world.user.id)]
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
        let script = "PROGRAM; sleep 60; touch went-on";
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
    }
    Ok(())
}

#[test]
fn what_the_session_started_itself_and_what_is_no_agent_is_talked_to() -> Result<()> {
    let world = World::new()?;
    for socket in sockets(&world) {
        let program = program_at(&world, OF_AN_AGENT)?;
        let script = format!("{}=both {} {}", VARIABLE, program.display(), ARGUMENTS.join(" "));
        let (output, summary) = session(&world, "enforce", &[], &socket, &script)?;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
        assert_eq!((&summary["delegate"], &summary["denied"]), (&Value::Null, &Value::from(0)), "{summary}");
        let _ = fs::remove_file(&socket);
        let mut server = Server::start(&world, OF_NOBODY, &socket)?;
        let (output, summary) = session(&world, "enforce", &[], &socket, "PROGRAM")?;
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
    let (output, summary, mut server) = late(&world, &path, "sleep 3; PROGRAM; sleep 60")?;
    assert_ended(&output, &summary, server.pid());
    assert_eq!(server.end()?, "", "it was known by then");
    // At once: it may be asked before it is known, and the session goes no further.
    let world = World::new()?;
    let [_, name] = sockets(&world);
    let (output, summary, server) = late(&world, &name, "PROGRAM >/dev/null; sleep 60; touch went-on")?;
    assert_ended(&output, &summary, server.pid());
    assert!(!world.workspace().join("went-on").exists());
    Ok(())
}

#[test]
fn an_agent_in_another_session_is_outside() -> Result<()> {
    let world = World::new()?;
    let [path, _] = sockets(&world);
    let agent = program_at(&world, OF_AN_AGENT)?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.push(agent.display().to_string());
    args.extend(ARGUMENTS.map(str::to_owned));
    let mut first = world.wardline(args);
    let mut first = first.env(VARIABLE, "listen").env(SOCKET, &path).stdout(Stdio::piped()).spawn()?;
    ensure!(wait_until(Duration::from_secs(120), || Path::new(&path).exists()), "the first does not listen");
    let (output, summary) = session(&world, "enforce", &[], &path, "PROGRAM; sleep 60")?;
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
    let (output, summary) = session(&world, "enforce", &["--shadow"], &path, "PROGRAM")?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
    assert_eq!(summary["delegate"]["pid"], server.pid(), "{summary}");
    assert!(text(&output.stderr).contains(&format!("(process {})", server.pid())), "{output:?}");
    assert_eq!(server.end()?, "work\n");
    Ok(())
}
