//! The broker's own process: becomes the user, reads the user's keys, and serves the connections that it is handed.

use crate::Error;
use broker::gpg::{Filter, Line, MAX_LINE};
use broker::{Agent, Config, Connection, Hosts, Keys, Loaded, Use, read_file};
use bstr::{BString, ByteSlice};
use nix::unistd::{Gid, Uid, User};
use rustix::process::DumpableBehavior;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of the longest message of a broker.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Connections of the session that are served at once.
const CONNECTIONS: usize = 64;
/// Files of gpg that a session gets a copy of: what is public, and how gpg is set up.
const KEYRING: [&str; 6] =
    ["pubring.kbx", "pubring.gpg", "trustdb.gpg", "gpg.conf", "common.conf", "public-keys.d/pubring.db"];
/// Bytes of the longest of these.
const KEYRING_BYTES: u64 = 64 << 20;

/// The kernel's own user without a name: `DEFAULT_OVERFLOWUID`.
const NOBODY: Uid = Uid::from_raw(65_534);
/// How long a refused request waits for its answer: whoever asks without an end occupies nobody.
const REFUSED: Duration = Duration::from_millis(10);

/// Whose keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: BString,
    /// The user's own agent.
    pub(super) agent: Option<BString>,
    /// The user's directory of gpg, where it is not `~/.gnupg`.
    pub(super) gnupg: Option<BString>,
    /// The session's directory of gpg.
    pub(super) keyring: BString,
}

/// What a connection that is handed on is for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    Ssh,
    Gpg,
}

/// What a broker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Prepared(Prepared),
    Used(Use),
}

/// What a broker knows of the user's keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Prepared {
    /// Files with private keys.
    pub keys: Vec<BString>,
    /// Files that the configuration of ssh is made of, and those of known hosts, wherever they lie.
    pub files: Vec<BString>,
    /// Sockets of agents that the configuration of ssh names.
    pub agents: Vec<BString>,
    /// The user has keys of gpg.
    pub gpg: bool,
    /// The user has any keys that can be used, or an agent.
    pub any: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The broker's whole life. Its standard input is the supervisor.
pub fn run() -> Result<(), Error> {
    let wrong = |e: io::Error| Error::io("the supervisor cannot be heard", e);
    let control = io::stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
    let control = Arc::new(UnixStream::from(control));
    let Some((start, _)) = wire::receive::<Start>(&control, MAX_BYTES)? else {
        return Ok(());
    };
    become_user(&start).map_err(|e| Error::io("the user cannot be changed", e))?;
    let saying = Arc::new(Mutex::new(Arc::clone(&control)));
    let say = move |said: &Said| {
        let control = saying.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::let_underscore_must_use, reason = "a supervisor that is gone is heard by who reads")]
        let _ = wire::send(&control, said, &[]);
    };
    let telling = say.clone();
    let tell: Arc<dyn Fn(Use) + Send + Sync> = Arc::new(move |used| telling(&Said::Used(used)));
    let (agent, gpg, prepared) = prepare(&start, &tell);
    say(&Said::Prepared(prepared));
    let (agent, gpg) = (Arc::new(agent), Arc::new(gpg));
    let running = Arc::new(AtomicUsize::new(0));
    while let Ok(Some((order, fds))) = wire::receive::<Order>(&control, MAX_BYTES) {
        let Some(stream) = fds.into_iter().next().map(UnixStream::from) else { continue };
        if running.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
            running.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (agent, gpg, counted) = (Arc::clone(&agent), Arc::clone(&gpg), Arc::clone(&running));
        let serve = move || {
            match order {
                Order::Ssh => serve_ssh(&agent, stream),
                Order::Gpg => gpg.serve(&stream),
            }
            counted.fetch_sub(1, Ordering::AcqRel);
        };
        if std::thread::Builder::new().spawn(serve).is_err() {
            running.fetch_sub(1, Ordering::AcqRel);
        }
    }
    Ok(())
}

/// Takes the user's ids, and shuts out the user's other processes. What decides about files and about who asks another agent
/// is the effective id, and about signals and tracing the real and the saved one: those are nobody's, so that no process of
/// the user's can end, stop or look into it (kill(2), ptrace(2)).
fn become_user(start: &Start) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(start.uid), Gid::from_raw(start.gid));
    let groups = User::from_uid(uid)
        .ok()
        .flatten()
        .and_then(|user| std::ffi::CString::new(user.name).ok())
        .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok());
    nix::unistd::setgroups(&groups.unwrap_or_else(|| vec![gid]))?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(NOBODY, uid, NOBODY)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    Ok(())
}

fn prepare(start: &Start, tell: &Arc<dyn Fn(Use) + Send + Sync>) -> (Agent, Gpg, Prepared) {
    let home = path_of(&start.home);
    let user = User::from_uid(Uid::from_raw(start.uid)).ok().flatten().map(|user| user.name);
    let config = Config::read(&home, user.as_deref().unwrap_or_default());
    let mut prepared = Prepared::default();
    let mut keys = Keys::default();
    let own = start.agent.as_ref().map(path_of);
    for agent in own.iter().chain(&config.agents) {
        keys.stand_before(agent.clone());
    }
    for path in config.keys.iter().chain(&config.others) {
        let Some(content) = read_file(path) else { continue };
        let shown = path.strip_prefix(&home).map_or(path.clone(), |rest| Path::new("~").join(rest));
        if broker::is_private(&content) {
            prepared.keys.push(path.as_os_str().as_bytes().into());
        }
        if let Loaded::Unusable(why, blob) = keys.add(&content, &shown.display().to_string())
            && config.keys.contains(path)
            && !blob.is_some_and(|blob| keys.has(&blob))
        {
            prepared.notes.push(format!("not to be used in the session: {why}"));
        }
    }
    let files = config.files.iter().chain(&config.known_hosts);
    prepared.files = files.map(|path| path.as_os_str().as_bytes().into()).collect();
    prepared.agents = config.agents.iter().map(|path| path.as_os_str().as_bytes().into()).collect();
    if config.agents.iter().any(|path| path.exists()) {
        prepared.notes.push(
            "`IdentityAgent` in your configuration of ssh leads to an agent that is closed to sessions: say \
             `IdentityAgent SSH_AUTH_SOCK` there, and ssh asks Wardline, which asks that agent"
                .into(),
        );
    }
    let mut hosts = Hosts::new(config.names);
    for path in &config.known_hosts {
        if let Some(content) = read_file(path) {
            hosts.read(&String::from_utf8_lossy(&content));
        }
    }
    for entry in fs::read_dir("/etc/ssh").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_bytes().starts_with(b"ssh_host_")
            && name.as_bytes().ends_with(b".pub")
            && let Some(content) = read_file(&entry.path())
        {
            hosts.here(&String::from_utf8_lossy(&content));
        }
    }
    let gnupg = start.gnupg.as_ref().map_or_else(|| home.join(".gnupg"), path_of);
    prepared.gpg = copy_keyring(&gnupg, &path_of(&start.keyring));
    prepared.any = prepared.gpg || !keys.is_empty();
    let gpg = Gpg { home, gnupg: start.gnupg.as_ref().map(path_of), tell: Arc::clone(tell) };
    let tell = Arc::clone(tell);
    (Agent::new(keys, hosts, Box::new(move |used| tell(used))), gpg, prepared)
}

/// Copies what is public; whether there was anything.
fn copy_keyring(from: &Path, to: &Path) -> bool {
    let mut any = false;
    for name in KEYRING {
        let (from, to) = (from.join(name), to.join(name));
        any |= copy(&from, &to).is_ok() && name.contains("pubring");
    }
    any
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(from)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > KEYRING_BYTES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut copy = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(&mut file.take(KEYRING_BYTES), &mut copy).map(drop)
}

fn serve_ssh(agent: &Agent, mut stream: UnixStream) {
    let mut connection = Connection::new(agent);
    while let Ok(Some(message)) = broker::read_message(&mut stream) {
        let answer = connection.answer(&message);
        if broker::is_failure(&answer) {
            std::thread::sleep(REFUSED);
        }
        if broker::write_message(&mut stream, &answer).is_err() {
            return;
        }
    }
}

/// The way to the user's own gpg-agent: through its restricted socket, `extra-socket` in gpg-agent(1).
struct Gpg {
    home: PathBuf,
    gnupg: Option<PathBuf>,
    tell: Arc<dyn Fn(Use) + Send + Sync>,
}

impl Gpg {
    fn serve(&self, session: &UnixStream) {
        if let Err(error) = self.pass(session) {
            let mut session = session;
            // GPG_ERR_NO_AGENT of the agent.
            #[expect(clippy::let_underscore_must_use, reason = "a session that is gone needs no answer")]
            let _ = session.write_all(b"ERR 67108941 No agent running <GPG Agent>\n");
            (self.tell)(Use {
                purpose: "gpg".into(),
                key: String::new(),
                host: String::new(),
                refused: Some(format!("your gpg-agent cannot be reached: {error}")),
            });
        }
    }

    /// Hands lines on in both directions, until one side is gone.
    fn pass(&self, session: &UnixStream) -> io::Result<()> {
        let agent = UnixStream::connect(self.socket()?)?;
        let (mut from_agent, mut to_session) = (agent.try_clone()?, session.try_clone()?);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                #[expect(clippy::let_underscore_must_use, reason = "either end may go at any time")]
                let _ = io::copy(&mut from_agent, &mut to_session);
                #[expect(clippy::let_underscore_must_use, reason = "who is gone is shut already")]
                let _ = to_session.shutdown(std::net::Shutdown::Both);
            });
            #[expect(clippy::let_underscore_must_use, reason = "either end may go at any time")]
            let _ = self.filter(session, &agent);
            #[expect(clippy::let_underscore_must_use, reason = "who is gone is shut already")]
            let _ = agent.shutdown(std::net::Shutdown::Both);
        });
        Ok(())
    }

    fn filter(&self, mut session: &UnixStream, mut agent: &UnixStream) -> io::Result<()> {
        let mut filter = Filter::default();
        let mut lines = BufReader::with_capacity(MAX_LINE, session);
        let mut line = Vec::with_capacity(MAX_LINE);
        loop {
            line.clear();
            let read = lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            let Some(text) = line.strip_suffix(b"\n") else { return Err(io::ErrorKind::InvalidData.into()) };
            match filter.line(text) {
                Line::Passed => agent.write_all(&line)?,
                Line::Used(used) => {
                    (self.tell)(used);
                    agent.write_all(&line)?;
                }
                Line::Refused(answer, used) => {
                    (self.tell)(used);
                    std::thread::sleep(REFUSED);
                    session.write_all(answer.as_bytes())?;
                }
            }
        }
    }

    /// The restricted socket; the agent is started where it does not run.
    fn socket(&self) -> io::Result<PathBuf> {
        let launched = self.gpgconf(&["--launch", "gpg-agent"]).stdout(Stdio::null()).status()?;
        if !launched.success() {
            return Err(io::Error::other("`gpgconf --launch gpg-agent` failed"));
        }
        let said = self.gpgconf(&["--list-dirs", "agent-extra-socket"]).output()?.stdout;
        let path = String::from_utf8_lossy(&said).trim().replace("%3a", ":").replace("%25", "%");
        if path.starts_with('/') {
            Ok(path.into())
        } else {
            Err(io::Error::other("`gpgconf` names no socket"))
        }
    }

    /// A command that is the user's in every way, as what it starts will be.
    fn gpgconf(&self, args: &[&str]) -> Command {
        let mut command = Command::new("gpgconf");
        command.args(args).env("HOME", &self.home).stdin(Stdio::null()).stderr(Stdio::null());
        let uid = rustix::process::geteuid();
        // SAFETY: one system call, in a process that has no other thread.
        unsafe {
            command.pre_exec(move || Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?));
        }
        if let Some(gnupg) = &self.gnupg {
            command.env("GNUPGHOME", gnupg);
        }
        command
    }
}

/// The path behind bytes.
pub(crate) fn path_of(bytes: &BString) -> PathBuf {
    PathBuf::from(bytes.to_os_str_lossy().into_owned())
}
