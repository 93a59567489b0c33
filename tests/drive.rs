//! Ways to get at a key by driving `ssh`, which is made to read it or to run foreign code: whatever a guard lets `ssh` do, who
//! drives it does. The program that drives is the test itself, started again.

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::pipe::{fcntl_setpipe_size, pipe};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the way, in the environment of the program that drives.
pub const VARIABLE: &str = "WARDLINE_TEST_DRIVE";
/// Names the key that it is after.
pub const KEY: &str = "WARDLINE_TEST_KEY";
/// The ways: an ELF interpreter of one's own, mounted in a namespace of one's own; code written into one's own child; a
/// descriptor taken from it; the same from one that is traced, after each system call.
pub const WAYS: [&str; 4] = ["interpreter", "memory", "descriptor", "traced"];
/// Fills the session's agent with connections, and says how many were turned away.
pub const FLOOD: &str = "flood";
/// Connections of the flood.
pub const CONNECTIONS: usize = 300;

const SSH: &str = "/usr/bin/ssh";
/// What every program on x86-64 names as its interpreter.
const INTERPRETER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Does what was asked for and ends the process; returns where nothing was.
pub fn serve() -> Result<()> {
    let Ok(way) = std::env::var(VARIABLE) else { return Ok(()) };
    // The test harness has begun a line.
    println!();
    if way == FLOOD {
        flood()?;
        std::process::exit(0);
    }
    let key = PathBuf::from(std::env::var_os(KEY).context("no key")?);
    match way.as_str() {
        "interpreter" => interpreter(&key)?,
        "memory" => memory(&key)?,
        "descriptor" => descriptor(&key)?,
        "traced" => traced(&key)?,
        other => bail!("there is no way `{other}`"),
    }
    std::process::exit(0)
}

// Prints the file whose name lies behind it, from wherever it lies itself.
core::arch::global_asm!(
    ".pushsection .rodata",
    ".globl end_to_end_reader",
    "end_to_end_reader:",
    "lea rsi, [rip + 2f]",
    "mov edi, -100",
    "xor edx, edx",
    "xor r10d, r10d",
    "mov eax, 257",
    "syscall",
    "mov edi, eax",
    "sub rsp, 4096",
    "mov rsi, rsp",
    "mov edx, 4096",
    "xor eax, eax",
    "syscall",
    "mov rdx, rax",
    "mov edi, 1",
    "mov rsi, rsp",
    "mov eax, 1",
    "syscall",
    "xor edi, edi",
    "mov eax, 231",
    "syscall",
    "2:",
    ".globl end_to_end_reader_end",
    "end_to_end_reader_end:",
    ".popsection",
);

unsafe extern "C" {
    static end_to_end_reader: u8;
    static end_to_end_reader_end: u8;
}

/// Code that prints a file.
fn reader(key: &Path) -> Vec<u8> {
    // SAFETY: both are labels around one piece of read-only data.
    let code = unsafe {
        let (start, end) = (&raw const end_to_end_reader, &raw const end_to_end_reader_end);
        std::slice::from_raw_parts(start, end.offset_from_unsigned(start))
    };
    [code, key.as_os_str().as_encoded_bytes(), b"\0"].concat()
}

/// A program that is nothing but this code: elf(5).
fn elf(code: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [3u16, 62] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1u32.to_le_bytes());
    for word in [HEADERS, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    // One segment: to be read and executed.
    for half in [1u32, 5] {
        out.extend(half.to_le_bytes());
    }
    for word in [0, 0, 0, size, size, 4096] {
        out.extend(word.to_le_bytes());
    }
    out.extend(code);
    out
}

fn interpreter(key: &Path) -> Result<()> {
    let program = std::env::current_dir()?.join("interpreter");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&program)?;
    file.write_all(&elf(&reader(key)))?;
    drop(file);
    let real = fs::canonicalize(INTERPRETER)?;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let mut command = Command::new(SSH);
    command.arg("x");
    // SAFETY: it makes system calls, and what it allocates is its own.
    unsafe {
        command.pre_exec(move || {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
            let flags = rustix::mount::MountFlags::BIND;
            Ok(rustix::mount::mount(&program, &real, c"", flags, None)?)
        });
    }
    println!("ended: {}", command.status()?);
    Ok(())
}

fn memory(key: &Path) -> Result<()> {
    // It waits for the other side's first words until this command ends.
    let mut ssh = Command::new(SSH)
        .args(["-F", "none", "-o", "ProxyCommand=sleep 2", "x"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let waits_at = waits_at(&ssh)?;
    let memory = OpenOptions::new().write(true).open(format!("/proc/{}/mem", ssh.id()))?;
    memory.write_all_at(&reader(key), waits_at)?;
    println!("ended: {}", ssh.wait()?);
    Ok(())
}

/// The address at which a process goes on once the call ends in which it waits: proc_pid_syscall(5).
fn waits_at(process: &Child) -> Result<u64> {
    let mut last = (String::new(), 0);
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        let now = fs::read_to_string(format!("/proc/{}/syscall", process.id()))?;
        last = if now == last.0 && now != "running\n" { (now, last.1 + 1) } else { (now, 0) };
        if last.1 == 20 {
            let address = last.0.trim().rsplit(' ').next().and_then(|word| word.strip_prefix("0x"));
            return Ok(u64::from_str_radix(address.context("no address")?, 16)?);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("it does not wait")
}

/// `ssh`, which takes the key for its configuration, and whose complaint about that never ends.
fn descriptor(key: &Path) -> Result<()> {
    let (_reader, full) = full_pipe()?;
    let mut ssh = Command::new(SSH).arg("-F").arg(key).arg("x").stderr(full).spawn()?;
    let found = wait_for(Duration::from_secs(3), || take(&ssh, key));
    ssh.kill()?;
    println!("ended: {}", ssh.wait()?);
    print_found(found)
}

fn full_pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe()?;
    let size = fcntl_setpipe_size(&writer, 4096)?;
    rustix::io::write(&writer, &vec![0; size])?;
    Ok((reader, writer))
}

fn traced(key: &Path) -> Result<()> {
    let mut command = Command::new(SSH);
    command.arg("-F").arg(key).arg("x").stderr(Stdio::null());
    // SAFETY: one system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let ssh = command.spawn()?;
    let pid = Pid::from_raw(ssh.id().cast_signed());
    let mut found = None;
    loop {
        let signal = match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => break,
            WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        found = found.or_else(|| take(&ssh, key));
        ptrace::syscall(pid, signal)?;
    }
    print_found(found)
}

/// A copy of the descriptor that a process has of a file.
fn take(process: &Child, file: &Path) -> Option<File> {
    let pid = rustix::process::Pid::from_raw(process.id().cast_signed())?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    (3..12).find_map(|number| {
        let copy = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()?;
        let is_it = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&copy)));
        (is_it.ok()? == file).then(|| File::from(copy))
    })
}

fn print_found(found: Option<File>) -> Result<()> {
    let Some(file) = found else { return Ok(()) };
    let mut content = vec![0; 4096];
    let read = file.read_at(&mut content, 0)?;
    io::stdout().write_all(&content[..read])?;
    Ok(())
}

fn wait_for<T>(limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(found) = found() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Connections that say nothing; those that are hung up at were turned away.
fn flood() -> Result<()> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").context("no agent")?;
    let connections: Vec<UnixStream> =
        (0..CONNECTIONS).map(|_| UnixStream::connect(&socket)).collect::<io::Result<_>>()?;
    let mut away = 0;
    for mut connection in &connections {
        connection.set_read_timeout(Some(Duration::from_millis(100)))?;
        away += usize::from(matches!(connection.read(&mut [0]), Ok(0)));
    }
    println!("turned away: {away}");
    Ok(())
}
