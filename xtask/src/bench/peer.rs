//! Tools that a user would reach for instead, each asked for what it does best: opens, connections and started programs,
//! and with plain strace every system call.

use super::world::World;
use crate::host;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// `strace -f`: every system call.
    Strace,
    /// `strace --seccomp-bpf -f`: stops only at the calls that it shows.
    StraceSeccomp,
    /// `perf trace`
    PerfTrace,
    /// bpftrace printing from tracepoints.
    Bpftrace,
    /// auditd with rules.
    Auditd,
}

/// The system calls that peers show, by their names.
const CALLS: &str = "open,openat,connect,execve";
/// How long a daemon may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// `backlog_limit` of the kernel's audit queue: what auditd's own rules set.
const AUDIT_BACKLOG: &str = "8192";

/// What a peer saw.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seen {
    /// Lines or records about system calls.
    pub events: u64,
    /// What it says that it lost.
    pub lost: u64,
}

impl Peer {
    /// All of them.
    pub const ALL: [Peer; 5] =
        [Peer::Strace, Peer::StraceSeccomp, Peer::PerfTrace, Peer::Bpftrace, Peer::Auditd];

    /// Its program.
    fn program(self) -> &'static str {
        match self {
            Peer::Strace | Peer::StraceSeccomp => "strace",
            Peer::PerfTrace => "perf",
            Peer::Bpftrace => "bpftrace",
            Peer::Auditd => "auditd",
        }
    }

    /// Whether it is installed.
    pub fn is_here(self) -> bool {
        host::find(self.program()).is_some()
    }

    /// Runs `run` under the peer. `run` gets the words that stand before the workload's command, and runs it to its end.
    pub fn around<T>(self, world: &World, run: impl FnOnce(Vec<OsString>) -> Result<T>) -> Result<(T, Seen)> {
        let output = world.path().join("peer.out");
        let _ = fs::remove_file(&output);
        let words = |words: &[&str]| -> Vec<OsString> {
            let program = host::find(self.program()).map(PathBuf::into_os_string);
            program.into_iter().chain(words.iter().map(Into::into)).collect()
        };
        let file = output.to_string_lossy().into_owned();
        match self {
            Peer::Strace => {
                let done = run(words(&["-f", "-qq", "-o", &file]))?;
                Ok((done, Seen { events: lines(&output, "(")?, lost: 0 }))
            }
            Peer::StraceSeccomp => {
                let trace = format!("trace={CALLS}");
                let done = run(words(&["--seccomp-bpf", "-f", "-qq", "-e", &trace, "-o", &file]))?;
                Ok((done, Seen { events: lines(&output, "(")?, lost: 0 }))
            }
            Peer::PerfTrace => {
                let _tracing = Tracing::mount()?;
                let done = run(words(&["trace", "-e", CALLS, "-o", &file, "--"]))?;
                Ok((done, Seen { events: lines(&output, "(")?, lost: counted(&output, "LOST ")? }))
            }
            Peer::Bpftrace => bpftrace(world, &output, run),
            Peer::Auditd => auditd(world, run),
        }
    }
}

fn bpftrace<T>(
    world: &World,
    output: &Path,
    run: impl FnOnce(Vec<OsString>) -> Result<T>,
) -> Result<(T, Seen)> {
    let _tracing = Tracing::mount()?;
    let user = world.user;
    let program = format!(
        "BEGIN {{ printf(\"ready\\n\"); }}
         tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat /uid == {user}/ {{ printf(\"open %d %s\\n\", pid, str(args->filename)); }}
         tracepoint:syscalls:sys_enter_connect /uid == {user}/ {{ printf(\"connect %d %d\\n\", pid, args->fd); }}
         tracepoint:syscalls:sys_enter_execve /uid == {user}/ {{ printf(\"exec %d %s\\n\", pid, str(args->filename)); }}"
    );
    let said = world.path().join("peer.err");
    let child = Command::new("bpftrace")
        .args(["-e", &program])
        .stdin(Stdio::null())
        .stdout(fs::File::create(output)?)
        .stderr(fs::File::create(&said)?)
        .spawn()?;
    let daemon = Daemon(child);
    wait(|| lines(output, "ready").is_ok_and(|ready| ready > 0)).context("bpftrace did not begin")?;
    let done = run(Vec::new())?;
    daemon.interrupt()?;
    let shown =
        ["open ", "connect ", "exec "].iter().map(|begin| lines(output, begin)).sum::<Result<u64>>()?;
    Ok((done, Seen { events: shown, lost: counted(&said, "Lost ")? + counted(output, "Lost ")? }))
}

fn auditd<T>(world: &World, run: impl FnOnce(Vec<OsString>) -> Result<T>) -> Result<(T, Seen)> {
    let directory = world.path().join("audit");
    fs::create_dir_all(&directory)?;
    let log = directory.join("audit.log");
    let _ = fs::remove_file(&log);
    let configuration = format!(
        "log_file = {}\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 4000\nmax_log_file_action = IGNORE\n\
         space_left = 75\nspace_left_action = IGNORE\nadmin_space_left = 50\nadmin_space_left_action = IGNORE\n\
         disk_full_action = IGNORE\ndisk_error_action = IGNORE\n",
        log.display()
    );
    host::write(&directory.join("auditd.conf"), configuration)?;
    let control = |words: &[&str]| host::output(Command::new("auditctl").args(words));
    let lost = || -> Result<u64> {
        let status = control(&["-s"])?;
        let line = status.lines().find_map(|line| line.strip_prefix("lost "));
        line.and_then(|lost| lost.trim().parse().ok()).context("`auditctl -s` has no line `lost`")
    };
    let child = Command::new(host::find("auditd").context("auditd is gone")?)
        .args(["-n", "-s", "nochange", "-c"])
        .arg(&directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let daemon = Daemon(child);
    let _off = AuditOff;
    wait(|| control(&["-s"]).is_ok_and(|status| status.contains(&format!("pid {}", daemon.0.id()))))
        .context("auditd did not begin")?;
    control(&["-D"])?;
    control(&["-b", AUDIT_BACKLOG])?;
    let user = format!("uid={}", world.user);
    let mut rule = vec!["-a", "always,exit", "-F", "arch=b64", "-F", &user];
    for call in CALLS.split(',') {
        rule.extend(["-S", call]);
    }
    control(&rule)?;
    let before = lost()?;
    control(&["-e", "1"])?;
    let done = run(Vec::new())?;
    control(&["-D"])?;
    control(&["-e", "0"])?;
    let lost = lost()?.saturating_sub(before);
    daemon.terminate()?;
    Ok((done, Seen { events: lines(&log, "type=SYSCALL")?, lost }))
}

/// No rules and no auditing, whatever happened.
struct AuditOff;

impl Drop for AuditOff {
    fn drop(&mut self) {
        for words in [&["-D"][..], &["-e", "0"], &NO_TASK] {
            let _ = Command::new("auditctl").args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// The rule that no new process is audited. A kernel that has audited once looks at every system call of every process
/// that begins later, though there is nothing to look for: bare would not be bare.
const NO_TASK: [&str; 2] = ["-a", "never,task"];

/// Has no new process audited, where auditing is off. Somebody else's auditing is left alone.
pub fn quiet_audit() {
    let status = host::output(Command::new("auditctl").arg("-s")).unwrap_or_default();
    let rules = host::output(Command::new("auditctl").arg("-l")).unwrap_or_default();
    if status.contains("enabled 0") && rules.contains("No rules") {
        let _ = Command::new("auditctl").args(NO_TASK).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A daemon of a peer's, killed at the end if it is still there.
struct Daemon(Child);

impl Daemon {
    fn interrupt(self) -> Result<()> {
        self.end(Signal::INT)
    }

    fn terminate(self) -> Result<()> {
        self.end(Signal::TERM)
    }

    fn end(mut self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.0), signal).context("the peer ended by itself")?;
        let until = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "the peer did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file system of tracepoints, mounted while this lives where it was not.
struct Tracing(bool);

impl Tracing {
    const POINT: &'static str = "/sys/kernel/tracing";

    fn mount() -> Result<Tracing> {
        if Path::new(Self::POINT).join("events").is_dir() {
            return Ok(Tracing(false));
        }
        host::output(Command::new("mount").args(["-t", "tracefs", "tracefs", Self::POINT]))?;
        Ok(Tracing(true))
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        if self.0 {
            let _ = Command::new("umount").arg(Self::POINT).status();
        }
    }
}

fn wait(ready: impl Fn() -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !ready() {
        if Instant::now() > until {
            bail!("not within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Lines of a file that hold some text.
fn lines(path: &Path, text: &str) -> Result<u64> {
    let bytes = host::read(path)?;
    Ok(bytes.split(|&byte| byte == b'\n').filter(|line| contains(line, text.as_bytes())).count() as u64)
}

/// The sum of the first numbers behind some text in the lines of a file.
fn counted(path: &Path, text: &str) -> Result<u64> {
    let bytes = host::read(path)?;
    let whole = String::from_utf8_lossy(&bytes);
    let numbers = whole.lines().filter_map(|line| {
        let rest = line.split_once(text)?.1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    Ok(numbers.sum())
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|window| window == text)
}
