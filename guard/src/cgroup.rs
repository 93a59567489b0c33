//! One cgroup (v2) a session: what freezes and kills it as a whole.
//!
//! Membership decides nothing here: a root process leaves a cgroup with one write. Who is inside a session is the
//! kernel side's lineage; the cgroup only makes stopping instant for those that stayed.

use crate::Error;
use bstr::ByteSlice;
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::mountinfo::cgroup_root;
use sys::process;

/// The cgroup below which the sessions' own are made.
pub const PARENT: &str = "wardline";
/// Cgroups that are looked for below a session's own: root can make any number.
const BELOW: usize = 1024;
/// Time for the kernel to say that a cgroup is frozen or empty: it takes milliseconds, even under load.
pub const SETTLE: Duration = Duration::from_secs(2);

/// A session's cgroup.
#[derive(Clone, Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes the cgroup of the session `name`; one that an earlier supervisor left behind is emptied and taken over.
    pub fn create(name: &str) -> Result<Self, Error> {
        let parent = cgroup_root().map_err(|e| Error::io("finding cgroup v2", e))?.join(PARENT);
        make(&parent)?;
        let path = parent.join(name);
        make(&path)?;
        let cgroup = Self { path };
        cgroup.thaw()?;
        Ok(cgroup)
    }

    /// Lets it have so many processes and threads at once: a fork beyond that fails with `EAGAIN`.
    pub fn limit_processes(&self, most: u32) -> Result<(), Error> {
        let parent = cgroup_root().map_err(|e| Error::io("finding cgroup v2", e))?;
        // What is there below has it already, where a service manager set it up.
        for above in [parent.clone(), parent.join(PARENT)] {
            let control = above.join("cgroup.subtree_control");
            fs::write(&control, "+pids").map_err(|e| Error::file(control, "written", e))?;
        }
        self.write("pids.max", &most.to_string())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        let path = self.path.join(file);
        fs::write(&path, value).map_err(|e| Error::file(path, "written", e))
    }

    fn read(&self, file: &str) -> Result<String, Error> {
        let path = self.path.join(file);
        fs::read_to_string(&path).map_err(|e| Error::file(path, "read", e))
    }

    /// Moves a process into it; the children that it makes from now on are born in it.
    pub fn add(&self, pid: u32) -> Result<(), Error> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// The processes with a thread in it or below it.
    pub fn processes(&self) -> HashSet<u32> {
        processes(&self.path)
    }

    /// The processes that freezing and killing it reaches: those whose first thread is in it or below it, and has not
    /// exited. Of the others the kernel freezes the threads that are there, and kills none.
    pub fn reached(&self) -> HashSet<u32> {
        let tree = tree(&self.path);
        let threads = numbers(&tree, "cgroup.threads");
        numbers(&tree, "cgroup.procs").intersection(&threads).copied().collect()
    }

    /// Freezes all of it, and waits until the kernel says that it is done. Reversible.
    pub fn freeze(&self) -> Result<(), Error> {
        self.begin_freeze()?;
        self.wait("frozen 1")
    }

    /// Has all of it frozen, and does not wait.
    pub fn begin_freeze(&self) -> Result<(), Error> {
        self.write("cgroup.freeze", "1")
    }

    /// Whether everything in it stands still, or is gone.
    pub fn is_still(&self) -> bool {
        self.read("cgroup.events").map_or(true, |events| events.lines().any(|line| line == "frozen 1"))
    }

    /// It did not do in time what was asked.
    pub fn unsettled(&self) -> Error {
        Error::file(&self.path, "settled in time", std::io::ErrorKind::TimedOut)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.write("cgroup.freeze", "0")
    }

    /// Whether it was told to freeze.
    pub fn is_frozen(&self) -> bool {
        self.read("cgroup.freeze").is_ok_and(|value| value.trim() == "1")
    }

    /// Ends every process that it reaches with SIGKILL, see [`Cgroup::reached`].
    pub fn kill(&self) -> Result<(), Error> {
        match self.write("cgroup.kill", "1") {
            Ok(()) => Ok(()),
            // Kernels before 5.14 have no cgroup.kill: a frozen cgroup takes no new members by fork, so one pass is enough.
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.freeze()?;
                for pid in self.processes() {
                    signal(pid, rustix::process::Signal::KILL);
                }
                self.thaw()
            }
            Err(e) => Err(e),
        }
    }

    /// Waits for a line of `cgroup.events`.
    fn wait(&self, line: &str) -> Result<(), Error> {
        let until = Instant::now() + SETTLE;
        loop {
            if self.read("cgroup.events")?.lines().any(|found| found == line) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(self.unsettled());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Removes it and what the session made below it. Processes that are still in it are an error.
    pub fn remove(&self) -> Result<(), Error> {
        if self.read("cgroup.events").is_ok() {
            self.wait("populated 0")?;
        }
        for path in tree(&self.path).into_iter().rev() {
            match fs::remove_dir(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file(path, "removed", e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The processes with a thread in a cgroup or below it. The kernel lists one whose first thread has exited where that thread
/// was, which may be elsewhere; its other threads are listed where they are.
pub fn processes(cgroup: &Path) -> HashSet<u32> {
    let tree = tree(cgroup);
    let mut found = numbers(&tree, "cgroup.procs");
    for tid in numbers(&tree, "cgroup.threads") {
        if !found.contains(&tid) {
            found.extend(process::of_thread(tid));
        }
    }
    found
}

/// A cgroup and what a session made below it, deepest last.
fn tree(cgroup: &Path) -> Vec<PathBuf> {
    let mut found = vec![cgroup.to_owned()];
    let mut next = 0;
    while found.len() < BELOW
        && let Some(directory) = found.get(next)
    {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let below: Vec<_> =
            entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
        found.extend(below);
        next += 1;
    }
    found
}

/// What is listed in a file of each of these cgroups.
fn numbers(tree: &[PathBuf], file: &str) -> HashSet<u32> {
    let lists = tree.iter().filter_map(|cgroup| fs::read_to_string(cgroup.join(file)).ok());
    lists.flat_map(|list| list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn make(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::file(path, "made", e)),
        _ => Ok(()),
    }
}

/// The cgroup (v2) that a process is in; `None`: it is gone, or there is none.
pub fn of(pid: u32) -> Option<PathBuf> {
    let lines = fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    let path = lines.lines().find_map(|line| line.strip_prefix(b"0::/"))?;
    Some(cgroup_root().ok()?.join(std::ffi::OsStr::from_bytes(path)))
}

/// Moves a process into any cgroup.
pub fn put(cgroup: &Path, pid: u32) -> Result<(), Error> {
    let path = cgroup.join("cgroup.procs");
    fs::write(&path, pid.to_string()).map_err(|e| Error::file(path, "written", e))
}

/// Sends a signal; a process that is gone is no error, since then there is nothing left to stop.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        match rustix::process::kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                tracing::error!(pid = pid.as_raw_nonzero(), ?signal, %error, "a process was sent no signal");
            }
        }
    }
}
