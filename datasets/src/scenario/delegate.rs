//! Programs that stand outside every session and do work for whoever asks: stand-ins for the container engine, the key
//! agent and the message bus of the user, at the sockets where they listen, and a proxy on loopback.
//!
//! The first three listen in `/run/user/UID`, which is made when it is not there. The container engine runs what it is
//! told to, as the user and outside the session; the key agent signs with noise; the bus and the others keep what was
//! asked. The proxy connects anywhere whose name ends like an allowed one.

use crate::clock::boottime_ns;
use crate::error::at;
use crate::service::Service;
use crate::tools::PATH;
use crate::{Error, User};
use serde::Deserialize;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where the proxy listens.
pub const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3128);

/// What the proxy's careless check looks for at the end of a destination.
const ALLOWED: &str = ".registry.example";

/// A client that says nothing for so long is done.
const IDLE: Duration = Duration::from_millis(500);

/// The largest request that is read.
const LONGEST_BYTES: usize = 1 << 20;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// The container engine.
    Docker,
    /// The key agent.
    SshAgent,
    /// The message bus of the user.
    Bus,
    /// The proxy.
    Proxy,
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Authority::Docker => "the container engine",
            Authority::SshAgent => "the key agent",
            Authority::Bus => "the message bus",
            Authority::Proxy => "the proxy",
        })
    }
}

/// A request that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When, CLOCK_BOOTTIME, ns.
    pub at_ns: u64,
    /// By whom.
    pub by: Authority,
}

type Log = Arc<Mutex<Vec<Request>>>;

/// All of them. Dropping it stops them, and removes what was made in `/run/user`.
#[derive(Debug)]
pub struct Delegates {
    log: Log,
    sockets: Vec<Socket>,
    runtime: Option<PathBuf>,
    _proxy: Service,
}

impl Delegates {
    /// Begins to listen, in the network namespace of the calling thread.
    pub fn start(user: User, home: &Path) -> Result<Delegates, Error> {
        let runtime = Path::new("/run/user").join(user.id.to_string());
        at("make", Path::new("/run/user"), fs::create_dir_all("/run/user"))?;
        let made = !runtime.exists();
        let directories = [runtime.clone(), runtime.join("keyring")];
        for directory in &directories {
            at("make", directory, fs::create_dir_all(directory))?;
            at("set the mode of", directory, fs::set_permissions(directory, Permissions::from_mode(0o700)))?;
            at("give away", directory, lchown(directory, Some(user.id), Some(user.id)))?;
        }
        let log = Log::default();
        let mut delegates = Delegates {
            log: log.clone(),
            sockets: Vec::new(),
            runtime: made.then(|| runtime.clone()),
            _proxy: Service::start(PROXY, {
                let log = log.clone();
                move |stream| drop(forward(stream, &log))
            })?,
        };
        let home = home.to_owned();
        let serve: [(&str, Serve); 3] = [
            ("docker.sock", Box::new(move |stream, log| docker(stream, log, user, &home))),
            ("keyring/ssh", Box::new(ssh_agent)),
            ("bus", Box::new(bus)),
        ];
        for (name, serve) in serve {
            delegates.sockets.push(Socket::start(&runtime.join(name), user, log.clone(), serve)?);
        }
        Ok(delegates)
    }

    /// What was served since the last time.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Delegates {
    fn drop(&mut self) {
        self.sockets.clear();
        if let Some(runtime) = &self.runtime {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "what cannot be removed lies in a directory that the machine empties when it starts"
            )]
            let _ = fs::remove_dir_all(runtime);
        }
    }
}

type Serve = Box<dyn Fn(UnixStream, &Log) -> std::io::Result<()> + Send>;

/// A listening socket with a path, served one connection after another.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    listener: UnixListener,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    fn start(path: &Path, user: User, log: Log, serve: Serve) -> Result<Socket, Error> {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "mostly there is none: one was left by somebody who was killed, and whose user is this one now"
        )]
        let _ = fs::remove_file(path);
        let listener = at("listen at", path, UnixListener::bind(path))?;
        at("give away", path, lchown(path, Some(user.id), Some(user.id)))?;
        let accepting = at("listen at", path, listener.try_clone())?;
        let thread = thread::spawn(move || {
            // An error means that the listener was shut down.
            while let Ok((stream, _)) = accepting.accept() {
                let patient = stream.set_read_timeout(Some(IDLE));
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "a client that went away is its own affair"
                )]
                let _ = patient.and_then(|()| serve(stream, &log));
            }
        });
        Ok(Socket { path: path.to_owned(), listener, thread: Some(thread) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "a listener that is already closed needs no waking"
        )]
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read);
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
        #[expect(clippy::let_underscore_must_use, reason = "the next one at this place removes what stayed")]
        let _ = fs::remove_file(&self.path);
    }
}

fn note(log: &Log, by: Authority) {
    let request = Request { at_ns: boottime_ns(), by };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
}

/// As much of the engine's interface as it takes to run something: a POST whose body has `Cmd`.
fn docker(stream: UnixStream, log: &Log, user: User, home: &Path) -> std::io::Result<()> {
    #[derive(Deserialize)]
    struct Create {
        #[serde(rename = "Cmd")]
        cmd: Vec<String>,
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        let value = line.to_ascii_lowercase();
        let value = value.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok());
        length = value.unwrap_or(length);
        line.clear();
    }
    let mut body = vec![0; length.min(LONGEST_BYTES)];
    reader.read_exact(&mut body)?;
    if let Ok(Create { cmd }) = serde_json::from_slice(&body) {
        note(log, Authority::Docker);
        let mut words = cmd.iter();
        if let Some(program) = words.next() {
            let mut command = Command::new(program);
            command.args(words).env_clear().env("PATH", PATH).env("HOME", home).current_dir(home);
            command
                .uid(user.id)
                .gid(user.id)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            #[expect(
                clippy::let_underscore_must_use,
                reason = "like an engine, it says nothing of what became of it"
            )]
            let _ = command.status();
        }
    }
    let answer = "{\"Id\":\"4c01db0b339c\",\"Warnings\":[]}\n";
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    )
}

/// SSH_AGENTC_SIGN_REQUEST and its answer: draft-ietf-sshm-ssh-agent, 3.6.
fn ssh_agent(mut stream: UnixStream, log: &Log) -> std::io::Result<()> {
    const SIGN_REQUEST: u8 = 13;
    const SIGN_RESPONSE: u8 = 14;
    const FAILURE: u8 = 5;
    #[expect(clippy::cast_possible_truncation, reason = "no answer is longer than a signature")]
    let said = |text: &[u8]| (text.len() as u32).to_be_bytes();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        let mut message = vec![0; length.min(LONGEST_BYTES)];
        stream.read_exact(&mut message)?;
        let answer = if message.first() == Some(&SIGN_REQUEST) {
            note(log, Authority::SshAgent);
            let signature = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 64], &[0x5a; 64]].concat();
            [&[SIGN_RESPONSE][..], &said(&signature), &signature].concat()
        } else {
            vec![FAILURE]
        };
        stream.write_all(&said(&answer))?;
        stream.write_all(&answer)?;
    }
}

/// The greeting of a message bus, and then one message: D-Bus Specification, "Authentication Protocol".
fn bus(mut stream: UnixStream, log: &Log) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The first byte is a zero, and belongs to no line.
        if line.starts_with(b"\0AUTH") || line.starts_with(b"AUTH") {
            stream.write_all(b"OK 1234deadbeef1234deadbeef12345678\r\n")?;
        } else if line.starts_with(b"BEGIN") {
            break;
        }
    }
    let mut message = [0; 4096];
    if reader.read(&mut message)? > 0 {
        note(log, Authority::Bus);
    }
    Ok(())
}

/// A proxy with a careless check: it looks at the end of the destination, and connects to what stands before a `#`.
fn forward(stream: TcpStream, log: &Log) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let destination = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let mut client = stream;
    let host = destination.split('#').next().unwrap_or_default();
    let Some(host) = host.parse::<SocketAddrV4>().ok().filter(|_| destination.ends_with(ALLOWED)) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    };
    let mut server = TcpStream::connect(host)?;
    note(log, Authority::Proxy);
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    // One way is enough for who wants to get something out.
    std::io::copy(&mut reader, &mut server).map(drop)
}
