//! Programs that are started otherwise than by their path, and code that is run without one.

use crate::deeds::in_child;
use nix::fcntl::AtFlags;
use nix::unistd::execveat;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Error};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

/// Starts a program in the way that a word names, or what was copied from it.
pub(crate) fn start(how: &str, program: &str) -> io::Result<()> {
    match how {
        "path" => ended(Command::new(program)),
        "loader" => {
            let mut loader = Command::new("/lib64/ld-linux-x86-64.so.2");
            loader.arg(program);
            ended(loader)
        }
        // Found, and not opened.
        "descriptor" => execute(rustix::fs::open(program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?),
        "memory" => {
            let mut memory = File::from(memfd_create("program", MemfdFlags::CLOEXEC)?);
            io::copy(&mut File::open(program)?, &mut memory)?;
            execute(memory)
        }
        "deleted" => {
            let name = format!("program-{}", std::process::id());
            let mut made = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&name)?;
            io::copy(&mut File::open(program)?, &mut made)?;
            drop(made);
            let file = File::open(&name)?;
            fs::remove_file(&name)?;
            execute(file)
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
fn execute(program: impl AsFd) -> io::Result<()> {
    in_child(|| {
        let none: [&CStr; 0] = [];
        match execveat(program, c"", &[c"program"], &none, AtFlags::AT_EMPTY_PATH)? {}
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
