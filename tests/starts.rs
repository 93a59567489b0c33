//! Programs that are started otherwise than by their path, and code that is run without one.

use crate::deeds::in_child;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

/// Starts a program in the way that a word names, or what was copied from it.
pub(crate) fn start(how: &str, program: &str) -> io::Result<()> {
    let path = CString::new(program)?;
    match how {
        "path" => ended(Command::new(program)),
        "loader" => {
            let mut loader = Command::new("/lib64/ld-linux-x86-64.so.2");
            loader.arg(program);
            ended(loader)
        }
        // Found, and not opened.
        "descriptor" => {
            // SAFETY: a path that outlives the call; what comes back is nobody else's.
            let found = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
            if found < 0 {
                return Err(Error::last_os_error());
            }
            // SAFETY: the call has just returned it.
            let found = unsafe { OwnedFd::from_raw_fd(found) };
            execute(found.as_raw_fd())
        }
        "memory" => {
            // SAFETY: a name that outlives the call.
            let memory = unsafe { libc::memfd_create(c"program".as_ptr(), libc::MFD_CLOEXEC) };
            if memory < 0 {
                return Err(Error::last_os_error());
            }
            // SAFETY: the call has just returned it.
            let mut memory = File::from(unsafe { OwnedFd::from_raw_fd(memory) });
            io::copy(&mut File::open(program)?, &mut memory)?;
            execute(memory.as_raw_fd())
        }
        "deleted" => {
            let name = format!("program-{}", std::process::id());
            let mut made = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&name)?;
            io::copy(&mut File::open(program)?, &mut made)?;
            drop(made);
            let file = File::open(&name)?;
            fs::remove_file(&name)?;
            execute(file.as_raw_fd())
        }
        _ => anonymous(),
    }
}

fn ended(mut command: Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = ["Operation not permitted", "Permission denied"].iter().any(|words| said.contains(words));
    if refused { Err(Error::from_raw_os_error(libc::EPERM)) } else { Err(Error::other(said)) }
}

/// Starts what a descriptor leads to, in a child: its exit code is what came of it.
fn execute(fd: RawFd) -> io::Result<()> {
    in_child(|| {
        let arguments = [c"program".as_ptr(), std::ptr::null()];
        let none = [std::ptr::null::<libc::c_char>()];
        let empty = libc::AT_EMPTY_PATH;
        // SAFETY: lists that end, and live as long as the call.
        unsafe {
            libc::syscall(libc::SYS_execveat, fd, c"".as_ptr(), arguments.as_ptr(), none.as_ptr(), empty)
        };
        Err(Error::last_os_error())
    })
}

/// Writes an instruction to memory, and runs it.
fn anonymous() -> io::Result<()> {
    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
    /// `ret`
    const RETURN: u8 = 0xc3;
    // SAFETY: memory of its own, whose first byte is a function that returns.
    unsafe {
        let (write, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        let at = mmap_anonymous(std::ptr::null_mut(), 4096, write, flags)?;
        at.cast::<u8>().write(RETURN);
        mprotect(at, 4096, MprotectFlags::READ | MprotectFlags::EXEC)?;
        let run: extern "C" fn() = std::mem::transmute(at);
        run();
    }
    Ok(())
}
