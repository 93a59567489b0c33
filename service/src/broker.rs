//! A session's broker: a process outside of it that uses the user's keys for the session. The supervisor listens on the
//! session's own sockets, looks at who connects, and hands members of the session on to the broker; nobody else reaches it.
//!
//! The broker acts as the user, since it reads the user's files and asks the user's own agents, and root has no business in
//! them. It cannot be traced, nor its memory read, nor be ended by the user's other processes (its real and saved ids, and
//! prctl(2), `PR_SET_DUMPABLE`), and the kernel side protects it as the supervisor. It ends with the supervisor's end of its
//! socket. Where it ends before, whoever connects is refused, and the session is told.

pub mod process;

use crate::Error;
use crate::starter::{self, Starter};
use crate::supervisor::peer::Peer;
use broker::Use;
use bstr::BString;
use event::SESSION_DIRECTORIES;
use guard::child::Child;
pub(crate) use process::path_of;
use process::{MAX_BYTES, Order, Prepared, Said, Start};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sys::process::is_held_alive;

/// How long reading the user's keys may take.
const PREPARING: Duration = Duration::from_secs(10);
/// How long it may take to end by itself.
const ENDING: Duration = Duration::from_secs(1);

/// Whose keys are used, and for which session.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The user.
    pub uid: u32,
    /// The user's group.
    pub gid: u32,
    /// The user's home.
    pub home: BString,
    /// The socket of the user's own agent.
    pub agent: Option<BString>,
    /// The directory of gpg, where it is not `~/.gnupg`.
    pub gnupg: Option<BString>,
    /// Name of the session's directory; of no other one that runs.
    pub name: String,
}

/// A session's broker, and what leads to it. Ends with it.
pub struct Broker {
    process: Child,
    control: UnixStream,
    directory: PathBuf,
    /// Until it serves.
    listeners: Option<Listeners>,
    prepared: Prepared,
    thread: Option<JoinHandle<()>>,
    /// It is to end.
    over: Arc<AtomicBool>,
}

/// Where the session's connections come in.
struct Listeners {
    ssh: UnixListener,
    gpg: UnixListener,
}

impl Broker {
    /// Starts one, and waits until it knows the user's keys.
    pub(crate) fn start(starter: &Starter, wanted: Wanted) -> Result<Self, Error> {
        let wrong =
            |e: std::io::Error| Error::io("the process that uses keys for the session cannot be started", e);
        let directory = Directory::create(&wanted)?;
        let (control, others) = UnixStream::pair().map_err(wrong)?;
        let process = starter.child(&starter::Order::Broker, &[others.as_fd()]).map_err(wrong)?;
        drop(others);
        let Directory { path: directory, listeners } = directory;
        // From here on everything goes with it, whatever fails.
        let mut broker = Self {
            process,
            control,
            directory,
            listeners: Some(listeners),
            prepared: Prepared::default(),
            thread: None,
            over: Arc::default(),
        };
        broker.prepared = broker.prepare(wanted).map_err(wrong)?;
        Ok(broker)
    }

    fn prepare(&self, wanted: Wanted) -> std::io::Result<Prepared> {
        let Wanted { uid, gid, home, agent, gnupg, .. } = wanted;
        let keyring = self.keyring().as_os_str().as_bytes().into();
        let start = Start { uid, gid, home, agent, gnupg, keyring };
        wire::send(&self.control, &start, &[])?;
        self.control.set_read_timeout(Some(PREPARING))?;
        let said = wire::receive::<Said>(&self.control, MAX_BYTES)?;
        self.control.set_read_timeout(None)?;
        match said {
            Some((Said::Prepared(prepared), _)) => Ok(prepared),
            _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn wait(&mut self) {
        let until = Instant::now() + ENDING;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The session's directory, for which no policy that was learned holds.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The session's directory of gpg.
    fn keyring(&self) -> PathBuf {
        self.directory.join("gnupg")
    }

    /// What it knows of the user's keys.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Variables by which the session's programs find it.
    pub fn variables(&self) -> Vec<(BString, BString)> {
        let value = |path: PathBuf| BString::from(path.as_os_str().as_bytes());
        let mut variables = vec![("SSH_AUTH_SOCK".into(), value(self.directory.join("ssh")))];
        if self.prepared.gpg {
            variables.push(("GNUPGHOME".into(), value(self.keyring())));
        }
        variables
    }

    /// Begins to hand connections on: those of processes of which `is_member` says so. Uses are told.
    pub fn serve(
        &mut self,
        is_member: impl Fn(u32) -> Result<bool, Error> + Send + 'static,
        tell: impl Fn(Use) + Send + 'static,
    ) -> Result<(), Error> {
        let wrong = |e: std::io::Error| Error::io("keys cannot be used for the session", e);
        let Some(listeners) = self.listeners.take() else { return Ok(()) };
        let control = self.control.try_clone().map_err(wrong)?;
        let (door, over) = (Door { control, listeners, strangers: 0 }, Arc::clone(&self.over));
        let thread = std::thread::Builder::new().name("broker".into());
        let serve = move || {
            // It takes the listeners along: whoever connects from here on is refused.
            door.keep(&is_member, &tell);
            if !over.load(Ordering::Acquire) {
                tell(Use::lost());
            }
        };
        self.thread = Some(thread.spawn(serve).map_err(wrong)?);
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // It ends by itself then, and what it has said is still heard.
        #[expect(clippy::let_underscore_must_use, reason = "a broker that is gone is waited for below")]
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        self.wait();
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = self.process.kill();
        // A file system of the user's may keep it from ending for ever: nobody waits for that.
        self.wait();
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(directory = %self.directory.display(), %error, "a session's directory was left");
        }
    }
}

/// A session's directory: root's, and passable. The user's are the sockets, and the directory of gpg, in which gpg makes files.
struct Directory {
    path: PathBuf,
    listeners: Listeners,
}

impl Directory {
    fn create(wanted: &Wanted) -> Result<Self, Error> {
        let path = Path::new(SESSION_DIRECTORIES).join(&wanted.name);
        Self::at(&path, wanted).inspect_err(|_| {
            #[expect(clippy::let_underscore_must_use, reason = "the error that led here is the one to tell")]
            let _ = fs::remove_dir_all(&path);
        })
    }

    fn at(path: &Path, wanted: &Wanted) -> Result<Self, Error> {
        let made = |path: &Path, e| Error::file(path, "made", e);
        // Whatever the umask of who started the supervisor.
        let passable = |path: &Path| {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o711))
        };
        passable(Path::new(SESSION_DIRECTORIES)).map_err(|e| made(path, e))?;
        #[expect(
            clippy::let_underscore_must_use,
            reason = "what a session of a supervisor that was killed left is gone, or cannot be made again below"
        )]
        let _ = fs::remove_dir_all(path);
        passable(path).map_err(|e| made(path, e))?;
        let keyring = path.join("gnupg");
        fs::DirBuilder::new().mode(0o700).create(&keyring).map_err(|e| made(&keyring, e))?;
        let listen = |path: PathBuf| {
            let listener = UnixListener::bind(&path).map_err(|e| Error::file(&path, "bound", e))?;
            listener
                .set_nonblocking(true)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
                .and_then(|()| chown(&path, Some(wanted.uid), Some(wanted.gid)))
                .map_err(|e| made(&path, e))?;
            Ok::<_, Error>(listener)
        };
        let (ssh, gpg) = (listen(path.join("ssh"))?, listen(keyring.join("S.gpg-agent"))?);
        chown(&keyring, Some(wanted.uid), Some(wanted.gid)).map_err(|e| made(&keyring, e))?;
        Ok(Self { path: path.to_owned(), listeners: Listeners { ssh, gpg } })
    }
}

/// Who looks at each connection that comes in.
struct Door {
    control: UnixStream,
    listeners: Listeners,
    /// Connections of processes that are not of the session.
    strangers: u64,
}

impl Door {
    /// Hands on connections, and tells of uses, until the broker is gone.
    fn keep(mut self, is_member: &dyn Fn(u32) -> Result<bool, Error>, tell: &dyn Fn(Use)) {
        loop {
            let Listeners { ssh, gpg } = &self.listeners;
            let fds = [self.control.as_fd(), ssh.as_fd(), gpg.as_fd()];
            let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let [is_said, is_ssh, is_gpg] = fds.map(|fd| !fd.revents().is_empty());
            if is_said {
                match wire::receive::<Said>(&self.control, MAX_BYTES) {
                    Ok(Some((Said::Used(used), _))) => tell(used),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return,
                }
            }
            let doors = [(is_ssh, ssh, Order::Ssh), (is_gpg, gpg, Order::Gpg)];
            for (_, listener, order) in doors.into_iter().filter(|(is_ready, ..)| *is_ready) {
                let Ok((stream, _)) = listener.accept() else { continue };
                match stranger(&stream, is_member) {
                    None if wire::send(&self.control, &order, &[stream.as_fd()]).is_err() => return,
                    None => {}
                    Some(peer) => {
                        self.strangers += 1;
                        // Who comes again and again fills no log.
                        if self.strangers == 1 {
                            tracing::warn!(
                                pid = peer,
                                "refused keys to a process that is not of the session"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The number of who connected, where it is no process of the session: others of the same user have no business here.
fn stranger(stream: &UnixStream, is_member: &dyn Fn(u32) -> Result<bool, Error>) -> Option<u32> {
    let Ok(peer) = Peer::of(stream) else { return Some(0) };
    // Held by its pidfd: when it lives after the look-up, the number was its own.
    let inside = is_member(peer.pid).unwrap_or(false) && is_held_alive(peer.pidfd());
    (!inside).then_some(peer.pid)
}
