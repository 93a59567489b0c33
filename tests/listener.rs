//! A program that listens and does what it is asked, and one that asks: by unix sockets, TCP and UDP. Both are the test's own
//! program, under whatever name it is started.

use crate::World;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// What the program is to do: `listen`, `ask`, `poll` or `both`.
pub const DEED: &str = "WARDLINE_TEST_LISTENER";
/// Where: `unix:PATH`, `unix:@NAME`, `tcp:IP:PORT`, `udp:IP:PORT` or, for one that answers nothing, `dgram:PATH`; several to ask, each apart by a blank.
pub const AT: &str = "WARDLINE_TEST_AT";
/// Who polls asks as soon as somebody listens, and as fast as it can, until this file is there or it is answered.
const UNTIL: &str = "WARDLINE_TEST_UNTIL";
/// Who begins to listen hands that on.
const HANDS_ON: &str = "WARDLINE_TEST_HANDS_ON";
/// The test of this program that only serves.
const ARGUMENTS: [&str; 4] = ["--exact", "program", "--nocapture", "--test-threads=1"];
/// Nobody's program, which only sounds like an agent's.
pub const OF_NOBODY: &str = "projects/codex/bin/server";
/// By its name, a helper's.
pub const OF_A_HELPER: &str = "bin/tmux";
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
const EPERM: i32 = 1;

/// Does what the environment says, and exits; returns where it says nothing.
pub fn serve() -> Result<()> {
    let Some(deed) = std::env::var_os(DEED) else { return Ok(()) };
    let at = std::env::var(AT)?;
    match deed.to_str().context("no text")? {
        "listen" => listen(&at)?,
        "inherit" => accept(&UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?), &at)?,
        "ask" => at.split(' ').for_each(|at| println!("\n{at} {}", said(ask(at)))),
        "poll" => poll(&at)?,
        _ => {
            let mut server = start(Command::new(std::env::current_exe()?), &at)?;
            println!("\n{} {}", server.at, said(ask(&server.at)));
            server.end()?;
        }
    }
    std::process::exit(0)
}

fn said(asked: io::Result<String>) -> String {
    match asked {
        Ok(answer) => format!("answer={answer}"),
        Err(error) => format!("errno={}", error.raw_os_error().unwrap_or_default()),
    }
}

/// Whether somebody listens at a port, by the kernel's table: who connects by TCP as fast as it can may do so between the hook on the
/// connect, which finds nobody, and the first packet.
fn is_there(at: &str) -> Result<bool> {
    let ("tcp", place) = split(at) else { return Ok(true) };
    let port: u16 = place.rsplit(':').next().context("no port")?.parse()?;
    let listens = |line: &str| line.contains(&format!(":{port:04X} 00000000:0000 0A "));
    Ok(fs::read_to_string("/proc/net/tcp")?.lines().any(listens))
}

/// Tells each error once, and its number of times.
fn poll(at: &str) -> Result<()> {
    let over = PathBuf::from(std::env::var_os(UNTIL).context("until when")?);
    let mut errors = BTreeMap::<i32, u64>::new();
    fs::write(over.with_extension("ready"), "")?;
    while !over.exists() {
        if !is_there(at)? {
            continue;
        }
        match ask(at) {
            Ok(answer) => {
                println!("\n{at} answer={answer}");
                break;
            }
            Err(error) => {
                let error = error.raw_os_error().unwrap_or_default();
                *errors.entry(error).or_default() += 1;
                if error == EPERM {
                    // What is refused is told each time.
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }
    errors.into_iter().for_each(|(error, times)| println!("\n{at} errno={error} times={times}"));
    Ok(())
}

fn split(at: &str) -> (&str, &str) {
    at.split_once(':').unwrap_or(("", at))
}

fn unix(at: &str) -> io::Result<SocketAddr> {
    match at.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(at),
    }
}

fn listen(at: &str) -> Result<()> {
    match split(at) {
        ("unix", place) => {
            let listener = UnixListener::bind_addr(&unix(place)?)?;
            if std::env::var_os(HANDS_ON).is_some() {
                let mut heir = Command::new(std::env::current_exe()?);
                heir.args(ARGUMENTS).env(DEED, "inherit").stdin(OwnedFd::from(listener)).spawn()?;
                return Ok(());
            }
            accept(&listener, at)
        }
        ("tcp", place) => {
            let listener = TcpListener::bind(place)?;
            ready(&format!("tcp:{}", listener.local_addr()?))?;
            loop {
                let (stream, _) = listener.accept()?;
                answer(stream)?;
            }
        }
        ("dgram", place) => {
            let socket = UnixDatagram::bind_addr(&unix(place)?)?;
            ready(at)?;
            loop {
                let mut asked = [0; 16];
                let len = socket.recv(&mut asked)?;
                heard(&String::from_utf8_lossy(&asked[..len]))?;
            }
        }
        ("udp", place) => {
            let socket = UdpSocket::bind(place)?;
            ready(&format!("udp:{}", socket.local_addr()?))?;
            loop {
                let mut asked = [0; 16];
                let (len, from) = socket.recv_from(&mut asked)?;
                heard(&String::from_utf8_lossy(&asked[..len]))?;
                socket.send_to(b"done", from)?;
            }
        }
        _ => bail!("{at} is no address"),
    }
}

fn accept(listener: &UnixListener, at: &str) -> Result<()> {
    ready(at)?;
    loop {
        let (stream, _) = listener.accept()?;
        answer(stream)?;
    }
}

fn ready(at: &str) -> io::Result<()> {
    println!("\nready {at} {}", std::process::id());
    io::stdout().flush()
}

fn heard(asked: &str) -> io::Result<()> {
    print!("{asked}");
    io::stdout().flush()
}

/// Who asked may be gone.
fn answer(mut stream: impl Read + Write) -> io::Result<()> {
    let mut asked = [0; 16];
    let len = stream.read(&mut asked).unwrap_or_default();
    heard(&String::from_utf8_lossy(&asked[..len]))?;
    let _ = stream.write_all(b"done");
    Ok(())
}

fn ask(at: &str) -> io::Result<String> {
    fn over(mut stream: impl Read + Write) -> io::Result<String> {
        stream.write_all(b"work\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
    match split(at) {
        ("unix", place) => over(UnixStream::connect_addr(&unix(place)?)?),
        ("tcp", place) => over(TcpStream::connect(place)?),
        ("dgram", place) => {
            UnixDatagram::unbound()?.send_to_addr(b"work\n", &unix(place)?).map(|_| "sent".to_owned())
        }
        // To many, as this machine alone receives them.
        ("many", place) => {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            rustix::net::sockopt::set_ip_multicast_if(&socket, &std::net::Ipv4Addr::LOCALHOST)?;
            socket.set_multicast_ttl_v4(0)?;
            socket.send_to(b"work\n", place).map(|_| "sent".to_owned())
        }
        (protocol, place) => {
            let socket = UdpSocket::bind(if place.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.set_read_timeout(Some(PATIENCE))?;
            if protocol == "udp" {
                socket.send_to(b"work\n", place)?;
            } else {
                socket.connect(place)?;
                socket.send(b"work\n")?;
            }
            let mut answer = [0; 16];
            let len = socket.recv(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..len]).into_owned())
        }
    }
}

/// A process that listens.
pub struct Server {
    child: Child,
    pid: u32,
    lines: BufReader<ChildStdout>,
    /// Where.
    pub at: String,
}

fn start(mut command: Command, at: &str) -> Result<Server> {
    command.args(ARGUMENTS).env(DEED, "listen").env(AT, at).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(lines.read_line(&mut line)? > 0, "the server has ended");
        if let Some((at, pid)) = line.trim().strip_prefix("ready ").and_then(|ready| ready.split_once(' ')) {
            return Ok(Server { child, pid: pid.parse()?, lines, at: at.to_owned() });
        }
    }
}

impl Server {
    /// Starts one outside of any session, as the world's user, from `path` in the home.
    pub fn start(world: &World, path: &str, at: &str) -> Result<Server> {
        start(Self::command(world, path)?, at)
    }

    /// The same, where who begins to listen hands that on to another process, and ends.
    pub fn hands_on(world: &World, path: &str, at: &str) -> Result<Server> {
        let mut command = Self::command(world, path)?;
        command.env(HANDS_ON, "1");
        let mut server = start(command, at)?;
        server.child.wait()?;
        Ok(server)
    }

    fn command(world: &World, path: &str) -> Result<Command> {
        let mut command = Command::new(program_at(world, path)?);
        command.uid(world.user.id).gid(world.user.id).current_dir("/");
        Ok(command)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it, and returns what it was asked for.
    pub fn end(&mut self) -> Result<String> {
        self.stop();
        let mut asked = String::new();
        self.lines.read_to_string(&mut asked)?;
        Ok(asked)
    }
}

impl Server {
    fn stop(&mut self) {
        // While its first process is not waited for, nobody else has the number of the one that it has started.
        let _ = rustix::process::Pid::from_raw(self.pid as i32)
            .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// This program, at a path of the home.
pub fn program_at(world: &World, path: &str) -> Result<PathBuf> {
    let program = world.home().join(path);
    if !program.exists() {
        world.write(&program, "")?;
        fs::copy(std::env::current_exe()?, &program)?;
    }
    Ok(program)
}

/// The words by which this program is started from a path of the home.
pub fn command_line(world: &World, path: &str) -> Result<String> {
    Ok(format!("{} {}", program_at(world, path)?.display(), ARGUMENTS.join(" ")))
}

/// What asks outside of any session, as the world's user.
pub fn outside(world: &World, at: &str) -> Result<String> {
    let mut command = Command::new(program_at(world, OF_NOBODY)?);
    command.args(ARGUMENTS).env(DEED, "ask").env(AT, at).uid(world.user.id).gid(world.user.id);
    Ok(String::from_utf8_lossy(&command.current_dir("/").output()?.stdout).into_owned())
}

/// A session, by its script: `{ask}` asks at each of these places, `{poll}` asks again and again until `over` is there in the
/// workspace, `{both}` listens there itself before, as a helper does.
pub fn session(world: &World, verb: &str, more: &[&str], at: &str, script: &str) -> Result<(Output, Value)> {
    let summary = world.path().join("summary.json");
    let file = summary.to_str().context("path")?;
    let mut args = world.session(verb, &[more, &["--summary-file", file]].concat());
    let both = format!("{DEED}=both {}", command_line(world, OF_A_HELPER)?);
    let ask = command_line(world, OF_NOBODY)?;
    let poll = format!("{UNTIL}={} {DEED}=poll {ask}", world.workspace().join("over").display());
    let script = script.replace("{ask}", &ask).replace("{poll}", &poll).replace("{both}", &both);
    args.extend(["bash", "-c", &script].map(str::to_owned));
    let output = world.wardline(args).env(AT, at).env(DEED, "ask").output()?;
    let summary = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok((output, serde_json::from_slice(&summary)?))
}
