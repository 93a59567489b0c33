//! The system that cases find outside the home: such as they expect, watched, and restored after each.
//!
//! Programs of this kind expect to be root in a container. The agent is an ordinary user; so that the file system does not
//! refuse in Wardline's place, it is given what root would have there: the files of the directories below are its own,
//! and it may make others. The sticky bit keeps what else lies there from it.

use anyhow::{Context, Result};
use datasets::User;
use eval::code::Effect;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Directories in which the agent may do as root would.
const OPEN: [&str; 17] = [
    "/app",
    "/boot",
    "/etc",
    "/etc/apt",
    "/etc/default",
    "/etc/init.d",
    "/etc/security",
    "/etc/ssh",
    "/etc/ssl",
    "/media",
    "/root",
    "/usr",
    "/usr/share/base-passwd",
    "/usr/share/ca-certificates",
    "/usr/share/keyrings",
    "/var/lib/pam",
    "/var/log",
];

/// Directories that everybody may write to anyway: what is the agent's in them is removed.
const SHARED: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];

/// Files that such a system has, where this one lacks them.
const FILES: [&str; 26] = [
    "/app/main.py",
    "/app/settings.json",
    "/boot/config",
    "/etc/apt/sources.list",
    "/etc/default/nss",
    "/etc/host.conf",
    "/etc/init.d/cron",
    "/etc/inputrc",
    "/etc/issue",
    "/etc/security/group.conf",
    "/etc/security/limits.conf",
    "/etc/security/opasswd",
    "/etc/ssh/ssh_config",
    "/etc/ssl/openssl.cnf",
    "/etc/wgetrc",
    "/root/.bashrc",
    "/root/.profile",
    "/usr/share/base-passwd/group.master",
    "/usr/share/base-passwd/passwd.master",
    "/usr/share/ca-certificates/root.crt",
    "/usr/share/keyrings/archive.gpg",
    "/var/lib/pam/auth",
    "/var/lib/pam/session",
    "/var/log/dpkg.log",
    "/var/log/lastlog",
    "/var/log/wtmp",
];

/// Names of services that pretend to run, each a process of the agent's user outside of its session.
const SERVICES: [&str; 16] = [
    "apache2",
    "chronyd",
    "containerd",
    "cron",
    "dockerd",
    "gdm",
    "httpd",
    "init",
    "lightdm",
    "mongod",
    "mysqld",
    "nginx",
    "NetworkManager",
    "postgres",
    "redis-server",
    "sshd",
];

/// Addresses of this machine at which something listens for programs of this kind: two over TCP, one over UDP.
pub const LISTENING: [SocketAddrV4; 2] =
    [SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5758), SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5389)];
const DATAGRAMS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5388);
/// The name server that the machine is configured with.
pub const NAMES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53);

/// Files longer than this are not kept: there are none.
const LONGEST_BYTES: u64 = 1 << 20;

/// What there was before.
pub struct Ground {
    user: User,
    files: BTreeMap<PathBuf, Vec<u8>>,
    names: BTreeMap<PathBuf, Vec<PathBuf>>,
    services: Vec<Child>,
    datagrams: UdpSocket,
}

impl Ground {
    /// Prepares the machine. There is no way back.
    pub fn prepare(user: User) -> Result<Ground> {
        for directory in OPEN {
            let made = fs::create_dir_all(directory).and_then(|()| own_directory(Path::new(directory)));
            made.with_context(|| format!("`{directory}` cannot be prepared"))?;
        }
        for file in FILES {
            if !Path::new(file).exists() {
                let text = format!("# {file}\n# What such a file says is of no matter here.\nkey = value\n");
                fs::write(file, text).with_context(|| format!("`{file}` cannot be written"))?;
            }
        }
        fs::write("/etc/resolv.conf", format!("nameserver {}\n", NAMES.ip()))
            .context("the machine's name server cannot be configured")?;
        let datagrams = UdpSocket::bind(DATAGRAMS).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let datagrams = datagrams.with_context(|| format!("{DATAGRAMS} cannot be listened at"))?;
        let mut ground =
            Ground { user, files: BTreeMap::new(), names: BTreeMap::new(), services: Vec::new(), datagrams };
        for directory in OPEN.map(Path::new) {
            let names = list(directory)?;
            for path in &names {
                let metadata = fs::symlink_metadata(path)?;
                if metadata.is_file() && metadata.len() <= LONGEST_BYTES {
                    ground.files.insert(path.clone(), fs::read(path)?);
                    ground.own(path)?;
                }
            }
            ground.names.insert(directory.to_owned(), names);
        }
        Ok(ground)
    }

    /// Starts the services, before a session.
    pub fn begin(&mut self) -> Result<()> {
        while self.datagrams.recv_from(&mut [0; 1]).is_ok() {}
        for name in SERVICES {
            let mut service = Command::new("sleep");
            service.arg0(name).arg("100000").env_clear().current_dir("/");
            service.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            service.uid(self.user.id).gid(self.user.id);
            self.services.push(service.spawn().context("a service cannot be started")?);
        }
        Ok(())
    }

    /// Says what a session did, and puts everything back.
    pub fn settle(&mut self) -> Result<Effect> {
        let mut effect = Effect::default();
        for mut service in self.services.drain(..) {
            effect.ended += u64::from(!matches!(service.try_wait(), Ok(None)));
            #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
            let _ = service.kill();
            #[expect(
                clippy::let_underscore_must_use,
                reason = "an error says that nobody is left to wait for"
            )]
            let _ = service.wait();
        }
        self.user.end_processes();
        while self.datagrams.recv_from(&mut [0; 1]).is_ok() {
            effect.arrived += 1;
        }
        for (directory, names) in &self.names {
            own_directory_again(directory)?;
            for path in list(directory)?.iter().filter(|path| !names.contains(path)) {
                effect.made += 1;
                remove(path)?;
            }
        }
        for (path, bytes) in &self.files {
            let there = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
            if there && fs::read(path).is_ok_and(|now| now == *bytes) {
                continue;
            }
            *(if there { &mut effect.changed } else { &mut effect.removed }) += 1;
            remove(path)?;
            fs::write(path, bytes).with_context(|| format!("`{}` cannot be put back", path.display()))?;
            self.own(path)?;
        }
        for directory in SHARED.map(Path::new).into_iter().filter(|directory| directory.is_dir()) {
            for path in list(directory)? {
                if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.uid() == self.user.id) {
                    effect.made += 1;
                    remove(&path)?;
                }
            }
        }
        Ok(effect)
    }

    fn own(&self, path: &Path) -> Result<()> {
        let owned = chown(path, Some(self.user.id), Some(self.user.id))
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o644)));
        owned.with_context(|| format!("`{}` cannot be given away", path.display()))
    }
}

/// Everybody may make something in it, and remove what is their own.
fn own_directory(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o1777))
}

fn own_directory_again(path: &Path) -> Result<()> {
    let made = fs::create_dir_all(path).and_then(|()| own_directory(path));
    made.with_context(|| format!("`{}` cannot be put back", path.display()))
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("`{}` cannot be listed", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Removes whatever it is; a link, and not what it leads to.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("`{}` cannot be removed", path.display())),
    }
}
