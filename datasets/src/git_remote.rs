//! A git remote: the `git://` protocol's greeting, and then git itself on the socket.
//!
//! See git-protocol-pack(5), "Git Transport". The repositories belong to the user of the world, and git runs as that
//! user.

use crate::clock::boottime_ns;
use crate::service::{Service, settle};
use crate::{Arrival, Error, World};
use std::io::Read;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// The remote. Dropping it stops it.
#[derive(Debug)]
pub struct GitRemote {
    service: Service,
    asked: Arc<Mutex<Vec<Arrival>>>,
}

impl GitRemote {
    /// Begins to listen.
    pub fn start(address: SocketAddrV4, world: &World) -> Result<GitRemote, Error> {
        let repositories = world.remotes();
        let prepare = {
            let (user, environment, directory) = (world.user, world.environment(), repositories.clone());
            move || {
                use std::os::unix::process::CommandExt;
                let mut git = Command::new("git");
                git.env_clear().envs(environment.clone()).current_dir(&directory);
                git.uid(user.id).gid(user.id);
                git
            }
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = asked.clone();
        let service = Service::start(address, move |mut stream| {
            if let Some((service, name, version)) = greet(&mut stream) {
                let said = name.clone().into_bytes();
                let arrival = Arrival { at_ns: boottime_ns(), host: address, bytes: said.clone(), said };
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
                serve(prepare(), stream, service, &repositories.join(name), version);
            }
        })?;
        Ok(GitRemote { service, asked })
    }

    /// The names of the repositories that were asked for since the last time.
    pub fn asked(&self) -> Vec<Arrival> {
        settle([&self.service]);
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads what the client wants: which service, of which repository, and which version of the protocol.
fn greet(stream: &mut TcpStream) -> Option<(&'static str, String, Option<&'static str>)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?.checked_sub(4)?;
    let mut line = vec![0; length];
    stream.read_exact(&mut line).ok()?;
    stream.set_read_timeout(None).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut parts = line.split('\0');
    let (service, path) = parts.next()?.split_once(' ')?;
    let service = match service {
        "git-upload-pack" => "upload-pack",
        "git-receive-pack" => "receive-pack",
        _ => return None,
    };
    let name = path.trim_end_matches('\n').trim_start_matches('/');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !name.starts_with('.');
    let version = parts.any(|part| part == "version=2").then_some("version=2");
    plain.then(|| (service, name.to_owned(), version))
}

fn serve(
    mut git: Command,
    stream: TcpStream,
    service: &str,
    repository: &std::path::Path,
    version: Option<&str>,
) {
    let Ok(output) = stream.try_clone() else { return };
    git.arg(service).arg("--").arg(repository);
    if let Some(version) = version {
        git.env("GIT_PROTOCOL", version);
    }
    git.stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::null());
    #[expect(
        clippy::let_underscore_must_use,
        reason = "the client sees a connection that ends; there is nobody else to tell"
    )]
    let _ = git.status();
}
