//! Processes: how they come to be, what they start, and what they do to each other.

use super::file::owned;
use super::tools::{Deed, Place, call, check, in_child, say, wait};
use std::fs;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mountinfo::cgroup_root;

pub(super) const DEEDS: &[Deed] = &[
    ("fork", |_| {
        let child = Child::new()?;
        say("fork", i64::from(child.0));
        Ok(())
    }),
    ("clone3, namespaces", |_| clone3(libc::CLONE_NEWUTS as u64, 0, "clone3, namespaces")),
    ("clone3, cgroup", into_cgroup),
    ("exec", |_| start(&[c"/usr/bin/env", c"true", c"the-deed"])),
    ("exec, script", |p| start(&[&p.at("script"), c"the-script"])),
    ("exec, memfd", exec_memory),
    ("exec, absent", |p| start(&[&p.at("absent")])),
    ("exit", |_| match in_child(|| Err(Error::from_raw_os_error(77))) {
        Err(error) if error.raw_os_error() == Some(77) => Ok(()),
        _ => Err(Error::other("not as it ended")),
    }),
    ("kill", |_| with_child("kill", |pid| call!(libc::SYS_kill, pid, libc::SIGUSR1).map(drop))),
    ("kill, 0", |_| with_child("kill, 0", |pid| call!(libc::SYS_kill, pid, 0).map(drop))),
    ("tgkill", |_| with_child("tgkill", |pid| call!(libc::SYS_tgkill, pid, pid, libc::SIGUSR2).map(drop))),
    ("ptrace", |_| {
        with_child("ptrace", |pid| {
            call!(libc::SYS_ptrace, libc::PTRACE_SEIZE, pid, 0, 0)?;
            call!(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, pid, 0, 0).map(drop)
        })
    }),
    ("ptrace, absent", |_| call!(libc::SYS_ptrace, libc::PTRACE_SEIZE, i32::MAX, 0, 0).map(drop)),
    ("process_vm_readv", |_| {
        with_child("process_vm_readv", |pid| {
            let mut byte = 0u8;
            let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            let there = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            call!(libc::SYS_process_vm_readv, pid, &raw const here, 1usize, &raw const there, 1usize, 0usize)
                .map(drop)
        })
    }),
    ("pidfd_getfd", |_| {
        with_child("pidfd_getfd", |pid| {
            let pidfd = owned(call!(libc::SYS_pidfd_open, pid, 0)?)?;
            call!(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), 0, 0).and_then(owned).map(drop)
        })
    }),
    ("setresuid", |_| in_child(|| call!(libc::SYS_setresuid, 12_345, 12_346, 12_347).map(drop))),
    ("unshare", |_| in_child(|| call!(libc::SYS_unshare, libc::CLONE_NEWIPC).map(drop))),
    ("setns", |_| {
        in_child(|| {
            let namespace = fs::File::open("/proc/self/ns/uts")?;
            call!(libc::SYS_setns, namespace.as_raw_fd(), libc::CLONE_NEWUTS).map(drop)
        })
    }),
];

/// A child that waits to be killed.
struct Child(i32);

impl Child {
    fn new() -> io::Result<Child> {
        // SAFETY: the child makes system calls only.
        match unsafe { libc::fork() } {
            -1 => Err(Error::last_os_error()),
            0 => loop {
                // SAFETY: signals are left to the kernel, and the process does nothing but wait for them.
                unsafe {
                    libc::signal(libc::SIGUSR1, libc::SIG_IGN);
                    libc::signal(libc::SIGUSR2, libc::SIG_IGN);
                    libc::pause();
                }
            },
            pid => Ok(Child(pid)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0), nix::sys::signal::Signal::SIGKILL);
        let _ = wait(self.0);
    }
}

/// Does something to a child, and says which it was.
fn with_child(name: &str, deed: impl FnOnce(i32) -> io::Result<()>) -> io::Result<()> {
    let child = Child::new()?;
    say(name, i64::from(child.0));
    deed(child.0)
}

/// Executes a program in a child.
fn start(arguments: &[&std::ffi::CStr]) -> io::Result<()> {
    in_child(|| {
        let list = pointers(arguments);
        let none = [std::ptr::null::<libc::c_char>()];
        call!(libc::SYS_execve, list[0], list.as_ptr(), none.as_ptr()).map(drop)
    })
}

fn pointers(arguments: &[&std::ffi::CStr]) -> Vec<*const libc::c_char> {
    arguments.iter().map(|argument| argument.as_ptr()).chain([std::ptr::null()]).collect()
}

/// A program that lies in memory only.
fn exec_memory(_: &Place) -> io::Result<()> {
    let program = fs::read("/usr/bin/true")?;
    let memory = owned(call!(libc::SYS_memfd_create, c"program".as_ptr(), libc::MFD_CLOEXEC)?)?;
    call!(libc::SYS_write, memory.as_raw_fd(), program.as_ptr(), program.len())?;
    in_child(|| {
        let list = pointers(&[c"in-memory"]);
        let none = [std::ptr::null::<libc::c_char>()];
        let (here, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        call!(libc::SYS_execveat, memory.as_raw_fd(), here, list.as_ptr(), none.as_ptr(), flags).map(drop)
    })
}

/// A child by `clone3`, which ends at once.
fn clone3(flags: u64, cgroup: u64, name: &str) -> io::Result<()> {
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, its size, cgroup
    let args: [u64; 11] = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, cgroup];
    match call!(libc::SYS_clone3, args.as_ptr(), size_of_val(&args))? {
        // SAFETY: it ends the process and runs nothing of it.
        0 => unsafe { libc::_exit(0) },
        pid => {
            say(name, pid);
            wait(pid as i32).map(drop)
        }
    }
}

fn into_cgroup(_: &Place) -> io::Result<()> {
    let group = cgroup_root()?.join(format!("deed-{}", std::process::id()));
    fs::create_dir(&group)?;
    let directory: OwnedFd = fs::File::open(&group)?.into();
    const INTO_CGROUP: u64 = 1 << 33;
    let came = clone3(INTO_CGROUP, directory.as_raw_fd() as u64, "clone3, cgroup");
    check(fs::remove_dir(&group).map_or(-1, |()| 0))?;
    came
}
