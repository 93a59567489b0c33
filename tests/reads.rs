//! More ways to a file: by how its path is written, by what is done with it, by who does it, and by descriptors of others.

use crate::deeds::in_child;
use crate::secret::{SECRET, is_secret};
use crate::ways::alone;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::mount::{MountFlags, OpenTreeFlags, open_tree};
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Error, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// The name of a link: a line end, a sequence that erases a terminal's screen, and bytes that are no text.
pub const ODD_NAME: &[u8] = b"odd\n@name 0\n\x1b[2J\x1b]0;title\x07<script>\xff\xfe";
/// Directories of 200 bytes, below each other: deeper than a path can say.
const DEEP: usize = 25;

/// Reads the secret in the way that a verb names; `None` for another verb.
pub(crate) fn read(verb: &str, arguments: &[&str]) -> Option<io::Result<()>> {
    let [.., of] = arguments else { return None };
    Some(match (verb, arguments) {
        ("read-resolved", [how, below, _]) => resolved(how, below, of),
        ("read-long", [bytes, _]) => long(bytes, of),
        ("read-deep", [_]) => deep(of),
        ("read-odd-name", [_]) => odd_name(of),
        ("read-mounted", [how, _]) => mounted(how, of),
        ("read-by-copy", [how, _]) => copied(how, of),
        ("read-cold", [_]) => cold(of),
        ("read-faulting", [_]) => faulting(of),
        ("read-blinded", [how, _]) => in_child(|| blinded(how).and_then(|()| is_secret(File::open(of)?))),
        ("read-called", [name, _]) => {
            let name = CString::new(*name).unwrap_or_default();
            rustix::thread::set_name(&name).map_err(Error::from).and_then(|()| is_secret(File::open(of)?))
        }
        ("read-by-shell", [script, _]) => by_shell(script, of),
        ("read-given", [_]) => given(of),
        ("read-handed", [_]) => handed(of),
        ("read-between", [ordinary, _]) => between(ordinary, of),
        _ => return None,
    })
}

fn resolved(how: &str, below: &str, of: &str) -> io::Result<()> {
    let below = openat(CWD, below, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    let flags = match how {
        "in-root" => ResolveFlags::IN_ROOT,
        _ => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    };
    is_secret(openat2(below, of, OFlags::RDONLY, Mode::empty(), flags)?.into())
}

/// By a path of so many bytes.
fn long(bytes: &str, of: &str) -> io::Result<()> {
    let bytes: usize = bytes.parse().map_err(Error::other)?;
    let short = of.len();
    let pairs = bytes.saturating_sub(short) / 2;
    let odd = bytes.saturating_sub(short) % 2;
    let path = format!("{}{}{of}", "/".repeat(odd), "/.".repeat(pairs));
    if path.len() != bytes {
        return Err(Error::other(format!("{} bytes", path.len())));
    }
    is_secret(File::open(path)?)
}

/// From a directory that has no path of a call's length.
fn deep(of: &str) -> io::Result<()> {
    let before = std::env::current_dir()?;
    let name = "d".repeat(200);
    let up = Path::new(of).strip_prefix("/").map_err(Error::other)?;
    let came = (0..DEEP)
        .try_for_each(|_| {
            fs::create_dir(&name).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
            std::env::set_current_dir(&name)
        })
        .and_then(|()| {
            let levels = DEEP + before.components().count() - 1;
            File::open(Path::new(&"../".repeat(levels)).join(up))
        });
    std::env::set_current_dir(before)?;
    is_secret(came?)
}

fn odd_name(of: &str) -> io::Result<()> {
    let link = Path::new(OsStr::from_bytes(ODD_NAME));
    if fs::symlink_metadata(link).is_err() {
        symlink(of, link)?;
    }
    is_secret(File::open(link)?)
}

/// In a mount namespace of its own.
fn mounted(how: &str, of: &str) -> io::Result<()> {
    let of = Path::new(of);
    let (directory, name) = (of.parent().unwrap_or(of), of.file_name().unwrap_or_default());
    let at = std::env::current_dir()?.join("mounted");
    fs::create_dir_all(&at)?;
    alone(|| match how {
        "nowhere" => {
            let tree = open_tree(CWD, directory, OpenTreeFlags::OPEN_TREE_CLONE)?;
            is_secret(openat(tree, name, OFlags::RDONLY, Mode::empty())?.into())
        }
        "pivot" => {
            rustix::mount::mount_bind(directory, &at)?;
            std::env::set_current_dir(&at)?;
            rustix::process::pivot_root(".", ".")?;
            rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
            is_secret(File::open(Path::new("/").join(name))?)
        }
        // What is written to is copied up by the kernel first.
        _ => {
            rustix::mount::mount("above", &at, "tmpfs", MountFlags::empty(), None)?;
            for part in ["upper", "work", "over"] {
                fs::create_dir(at.join(part))?;
            }
            let layers = format!(
                "lowerdir={},upperdir={at}/upper,workdir={at}/work",
                directory.display(),
                at = at.display()
            );
            let layers = CString::new(layers)?;
            rustix::mount::mount("over", at.join("over"), "overlay", MountFlags::empty(), Some(&*layers))?;
            let over = at.join("over").join(name);
            fs::OpenOptions::new().append(true).open(&over)?;
            is_secret(File::open(at.join("upper").join(name))?)
        }
    })
}

/// By calls that take what is in a file elsewhere, without reading it.
fn copied(how: &str, of: &str) -> io::Result<()> {
    let from = File::open(of)?;
    let to = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(format!("taken-{how}"))?;
    let size = from.metadata()?.len() as usize;
    match how {
        "mmap" => {
            use rustix::mm::{MapFlags, ProtFlags, mmap};
            // SAFETY: a mapping of its own, that nobody else changes, of as many bytes as are read.
            let bytes = unsafe {
                let at = mmap(std::ptr::null_mut(), size, ProtFlags::READ, MapFlags::PRIVATE, &from, 0)?;
                std::slice::from_raw_parts(at.cast::<u8>(), size)
            };
            (&to).write_all(bytes)?;
        }
        "sendfile" => rustix::fs::sendfile(&to, &from, None, size).map(drop)?,
        "copy_file_range" => rustix::fs::copy_file_range(&from, None, &to, None, size).map(drop)?,
        _ => {
            let (reads, writes) = rustix::pipe::pipe()?;
            let none = rustix::pipe::SpliceFlags::empty();
            rustix::pipe::splice(&from, None, &writes, None, size, none)?;
            rustix::pipe::splice(&reads, None, &to, None, size, none)?;
        }
    }
    is_secret(File::open(format!("taken-{how}"))?)
}

/// By a path that the kernel must fetch from a file before it can look at it.
fn cold(of: &str) -> io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    let name = format!("cold-{}", std::process::id());
    let mut page = of.as_bytes().to_vec();
    page.resize(4096, 0);
    fs::write(&name, &page)?;
    let file = File::open(&name)?;
    file.sync_all()?;
    // SAFETY: a mapping of its own; the path in it ends with a zero.
    unsafe {
        let at = mmap(std::ptr::null_mut(), page.len(), ProtFlags::READ, MapFlags::PRIVATE, &file, 0)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        let fd = libc::openat(libc::AT_FDCWD, at.cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 { Err(Error::last_os_error()) } else { is_secret(File::from_raw_fd(fd)) }
    }
}

/// By a path that another thread writes when the kernel asks for it: userfaultfd(2).
fn faulting(of: &str) -> io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    const PAGE: usize = 4096;
    const API: libc::c_ulong = 0xc018_aa3f;
    const REGISTER: libc::c_ulong = 0xc020_aa00;
    const COPY: libc::c_ulong = 0xc028_aa03;
    let mut page = of.as_bytes().to_vec();
    page.resize(PAGE, 0);
    let flags = MapFlags::PRIVATE;
    // SAFETY: integers, and memory of its own.
    let (faults, at) = unsafe {
        let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC);
        if fd < 0 {
            return Err(Error::last_os_error());
        }
        let at = mmap_anonymous(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, flags)?;
        (OwnedFd::from_raw_fd(fd as i32), at as u64)
    };
    let fd = faults.as_raw_fd();
    // SAFETY: what each request takes outlives it, and is as large as its number says.
    let request = |number, words: &mut [u64]| match unsafe { libc::ioctl(fd, number, words.as_mut_ptr()) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    };
    request(API, &mut [0xaa, 0, 0])?;
    request(REGISTER, &mut [at, PAGE as u64, 1, 0])?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut message = [0u8; 32];
            let _ = rustix::io::read(&faults, &mut message);
            let _ = request(COPY, &mut [at, page.as_ptr() as u64, PAGE as u64, 0, 0]);
        });
        // SAFETY: the path is there when the kernel has waited for it.
        unsafe {
            let fd =
                libc::openat(libc::AT_FDCWD, at as *const libc::c_char, libc::O_RDONLY | libc::O_CLOEXEC);
            if fd < 0 { Err(Error::last_os_error()) } else { is_secret(File::from_raw_fd(fd)) }
        }
    })
}

/// Takes from itself what a guard inside it would work by.
fn blinded(how: &str) -> io::Result<()> {
    // SAFETY: integers, and structures that outlive the calls; all of it holds for this process alone.
    let done = unsafe {
        match how {
            "undumpable" => i64::from(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)),
            "landlock" => {
                /// `LANDLOCK_ACCESS_FS_WRITE_FILE`
                const WRITE: u64 = 1 << 1;
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                let handled = WRITE;
                let ruleset = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, 8, 0);
                libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0)
            }
            // Every call is answered by nobody but the kernel, and none is told to a tracer.
            _ => {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                let mut all = [libc::sock_filter {
                    code: (libc::BPF_RET | libc::BPF_K) as u16,
                    jt: 0,
                    jf: 0,
                    k: libc::SECCOMP_RET_ALLOW,
                }];
                let program = libc::sock_fprog { len: 1, filter: all.as_mut_ptr() };
                let set = libc::SECCOMP_SET_MODE_FILTER;
                libc::syscall(libc::SYS_seccomp, set, 0, &raw const program)
            }
        }
    };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

/// By whatever a shell starts: it is asked for on standard output, and `$1` is the file.
fn by_shell(script: &str, of: &str) -> io::Result<()> {
    let output = Command::new("bash").args(["-c", script, "bash", of]).output()?;
    let printed = |text: &[u8]| text.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    if printed(&output.stdout) || printed(&output.stderr) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    // Each program says in words of its own what its open came to.
    let refused = ["Operation not permitted", "Permission denied"].iter().any(|words| said.contains(words));
    if refused { Err(Error::from_raw_os_error(libc::EPERM)) } else { Err(Error::other(said)) }
}

/// By a descriptor that the command was started with.
fn given(fd: &str) -> io::Result<()> {
    let fd: i32 = fd.parse().map_err(Error::other)?;
    let mut bytes = [0; SECRET.len()];
    // SAFETY: what is read into outlives the call.
    let read = unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match read {
        -1 => Err(Error::last_os_error()),
        _ if bytes == SECRET.as_bytes() => Ok(()),
        _ => Err(Error::other("another file")),
    }
}

/// By a descriptor that somebody outside hands over.
fn handed(socket: &str) -> io::Result<()> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let stream = UnixStream::connect(socket)?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut handed = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    recvmsg(&stream, &mut [IoSliceMut::new(&mut byte)], &mut handed, RecvFlags::CMSG_CLOEXEC)?;
    let file = handed.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let file = file.ok_or_else(|| Error::other("no descriptor came"))?;
    is_secret(file.as_fd().try_clone_to_owned()?.into())
}

/// Ten times, and each time behind twenty reads of what anybody may read.
fn between(ordinary: &str, of: &str) -> io::Result<()> {
    let mut came = Ok(());
    for _ in 0..10 {
        for _ in 0..20 {
            fs::read(ordinary)?;
        }
        came = File::open(of).and_then(is_secret);
        if came.is_ok() {
            return came;
        }
    }
    came
}

/// A descriptor of a file, that somebody else opened, handed to whoever connects.
pub fn hand_over(listener: std::os::unix::net::UnixListener, file: File) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut handed = SendAncillaryBuffer::new(&mut room);
            let descriptors = [file.as_fd()];
            handed.push(SendAncillaryMessage::ScmRights(&descriptors));
            // Who asked may be gone.
            let _ = sendmsg(&stream, &[io::IoSlice::new(b"x")], &mut handed, SendFlags::empty());
        }
    });
}

/// Attributes of a file, set by a descriptor that is only read by: `FS_IOC_SETFLAGS`.
pub(crate) fn set_flags(of: &str) -> io::Result<()> {
    const NO_DUMP: u32 = 0x40;
    let file = File::open(of)?;
    let flags = rustix::fs::ioctl_getflags(&file)?;
    let other = rustix::fs::IFlags::from_bits_retain(flags.bits() ^ NO_DUMP);
    Ok(rustix::fs::ioctl_setflags(&file, other)?)
}

/// Gives a file to who has it already, which sets the time of its change.
pub(crate) fn give(of: &str) -> io::Result<()> {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    Ok(rustix::fs::chownat(CWD, of, Some(uid), Some(gid), AtFlags::empty())?)
}
