//! Ways to a file and to an address beside the plain call. Each of them gets there where nobody guards.

use crate::deeds::{OPENAT, OPENAT2, by_handle, in_child, limit_narrow, open_narrow};
use crate::machine::is_machine;
use crate::secret::is_secret;
use crate::uring::{Entry, path, request};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketAddrAny, SocketFlags, SocketType, socket_with};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Error};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a path is opened that somebody else changes meanwhile, if nothing has come of it.
const A_WHILE: Duration = Duration::from_secs(120);

/// How often it is, at least.
fn turns() -> usize {
    if is_machine() { 1_000 } else { 20_000 }
}

/// Reads the secret in the way that a verb names; `None` for another verb.
pub(crate) fn read(verb: &str, arguments: &[&str]) -> Option<io::Result<()>> {
    let [.., of] = arguments else { return None };
    let text = CString::new(*of).unwrap_or_default();
    let request = |entry: Entry| {
        let came = request(4, &Entry { fd: libc::AT_FDCWD, address: path(&text), ..entry });
        // SAFETY: the kernel has just returned it.
        came.and_then(|fd| is_secret(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    };
    Some(match (verb, arguments) {
        ("read-by-request", [_]) => request(Entry { opcode: OPENAT, ..Entry::default() }),
        ("read-by-request-2", [_]) => {
            let how = [libc::O_RDONLY as u64, 0, 0];
            let len = size_of_val(&how) as u32;
            request(Entry { opcode: OPENAT2, offset: how.as_ptr() as u64, len, ..Entry::default() })
        }
        ("read-by-handle", [_]) => by_handle(c".", &text).and_then(|file| is_secret(file.into())),
        ("read-32", [_]) => open_narrow(&text, is_secret),
        ("read-changing", [_]) => changing(of),
        ("read-of-child", [_]) => of_child(of),
        ("read-corked", [to, _]) => corked(to, of),
        ("read-in-namespace", [how, _]) => in_namespace(how, Path::new(of)),
        _ => return None,
    })
}

/// Opens a link that another thread turns from a harmless file to this one and back, again and again.
fn changing(of: &str) -> io::Result<()> {
    let directory = std::env::current_dir()?.join(format!("turns-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let (harmless, link, next) = (directory.join("harmless"), directory.join("link"), directory.join("next"));
    fs::write(&harmless, "harmless")?;
    symlink(&harmless, &link)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let turn = |to: &Path| symlink(to, &next).and_then(|()| fs::rename(&next, &link));
            while !over.load(Ordering::Relaxed) {
                let _ = turn(Path::new(of)).and_then(|()| turn(&harmless));
            }
        });
        let (begun, mut tries, mut refused) = (Instant::now(), 0, None);
        let read = loop {
            match File::open(&link).and_then(is_secret) {
                Ok(()) => break true,
                // What was harmless is no error of the system's.
                Err(error) if error.raw_os_error().is_some() => refused = Some(error),
                Err(_) => {}
            }
            tries += 1;
            // On a busy machine it may take long until the link has led there at all.
            if tries >= turns() && (refused.is_some() || begun.elapsed() > A_WHILE) {
                break false;
            }
        };
        over.store(true, Ordering::Relaxed);
        if read { Ok(()) } else { Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into())) }
    })
}

/// Reads it while a datagram to somebody waits in its socket, and adds it to that one: no hook on an address is asked again.
fn corked(to: &str, of: &str) -> io::Result<()> {
    let to: SocketAddr = to.parse().map_err(Error::other)?;
    let socket = UdpSocket::bind((if to.is_ipv4() { "0.0.0.0" } else { "::" }, 0))?;
    rustix::net::sendto(&socket, b"before ", rustix::net::SendFlags::MORE, &to)?;
    let content = fs::read(of)?;
    rustix::net::sendto(&socket, &content, rustix::net::SendFlags::empty(), &to)?;
    is_secret(File::open(of)?)
}

/// Through the root directory of a process of its own.
fn of_child(of: &str) -> io::Result<()> {
    let mut child = Command::new("sleep").arg("60").spawn()?;
    let came = File::open(format!("/proc/{}/root{of}", child.id())).and_then(is_secret);
    child.kill()?;
    child.wait()?;
    came
}

/// Does something in a mount namespace, and for who is not root a user namespace, in which whoever made it may mount.
pub(crate) fn alone(deed: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    in_child(|| {
        let user = if uid == 0 { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
        unshare(user | CloneFlags::CLONE_NEWNS)?;
        if uid != 0 {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
        }
        let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
        nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        deed()
    })
}

/// Makes a file, and what it lies in, in what an overlay shows of a directory, which takes what is changed.
pub(crate) fn create_through_overlay(above: &str, name: &str) -> io::Result<()> {
    let at = std::env::current_dir()?.join("namespace");
    for part in ["lower", "work", "over"] {
        fs::create_dir_all(at.join(part))?;
    }
    alone(|| {
        let at = at.display();
        let (over, layers) =
            (format!("{at}/over"), format!("lowerdir={at}/lower,upperdir={above},workdir={at}/work"));
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("over"), &*over, Some("overlay"), flags, Some(layers.as_str()))?;
        let file = Path::new(&over).join(name);
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        let mut made = fs::OpenOptions::new().write(true).create_new(true).open(file)?;
        std::io::Write::write_all(&mut made, b"made\n")
    })
}

/// Reads what only a mount of its own shows.
fn in_namespace(how: &str, of: &Path) -> io::Result<()> {
    let at = std::env::current_dir()?.join("namespace");
    fs::create_dir_all(&at)?;
    alone(|| {
        let directory = of.parent().unwrap_or(Path::new("/"));
        let name = of.file_name().unwrap_or_default();
        let none = None::<&str>;
        let flags = nix::mount::MsFlags::empty;
        let read = |path: PathBuf| File::open(path).and_then(is_secret);
        match how {
            "bind" => {
                nix::mount::mount(Some(directory), &at, none, nix::mount::MsFlags::MS_BIND, none)?;
                read(at.join(name))
            }
            "overlay" => {
                nix::mount::mount(Some("above"), &at, Some("tmpfs"), flags(), none)?;
                for part in ["upper", "work", "over"] {
                    fs::create_dir(at.join(part))?;
                }
                let layers = format!(
                    "lowerdir={},upperdir={at}/upper,workdir={at}/work",
                    directory.display(),
                    at = at.display()
                );
                nix::mount::mount(
                    Some("over"),
                    &at.join("over"),
                    Some("overlay"),
                    flags(),
                    Some(layers.as_str()),
                )?;
                read(at.join("over").join(name))
            }
            _ => {
                std::os::unix::fs::chroot(directory)?;
                read(Path::new("/").join(name))
            }
        }
    })
}

/// Sends something to an address in the way that a verb names; `None` for another verb.
pub(crate) fn send(verb: &str, to: &str) -> Option<io::Result<()>> {
    let address = || to.parse::<SocketAddr>().map_err(Error::other);
    let from = |to: &SocketAddr| UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" });
    Some(match verb {
        "tcp" => address().and_then(TcpStream::connect).map(drop),
        "bound" => address().and_then(TcpListener::bind).map(drop),
        "tcp-fast-open" => address().and_then(|to| {
            let socket = socket(&to, libc::SOCK_STREAM, 0)?;
            send_to(&socket, &to, libc::MSG_FASTOPEN)
        }),
        "multipath-tcp" => address().and_then(|to| {
            let socket = socket(&to, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?;
            connect(&socket, &to)
        }),
        "tcp-by-request" => address().and_then(|to| {
            const CONNECT: u8 = 16;
            let socket = socket(&to, libc::SOCK_STREAM, 0)?;
            let name = SocketAddrAny::from(to);
            let (address, offset) = (name.as_ptr() as u64, name.addr_len().into());
            let entry = Entry { opcode: CONNECT, fd: socket.as_raw_fd(), ..Entry::default() };
            request(4, &Entry { address, offset, ..entry }).map(drop)
        }),
        "udp" => address().and_then(|to| from(&to)?.send_to(b"x", to).map(drop)),
        "udp-connected" => address().and_then(|to| {
            let socket = from(&to)?;
            socket.connect(to)?;
            socket.send(b"x").map(drop)
        }),
        "udp-from-a-child" => Command::new("bash")
            .args(["-c", &format!("echo x >/dev/udp/{}", to.replacen(':', "/", 1))])
            .status()
            .and_then(
                |status| if status.success() { Ok(()) } else { Err(Error::from_raw_os_error(libc::EPERM)) },
            ),
        _ => return None,
    })
}

/// A socket of an address's family.
pub(crate) fn socket(to: &SocketAddr, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = SocketType::from_raw(kind as u32);
    let protocol = NonZeroU32::new(protocol as u32).map(Protocol::from_raw);
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?)
}

/// Connects a socket.
pub(crate) fn connect(socket: &OwnedFd, to: &SocketAddr) -> io::Result<()> {
    Ok(rustix::net::connect(socket, to)?)
}

/// Sends a byte.
pub(crate) fn send_to(socket: &OwnedFd, to: &SocketAddr, flags: i32) -> io::Result<()> {
    rustix::net::sendto(socket, b"x", SendFlags::from_bits_retain(flags as u32), to)?;
    Ok(())
}

/// Reaches into a process, or into one of its own, in the way that a word names.
pub(crate) fn reach(how: &str, pid: &str) -> io::Result<()> {
    let mut own = None;
    let pid: i32 = match pid.parse() {
        Ok(pid) => pid,
        Err(_) => own.insert(Command::new("sleep").arg("60").spawn()?).id() as i32,
    };
    let mut came = reach_into(how, pid);
    // A child that has just begun its program moves its stack.
    for _ in 0..100 {
        if own.is_none() || came.as_ref().err().and_then(Error::raw_os_error) != Some(libc::EFAULT) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        came = reach_into(how, pid);
    }
    if let Some(mut child) = own {
        child.kill()?;
        child.wait()?;
    }
    came
}

fn reach_into(how: &str, pid: i32) -> io::Result<()> {
    let check = |ret: i64| if ret < 0 { Err(Error::last_os_error()) } else { Ok(ret) };
    match how {
        "memory" => {
            // Where its map is closed, whatever address is as good.
            let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            let start = maps.split('-').next().and_then(|start| usize::from_str_radix(start, 16).ok());
            let start = start.unwrap_or(1 << 16);
            let mut bytes = [0u8; 16];
            let there = RemoteIoVec { base: start, len: bytes.len() };
            process_vm_readv(Pid::from_raw(pid), &mut [io::IoSliceMut::new(&mut bytes)], &[there])?;
            Ok(())
        }
        "descriptor" => {
            use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
            let pid = Pid::from_raw(pid).ok_or_else(|| Error::other("no process has the number 0"))?;
            let process = pidfd_open(pid, PidfdFlags::empty())?;
            drop(pidfd_getfd(process, 0, PidfdGetfdFlags::empty())?);
            Ok(())
        }
        "limits" => {
            // SAFETY: integers, and what is written here outlives the call.
            unsafe {
                let mut limit: libc::rlimit = std::mem::zeroed();
                check(libc::prlimit(pid, libc::RLIMIT_CORE, std::ptr::null(), &mut limit).into())?;
                check(libc::prlimit(pid, libc::RLIMIT_CORE, &limit, std::ptr::null_mut()).into()).map(drop)
            }
        }
        "narrow-limits" => {
            // SAFETY: integers, and what is written here outlives the call.
            let limit = unsafe {
                let mut limit: libc::rlimit = std::mem::zeroed();
                check(libc::prlimit(pid, libc::RLIMIT_CORE, std::ptr::null(), &mut limit).into())?;
                limit
            };
            limit_narrow(pid, libc::RLIMIT_CORE, limit)
        }
        "thread-limits" => {
            let (tells, told) = std::sync::mpsc::channel();
            let (ends, end) = std::sync::mpsc::channel::<()>();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let _ = tells.send(rustix::thread::gettid().as_raw_nonzero().get());
                    let _ = end.recv();
                });
                let thread = told.recv().map_err(Error::other)?;
                let came = reach_into("limits", thread);
                drop(ends);
                came
            })
        }
        "sample" => {
            // `struct perf_event_attr`: PERF_TYPE_SOFTWARE, its size, PERF_COUNT_SW_CPU_CLOCK, period, PERF_SAMPLE_REGS_USER |
            // PERF_SAMPLE_STACK_USER; exclude_kernel and exclude_hv; registers, and bytes of the stack.
            let mut attributes = [0u64; 14];
            (attributes[0], attributes[2], attributes[3]) = (1 | 112 << 32, 100_000, 1 << 12 | 1 << 13);
            (attributes[5], attributes[10], attributes[11]) = (1 << 5 | 1 << 6, 0xff, 8192);
            // SAFETY: the attributes outlive the call, and say how long they are.
            let came = unsafe {
                libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), pid, -1i32, -1i32, 0)
            };
            // SAFETY: the call has just returned it.
            check(came).map(|fd| drop(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
        }
        "pipe" => {
            let (_reader, writer) = rustix::pipe::pipe()?;
            fs::write(format!("/proc/self/fd/{}", writer.as_raw_fd()), "x")
        }
        "parents-pipe" => {
            let (_reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let script = format!("echo x > /proc/$PPID/fd/{}", writer.as_raw_fd());
            let ended = Command::new("sh").args(["-c", &script]).status()?;
            if ended.success() { Ok(()) } else { Err(Error::other(format!("{ended}"))) }
        }
        _ => {
            let pid = Pid::from_raw(pid);
            ptrace::seize(pid, ptrace::Options::empty())?;
            ptrace::interrupt(pid)?;
            waitpid(pid, Some(WaitPidFlag::__WALL))?;
            Ok(ptrace::detach(pid, None)?)
        }
    }
}
