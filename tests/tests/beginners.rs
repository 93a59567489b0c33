//! Who begins to listen while a session tries to reach them all the time: a helper gets nothing, and any other server what it is
//! sent, from clients that know nothing of this.

use anyhow::{Context, Result, ensure};
use end_to_end::bypass::{self, Fate};
use end_to_end::listener::{self, OF_A_HELPER, OF_NOBODY, Server, command_line, session};
use end_to_end::scene::can_refuse;
use end_to_end::{World, wait_until};
use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

/// What the program that tries is to do, how long for, and where it says that it has begun: apart by blanks.
const TRIES: &str = "WARDLINE_TEST_TRIES";
const OUTSIDE: &str = "Somebody outside is reached";
/// Longer than a look takes to come where nothing wakes it.
const AFTER: Duration = Duration::from_millis(900);
/// For a session to begin on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries: those who decide need a processor as well.
const BETWEEN: Duration = Duration::from_millis(1);
/// Servers that begin one after another in one session.
const SERVERS: u16 = 6;

/// The program that tries, and those that listen.
#[test]
fn program() -> Result<()> {
    let Some(tries) = std::env::var(TRIES).ok() else { return listener::serve() };
    let words: Vec<&str> = tries.split(' ').collect();
    let [how, seconds, begun, at @ ..] = &words[..] else { anyhow::bail!("{tries}") };
    fs::write(begun, "")?;
    let until = Instant::now() + Duration::from_secs(seconds.parse()?);
    std::thread::scope(|scope| {
        for at in at {
            scope.spawn(move || match *how {
                "connects" => connects(at, until),
                "connects-before" => connects_before(at, until),
                _ => connects_to_unix(at, until),
            });
        }
    });
    std::process::exit(0)
}

/// Connects as often as it can, and sends something over each connection that it has.
fn connects(at: &str, until: Instant) {
    let at: SocketAddr = at.parse().expect("an address");
    let mut kept = Vec::new();
    while Instant::now() < until {
        if let Ok(mut stream) = TcpStream::connect(at) {
            let _ = stream.write_all(b"work\n");
            kept.push(stream);
            // Some are closed, and what was written is left to the kernel.
            if kept.len() > 64 {
                kept.truncate(8);
            }
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Connects while nobody listens, by sockets whose first packet goes out with what is written: no hook is asked again then.
fn connects_before(at: &str, until: Instant) {
    const TCP_FASTOPEN_CONNECT: libc::c_int = 30;
    const TCP_FASTOPEN_NO_COOKIE: libc::c_int = 34;
    let at: SocketAddr = at.parse().expect("an address");
    let early = || -> io::Result<TcpStream> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        for option in [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE] {
            let on: libc::c_int = 1;
            // SAFETY: the value outlives the call.
            let failed = unsafe {
                libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const on).cast(), 4)
            };
            if failed != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        rustix::net::connect(&socket, &at)?;
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut early: Vec<_> = (0..32).map(|_| early().expect("a socket that connects later")).collect();
    let port = format!("0100007F:{:04X} 00000000:0000 0A", at.port());
    while Instant::now() < until {
        if !early.is_empty() && fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&port)) {
            for stream in &mut early {
                let _ = stream.write_all(b"work\n");
            }
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            early.clear();
        }
        std::thread::sleep(BETWEEN);
    }
}

fn connects_to_unix(at: &str, until: Instant) {
    while Instant::now() < until {
        if let Ok(mut stream) = UnixStream::connect(at) {
            let _ = stream.write_all(b"work\n");
        }
        std::thread::sleep(BETWEEN);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ports that nobody else has now, below those that the kernel picks.
fn ports() -> Result<Vec<u16>> {
    let free = (20_800..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: Vec<u16> = free.take(usize::from(SERVERS)).collect();
    ensure!(ports.len() == usize::from(SERVERS), "no free ports");
    Ok(ports)
}

/// A session that tries to reach all of these all the time, while a helper begins to listen at each; and what the helpers heard.
fn tried(world: &World, how: &str, at: &[(String, String)]) -> Result<(Output, Value, Vec<String>)> {
    let begun = world.workspace().join("begun");
    let places: Vec<&str> = at.iter().map(|(tried, _)| &**tried).collect();
    let seconds = u64::from(SERVERS) * AFTER.as_secs().max(1) + 2;
    let tries = format!("{how} {seconds} {} {}", begun.display(), places.join(" "));
    let script =
        format!("{TRIES}='{tries}' {} >tries.log 2>&1; echo went on", command_line(world, OF_NOBODY)?);
    std::thread::scope(|scope| {
        let guarded = scope.spawn(|| session(world, "enforce", &[], "", &script));
        let begins = || -> Result<Vec<String>> {
            ensure!(wait_until(PATIENCE, || begun.exists()), "the session tries nothing");
            std::thread::sleep(Duration::from_millis(300));
            let mut heard = Vec::new();
            for (_, listens) in at {
                let mut server = Server::start(world, OF_A_HELPER, listens)?;
                std::thread::sleep(AFTER);
                heard.push(server.end()?);
            }
            Ok(heard)
        };
        let heard = begins();
        let (output, summary) = guarded.join().expect("no panic")?;
        Ok((output, summary, heard?))
    })
}

#[test]
fn a_helper_that_begins_to_listen_hears_nothing_from_a_session_that_tries_all_the_time() -> Result<()> {
    for (how, way) in [
        ("connects", "a helper that begins to listen while the session connects all the time (tcp)"),
        (
            "connects-before",
            "a helper that begins to listen after the session has connected (tcp, fast open)",
        ),
    ] {
        let world = World::new()?;
        let at: Vec<_> = ports()?
            .into_iter()
            .map(|port| (format!("127.0.0.1:{port}"), format!("tcp:127.0.0.1:{port}")))
            .collect();
        let (output, summary, heard) = tried(&world, how, &at)?;
        assert!(text(&output.stdout).contains("went on"), "{how}: {output:?}");
        assert_eq!(heard, vec![String::new(); at.len()], "{how}: a helper was reached: {summary}");
        assert_eq!(
            (&summary["stopped"], &summary["verdict"]),
            (&0.into(), &"deny".into()),
            "{how}: {summary}"
        );
        let denials = summary["denials"].as_array().context("no denials")?;
        assert!(
            denials.iter().all(|denial| denial["stage"] == "T0" && denial["fate"] == "refused"),
            "{how}: {summary}"
        );
        bypass::came(OUTSIDE, way, "a user", Fate::Refused);
    }
    Ok(())
}

#[test]
fn a_helper_that_begins_to_listen_at_a_unix_socket_hears_nothing_where_that_can_be_refused() -> Result<()> {
    let world = World::new()?;
    let path = |n: u16| world.home().join(format!("late-{n}.sock")).display().to_string();
    let at: Vec<_> = (0..SERVERS).map(|n| (path(n), format!("unix:{}", path(n)))).collect();
    let (output, summary, heard) = tried(&world, "unix", &at)?;
    let way = "a helper that begins to listen while the session connects all the time (unix)";
    if can_refuse() {
        assert!(text(&output.stdout).contains("went on"), "{output:?}");
        assert_eq!(heard, vec![String::new(); at.len()], "a helper was reached: {summary}");
        assert_eq!((&summary["stopped"], &summary["verdict"]), (&0.into(), &"deny".into()), "{summary}");
        bypass::came(OUTSIDE, way, "a user", Fate::Refused);
    } else {
        // By the call itself, or by its record where nobody had looked yet.
        let stopped = |peer: &Value| peer["fate"] == "happened-and-stopped";
        assert!(summary["peers"].as_array().is_some_and(|peers| peers.iter().any(stopped)), "{summary}");
        assert_eq!(summary["verdict"], "deny", "{summary}");
        bypass::came(OUTSIDE, way, "a user", Fate::Stopped);
    }
    Ok(())
}

/// A session in which `script` runs once a server of nobody's has begun to listen.
fn as_it_begins(world: &World, at: &str, script: &str) -> Result<(Output, Value, String)> {
    let place = |name: &str| -> PathBuf { world.workspace().join(name) };
    let script = format!("touch waits; while [ ! -e begun ]; do sleep 0.001; done; {script}");
    std::thread::scope(|scope| {
        let guarded = scope.spawn(|| session(world, "enforce", &[], at, &script));
        let begins = || -> Result<Server> {
            ensure!(wait_until(PATIENCE, || place("waits").exists()), "the session does not begin");
            let server = Server::start(world, OF_NOBODY, at)?;
            fs::write(place("begun"), "")?;
            Ok(server)
        };
        let server = begins();
        let (output, summary) = guarded.join().expect("no panic")?;
        Ok((output, summary, server?.end()?))
    })
}

#[test]
fn a_server_that_has_just_begun_is_reached_by_a_client_that_connects_once() -> Result<()> {
    let ports = ports()?;
    for at in [format!("tcp:127.0.0.1:{}", ports[0]), format!("tcp:[::1]:{}", ports[1])] {
        let world = World::new()?;
        let (output, summary, heard) = as_it_begins(&world, &at, "{ask}; sleep 1")?;
        assert!(text(&output.stdout).contains(&format!("{at} answer=done")), "{output:?}");
        assert_eq!(heard, "work\n");
        assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary}");
        let [peer] = &summary["peers"].as_array().context("no peers")?[..] else { panic!("{summary}") };
        assert_eq!((&peer["kind"], &peer["fate"]), (&"other".into(), &"happened".into()), "{summary}");
    }
    Ok(())
}

/// As those do who wait for a server: nobody listens at a unix socket yet, as far as they see.
#[test]
fn a_server_that_has_just_begun_at_a_unix_socket_is_reached_by_who_waits_for_it() -> Result<()> {
    let world = World::new()?;
    let at = format!("unix:{}", world.home().join("server.sock").display());
    let script = "for n in {1..20}; do {ask} | grep answer=done && break; sleep 0.05; done; sleep 1";
    let (output, summary, heard) = as_it_begins(&world, &at, script)?;
    assert!(text(&output.stdout).contains("answer=done"), "{output:?}");
    assert_eq!(heard, "work\n");
    assert_eq!((&summary["denied"], &summary["stopped"]), (&0.into(), &0.into()), "{summary}");
    Ok(())
}
