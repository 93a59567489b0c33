//! Processes that try to outlive their session, in every way in which one may seem dead, or out of reach. Each of them says
//! who it is, and then reads a file again and again until it can, which it says too.

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use std::ffi::{CStr, CString};
use std::io::{self, Error, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use sys::mountinfo::cgroup_root;

/// Ways that every user has.
pub const WAYS: [&str; 7] =
    ["plain", "headless", "headless-again", "shared-memory", "vfork", "stopped", "traced"];
/// Ways that root has besides.
pub const WAYS_OF_ROOT: [&str; 2] = ["namespace", "headless-elsewhere"];

/// How often the file is tried.
const EVERY: Duration = Duration::from_millis(5);
/// Bytes of a thread's stack: it makes system calls and nothing else.
const STACK_BYTES: usize = 256 << 10;

/// What every survivor of a process knows: it cannot allocate any more.
struct Aim {
    way: String,
    key: CString,
    said: CString,
}

static AIM: OnceLock<Aim> = OnceLock::new();
/// The root of the cgroups.
static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// Begins a survivor of a way, which tries to read `key`, and says so in `said`. Returns when it is on its way.
pub(crate) fn begin(way: &str, key: &str, said: &str) -> io::Result<()> {
    let (key_text, said_text) = (CString::new(key)?, CString::new(said)?);
    // SAFETY: the child makes system calls, writes into what it has, and ends.
    match unsafe { libc::fork() } {
        -1 => return Err(Error::last_os_error()),
        0 => {
            let _ = AIM.set(Aim { way: way.to_owned(), key: key_text, said: said_text });
            let came = become_one(way);
            eprintln!("{way}: {came:?}");
            // SAFETY: it ends the process.
            unsafe { libc::_exit(1) }
        }
        _ => {}
    }
    let mine = format!("{way} is ");
    for _ in 0..20_000 {
        if std::fs::read_to_string(said).is_ok_and(|text| text.contains(&mine)) {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
    Err(Error::other(format!("{way} does not begin")))
}

fn become_one(way: &str) -> io::Result<()> {
    rustix::process::setsid()?;
    match way {
        "plain" => haunt(),
        "headless" => headless(),
        // A child of a process without a first thread, and without one itself.
        "headless-again" => {
            thread(again)?;
            exit_thread()
        }
        "headless-elsewhere" => {
            // Without its first thread a process has no mounts to look at.
            let _ = ROOT.set(cgroup_root()?);
            thread(elsewhere)?;
            exit_thread()
        }
        "shared-memory" => {
            clone(libc::CLONE_VM | libc::SIGCHLD, haunting, std::ptr::null_mut())?;
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) }
        }
        "vfork" => {
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            clone(flags, vforked, std::ptr::null_mut()).map(drop)
        }
        "namespace" => {
            // It has a number of its own there.
            let child = clone(libc::CLONE_NEWPID | libc::SIGCHLD, trying, std::ptr::null_mut())?;
            say("is", child as u32);
            haunt()
        }
        "stopped" => {
            say("is", std::process::id());
            raise(Signal::SIGSTOP)?;
            haunt()
        }
        "traced" => traced(),
        _ => Err(Error::other("no such way")),
    }
}

fn headless() -> io::Result<()> {
    thread(haunting)?;
    exit_thread()
}

extern "C" fn haunting(_: *mut libc::c_void) -> libc::c_int {
    let _ = haunt();
    0
}

extern "C" fn trying(_: *mut libc::c_void) -> libc::c_int {
    let _ = read_once_it_can();
    0
}

extern "C" fn again(_: *mut libc::c_void) -> libc::c_int {
    std::thread::sleep(EVERY);
    // SAFETY: the child makes system calls, and ends.
    if unsafe { libc::fork() } == 0 {
        let _ = headless();
    }
    let _ = haunt();
    0
}

/// Leaves the session's cgroup when its first thread has exited.
extern "C" fn elsewhere(_: *mut libc::c_void) -> libc::c_int {
    std::thread::sleep(EVERY);
    let leave = || {
        let root = ROOT.get().ok_or_else(|| Error::other("no cgroups"))?;
        std::fs::OpenOptions::new().write(true).open(root.join("cgroup.procs"))?.write_all(b"0")
    };
    match leave() {
        Ok(()) => drop(haunt()),
        Err(error) => eprintln!("the cgroup could not be left: {error}"),
    }
    1
}

/// Its parents wait until it ends.
extern "C" fn vforked(_: *mut libc::c_void) -> libc::c_int {
    let _ = clone(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, haunting, std::ptr::null_mut());
    0
}

/// A process that another one, without a first thread, has stopped by tracing it; both stay.
fn traced() -> io::Result<()> {
    // SAFETY: the child only waits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        haunt()?;
    }
    ptrace::seize(Pid::from_raw(child), ptrace::Options::empty())?;
    ptrace::interrupt(Pid::from_raw(child))?;
    say("is", child as u32);
    headless()
}

/// Says who it is, and tries the file until it can read it.
fn haunt() -> io::Result<()> {
    say("is", std::process::id());
    read_once_it_can()
}

fn read_once_it_can() -> io::Result<()> {
    let aim = AIM.get().ok_or_else(|| Error::other("no aim"))?;
    loop {
        if rustix::fs::open(&*aim.key, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).is_ok() {
            say("READ", std::process::id());
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) }
        }
        std::thread::sleep(EVERY);
    }
}

/// Adds a line: `WAY is PID` or `WAY READ PID`.
fn say(what: &str, pid: u32) {
    let Some(aim) = AIM.get() else { return };
    let line = format!("{} {what} {pid}\n", aim.way);
    append(&aim.said, line.as_bytes());
}

fn append(path: &CStr, line: &[u8]) {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)) {
        let _ = rustix::io::write(file, line);
    }
}

/// A thread of this process that the library does not know.
fn thread(run: extern "C" fn(*mut libc::c_void) -> libc::c_int) -> io::Result<()> {
    const THREAD: libc::c_int =
        libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    clone(THREAD, run, std::ptr::null_mut()).map(drop)
}

/// A child, or a thread, with a stack of its own, that runs a function with an argument.
pub(crate) fn clone(
    flags: libc::c_int,
    run: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> io::Result<i32> {
    let stack = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
    // SAFETY: the stack is never given back, and grows down from its end, which is aligned to 16 bytes.
    let child = unsafe {
        let end = stack.as_mut_ptr().add(STACK_BYTES);
        libc::clone(run, end.wrapping_sub(end as usize % 16).cast(), flags, argument)
    };
    if child < 0 { Err(Error::last_os_error()) } else { Ok(child) }
}

/// Ends this thread, and not its process.
fn exit_thread() -> ! {
    // SAFETY: the thread's stack stays.
    unsafe {
        libc::syscall(libc::SYS_exit, 0);
        libc::_exit(1)
    }
}

/// Who said that they are there.
pub fn who(said: &str) -> Vec<(String, u32)> {
    let lines = said.lines().filter_map(|line| line.split_once(" is "));
    lines.filter_map(|(way, pid)| Some((way.to_owned(), pid.parse().ok()?))).collect()
}
