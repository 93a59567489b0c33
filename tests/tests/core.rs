//! The thread that decides opens no path that a session named: what it opens, a session has no part in.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use end_to_end::{World, wait_until};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);

/// Calls that are given a path, and which argument it is.
const WITH_PATH: [(i64, usize); 20] = [
    (libc::SYS_open, 0),
    (libc::SYS_openat, 1),
    (libc::SYS_openat2, 1),
    (libc::SYS_creat, 0),
    (libc::SYS_stat, 0),
    (libc::SYS_lstat, 0),
    (libc::SYS_newfstatat, 1),
    (libc::SYS_statx, 1),
    (libc::SYS_access, 0),
    (libc::SYS_faccessat, 1),
    (libc::SYS_faccessat2, 1),
    (libc::SYS_readlink, 0),
    (libc::SYS_readlinkat, 1),
    (libc::SYS_rename, 0),
    (libc::SYS_renameat2, 1),
    (libc::SYS_unlink, 0),
    (libc::SYS_unlinkat, 1),
    (libc::SYS_mkdir, 0),
    (libc::SYS_execve, 0),
    (libc::SYS_chdir, 0),
];
/// Calls that are for who may wait: none of the thread's.
const WAITING: [i64; 6] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_connect,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_wait4,
];

/// Names of all kinds: what is not there, what is deep, links, sockets, programs, other processes' own; and a jewel is
/// replaced.
const NAMING: &str = r#"
for n in 1 2 3; do
    cat "named/absent-$n" "named/a/../b//c" /proc/self/root/named /dev/fd/named
    ln -s "$HOME/named-target" "named-link-$n"; cat "named-link-$n/x"; mkdir "named-made-$n"; mv "named-made-$n" "named-moved-$n"
    cat "$HOME/.ssh/id_ed25519"; : >"named-file-$n"; chmod 600 "named-file-$n"; rm "named-file-$n"
    "./named-program-$n"; (exec 3<>"/dev/tcp/169.254.169.254/80"); python3 -c 'import socket; socket.socket(1).connect("named-socket")'
done 2>/dev/null
echo named >new; mv new "$HOME/.bashrc" 2>/dev/null
echo done >named-all
sleep 1
"#;

/// Follows a thread until it is over: the paths that it named, and calls that it should not make.
fn follow(thread: i32, over: &AtomicBool) -> Result<(BTreeSet<String>, BTreeSet<i64>)> {
    let thread = Pid::from_raw(thread);
    let memory = fs::File::open(format!("/proc/{thread}/mem"))?;
    ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(thread)?;
    let (mut paths, mut calls) = (BTreeSet::new(), BTreeSet::new());
    loop {
        match waitpid(thread, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceSyscall(_) => {
                let info = ptrace::syscall_info(thread)?;
                // SAFETY: the kernel fills in what belongs to the kind of stop.
                if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                    // SAFETY: as above.
                    let (number, args) = unsafe { (info.u.entry.nr as i64, info.u.entry.args) };
                    if WAITING.contains(&number) {
                        calls.insert(number);
                    }
                    if let Some((_, at)) = WITH_PATH.iter().find(|(call, _)| *call == number) {
                        let mut path = [0; 256];
                        let read = memory.read_at(&mut path, args[*at]).unwrap_or(0);
                        let path = path[..read].split(|&byte| byte == 0).next().unwrap_or_default();
                        // An empty one stands for the descriptor itself.
                        if read == 0 || !path.is_empty() {
                            paths.insert(String::from_utf8_lossy(path).into_owned());
                        }
                    }
                }
                if over.load(Ordering::Acquire) {
                    ptrace::detach(thread, None)?;
                    return Ok((paths, calls));
                }
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok((paths, calls)),
            _ => {}
        }
        ptrace::syscall(thread, None)?;
    }
}

/// What a process may do at most, and whether it may get more by a program.
fn rights(pid: u32) -> Result<(u64, u64, bool)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let set = |name: &str| Ok::<_, anyhow::Error>(u64::from_str_radix(field(name).context("set")?, 16)?);
    Ok((set("CapBnd:")?, set("CapPrm:")?, field("NoNewPrivs:") == Some("0")))
}

#[test]
fn the_supervisor_has_the_rights_that_it_needs_and_gets_no_others() -> Result<()> {
    /// include/uapi/linux/capability.h: chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, setpcap,
    /// net_admin, sys_chroot, sys_ptrace, sys_admin, sys_nice, sys_resource, lease, perfmon, bpf.
    const NEEDED: [u32; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 18, 19, 21, 23, 24, 28, 38, 39];
    let own = rights(std::process::id())?;
    // A container may give less.
    let needed = own.0 & NEEDED.iter().fold(0, |all, right| all | 1u64 << right);
    let world = World::new()?;
    let mut args = world.session("record", &["--quiet"]);
    args.extend(["sleep", "60"].map(str::to_owned));
    let mut client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed =
        || world.run(["sessions"]).is_ok_and(|all| String::from_utf8_lossy(&all.stdout).contains("running"));
    ensure!(wait_until(SOON, listed), "it does not run");
    let supervisor = world.supervisor().context("no supervisor")?;
    for thread in fs::read_dir(format!("/proc/{supervisor}/task"))?.flatten() {
        let thread: u32 = thread.file_name().to_str().context("thread")?.parse()?;
        assert_eq!(rights(thread)?, (needed, needed, false), "{thread}");
    }
    // What runs inside is the user's, as before, once it is the command.
    let is_command =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    let inside = || world.user_processes();
    ensure!(wait_until(SOON, || inside().iter().any(is_command)), "it does not run: {:?}", inside());
    for pid in inside() {
        assert_eq!(rights(pid)?, (own.0, 0, true), "{pid}");
    }
    client.kill()?;
    client.wait()?;
    Ok(())
}

/// Has a thread make a system call, and returns what the kernel says; the thread goes on as before.
fn inject(thread: i32, number: i64, arguments: [u64; 3]) -> Result<i64> {
    /// x86-64's `syscall`.
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let thread = Pid::from_raw(thread);
    let stopped = || waitpid(thread, Some(WaitPidFlag::__WALL));
    ptrace::seize(thread, ptrace::Options::empty())?;
    let until = Instant::now() + SOON;
    // It is interrupted until it is in a call, which is where it waits for what comes.
    let was = loop {
        ptrace::interrupt(thread)?;
        stopped()?;
        let was = ptrace::getregs(thread)?;
        let mut instruction = [0; 2];
        fs::File::open(format!("/proc/{thread}/mem"))?.read_exact_at(&mut instruction, was.rip - 2)?;
        if instruction == SYSCALL {
            break was;
        }
        ensure!(Instant::now() < until, "thread {thread} waits in no system call");
        ptrace::cont(thread, None)?;
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut call = was;
    // Nothing is to be begun again meanwhile.
    call.orig_rax = u64::MAX;
    (call.rip, call.rax) = (was.rip - 2, number as u64);
    [call.rdi, call.rsi, call.rdx] = arguments;
    ptrace::setregs(thread, call)?;
    ptrace::step(thread, None)?;
    let came = stopped()?;
    ensure!(matches!(came, WaitStatus::Stopped(..)), "{came:?}");
    let said = ptrace::getregs(thread)?.rax as i64;
    ptrace::setregs(thread, was)?;
    ptrace::detach(thread, None)?;
    Ok(said)
}

#[test]
fn a_supervisor_that_is_taken_over_starts_nothing_and_guards_on() -> Result<()> {
    let world = World::new()?;
    let key = world.home().join(".ssh/id_ed25519");
    world.write(&key, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")?;
    let mut args = world.session("enforce", &["--quiet"]);
    let script = "until [ -e go ]; do sleep 0.05; done; cat ~/.ssh/id_ed25519; echo $? >came";
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed =
        || world.run(["sessions"]).is_ok_and(|all| String::from_utf8_lossy(&all.stdout).contains("running"));
    ensure!(wait_until(SOON, listed), "it does not run");
    let supervisor = world.supervisor().context("no supervisor")?;
    for thread in fs::read_dir(format!("/proc/{supervisor}/task"))?.flatten() {
        let status = fs::read_to_string(thread.path().join("status"))?;
        ensure!(status.contains("\nSeccomp:\t2\n"), "{status}");
    }
    let unknown = -i64::from(libc::ENOSYS);
    let deciding = [thread(supervisor, "pump").context("no pump")?, i32::try_from(supervisor)?];
    for thread in deciding {
        for number in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_mount,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_chroot,
            libc::SYS_init_module,
            libc::SYS_kexec_load,
            libc::SYS_io_uring_setup,
        ] {
            assert_eq!(inject(thread, number, [0; 3])?, unknown, "{number}");
        }
        assert_eq!(inject(thread, libc::SYS_getpid, [0; 3])?, i64::from(supervisor));
    }
    fs::write(world.workspace().join("go"), "")?;
    let came = world.workspace().join("came");
    ensure!(wait_until(SOON, || fs::read_to_string(&came).is_ok_and(|came| came == "1\n")), "it was read");
    ensure!(client.wait()?.success(), "the session did not end as it should");
    assert_eq!(world.supervisor(), Some(supervisor));
    Ok(())
}

/// Who starts the supervisor's other processes is stopped, and is killed: it goes on, and then nobody does.
#[test]
fn without_who_starts_the_others_no_session_goes_on() -> Result<()> {
    let world = World::new()?;
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["sleep", "600"].map(str::to_owned));
    let mut client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed =
        || world.run(["sessions"]).is_ok_and(|all| String::from_utf8_lossy(&all.stdout).contains("running"));
    ensure!(wait_until(SOON, listed), "it does not run");
    let supervisor = world.supervisor().context("no supervisor")?;
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"))?;
    let is_starter = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == b"starter"))
    };
    let starter = children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_starter);
    let starter = Pid::from_raw(i32::try_from(starter.context("no starter")?)?);
    kill(starter, Signal::SIGSTOP)?;
    let log = world.state().join("supervisor.log");
    let goes_on = || fs::read_to_string(&log).is_ok_and(|log| log.contains("was stopped: it goes on"));
    ensure!(wait_until(SOON, goes_on), "it stays stopped");
    ensure!(client.try_wait()?.is_none(), "the session ended");
    kill(starter, Signal::SIGKILL)?;
    ensure!(
        wait_until(SOON, || client.try_wait().is_ok_and(|status| status.is_some())),
        "the session goes on"
    );
    ensure!(wait_until(SOON, || world.user_processes().is_empty()), "its processes go on");
    ensure!(wait_until(SOON, || world.supervisor() != Some(supervisor)), "the supervisor goes on");
    Ok(())
}

/// A thread of a process by its name.
fn thread(pid: u32, name: &str) -> Option<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let named =
        |comm: &std::path::Path| fs::read_to_string(comm.join("comm")).is_ok_and(|of| of.trim() == name);
    tasks.map(|task| task.path()).find(|task| named(task))?.file_name()?.to_str()?.parse().ok()
}

#[test]
fn the_thread_that_decides_opens_nothing_that_a_session_names() -> Result<()> {
    let world = World::new()?;
    world.write(&world.home().join(".ssh/id_ed25519"), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")?;
    world.write(&world.home().join(".bashrc"), "plain\n")?;
    let script = format!("until [ -e go ]; do sleep 0.05; done; {NAMING}");
    let mut args = world.session("enforce", &["--quiet"]);
    args.extend(["bash".to_owned(), "-c".to_owned(), script]);
    let mut client = world.wardline(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let listed =
        || world.run(["sessions"]).is_ok_and(|all| String::from_utf8_lossy(&all.stdout).contains("running"));
    ensure!(wait_until(SOON, listed), "it does not run");
    let supervisor = world.supervisor().context("no supervisor")?;
    let pump = thread(supervisor, "pump").context("no pump")?;
    let over = Arc::new(AtomicBool::new(false));
    let following = std::thread::spawn({
        let over = Arc::clone(&over);
        move || follow(pump, &over)
    });
    fs::write(world.workspace().join("go"), "")?;
    let stands =
        || world.run(["sessions"]).is_ok_and(|all| String::from_utf8_lossy(&all.stdout).contains("frozen"));
    let all = world.workspace().join("named-all");
    ensure!(wait_until(SOON, || all.exists() || stands()), "it does not get on");
    std::thread::sleep(Duration::from_millis(300));
    over.store(true, Ordering::Release);
    let (paths, calls) = following.join().map_err(|_| anyhow::anyhow!("the tracer"))??;
    client.kill()?;
    client.wait()?;
    println!("opened: {paths:?}");
    let is_known = |path: &String| {
        let of_kernel = |rest: &str| {
            rest.starts_with(|first: char| first.is_ascii_digit())
                && !rest.contains("/root")
                && !rest.contains("/cwd")
        };
        path == "/proc/self/mountinfo"
            || path.starts_with("/sys/fs/cgroup/") && path.contains("wardline")
            || path.strip_prefix("/proc/").is_some_and(of_kernel)
    };
    let unknown: Vec<&String> = paths.iter().filter(|path| !is_known(path)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(calls, BTreeSet::new());
    Ok(())
}
