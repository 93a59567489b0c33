//! The keeper: fail closed. A small process that the supervisor starts with the first session and that does nothing but
//! wait. When the supervisor ends without saying that all is well, however it was ended, the keeper kills every session.
//!
//! Why a process of its own: the kernel programs go with the last descriptor of the supervisor, and from then on a
//! session would run unguarded.

use crate::Error;
use crate::starter::{Order, Starter};
use abi::Member;
use collector::{Kernel, Strays};
use guard::cgroup;
use guard::child::Child;
use rustix::process::Signal;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::clock::{NS_PER_TICK, boot_ns};
use sys::mountinfo::cgroup_root;
use sys::process::{self, Stat};

/// What the supervisor says before it ends as it should.
const ALL_IS_WELL: u8 = b'q';
/// Passes over what is left; a process can fork between two of them, so that one is not enough.
const PASSES: u32 = 200;
const BETWEEN_PASSES: Duration = Duration::from_millis(5);

/// The supervisor's hold on its keeper. Dropping it without [`Keeper::dismiss`] lets the keeper kill.
pub struct Keeper {
    process: Child,
    /// Its standard input.
    told: PipeWriter,
}

impl Keeper {
    /// Starts one. `prefix` begins the names of this supervisor's cgroups; `kernel` has the tables of members, and of
    /// those for whom there was no room.
    pub(crate) fn start(starter: &Starter, prefix: &str, kernel: &Kernel) -> Result<Self, Error> {
        let wrong = |e| Error::io("the keeper cannot be started", e);
        let (hears, told) = std::io::pipe().map_err(wrong)?;
        let cgroups = cgroup_root().map(|root| root.join(cgroup::PARENT)).unwrap_or_default();
        let order = Order::Keeper {
            cgroups: cgroups.as_os_str().as_bytes().into(),
            prefix: prefix.to_owned(),
            strays: kernel.strays_id(),
        };
        let process = starter.child(&order, &[hears.as_fd(), kernel.members_fd()]).map_err(wrong)?;
        Ok(Self { process, told })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still waits.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Has it kill every session now, and waits until it has.
    pub(crate) fn kill(mut self) {
        drop(self.told);
        #[expect(clippy::let_underscore_must_use, reason = "an error says that nobody is left to wait for")]
        let _ = self.process.wait();
    }

    /// No session is left: it may go.
    pub fn dismiss(mut self) {
        #[expect(clippy::let_underscore_must_use, reason = "a keeper that is gone has nobody to kill")]
        let _ = self.told.write_all(&[ALL_IS_WELL]);
        drop(self.told);
        #[expect(clippy::let_underscore_must_use, reason = "an error says that nobody is left to wait for")]
        let _ = self.process.wait();
    }
}

/// The keeper's whole life: waits on its standard input, and kills. Its standard output is the kernel's table of members:
/// a descriptor that is inherited without any `unsafe`. `strays` is the number of the table of those for whom there was no
/// room in it.
pub fn run(cgroups: &Path, prefix: &str, strays: u32) -> Result<(), Error> {
    let members = std::io::stdout().as_fd().try_clone_to_owned();
    // It goes with the supervisor, unless it is held.
    let strays = Strays::open(strays);
    if let Err(error) = &strays {
        tracing::warn!(%error, "the keeper does not know for whom there was no room");
    }
    #[expect(clippy::let_underscore_must_use, reason = "who leads a session already is apart")]
    let _ = rustix::process::setsid();
    #[expect(
        clippy::let_underscore_must_use,
        reason = "killed by the kernel for want of memory, it would be of no use when it is needed most: where it may not ask, it may be"
    )]
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    let mut said = Vec::new();
    std::io::stdin()
        .read_to_end(&mut said)
        .map_err(|e| Error::io("the supervisor cannot be waited for", e))?;
    if said.contains(&ALL_IS_WELL) {
        return Ok(());
    }
    let ended = boot_ns() / NS_PER_TICK;
    // Without the tables the cgroups are what there is.
    let members = members.ok().and_then(entries).unwrap_or_default();
    let strays = strays.map(|strays| strays.pids()).unwrap_or_default();
    let known = members.iter().map(|(pid, member)| (*pid, member.start_ns / NS_PER_TICK));
    kill_everything(cgroups, prefix, known.chain(of_then(&strays, ended)).collect());
    Ok(())
}

/// Those of the numbers that were given before: whoever has begun since has one that was free by then.
fn of_then(pids: &[u32], then: u64) -> Vec<(u32, u64)> {
    let stats = pids.iter().filter_map(|pid| Some((*pid, Stat::read(*pid)?.start_ticks)));
    stats.filter(|(_, ticks)| *ticks <= then).collect()
}

/// The entries of the kernel's table behind a descriptor.
fn entries(members: OwnedFd) -> Option<Vec<(u32, Member)>> {
    let map = aya::maps::Map::HashMap(aya::maps::MapData::from_fd(members).ok()?);
    let map = aya::maps::HashMap::<_, u32, Member>::try_from(map).ok()?;
    Some(map.iter().flatten().collect())
}

/// Kills a cgroup at once. Where the kernel cannot (before 5.14), or will not, those in it are killed one by one.
fn kill(session: &Path) {
    let path = session.join("cgroup.kill");
    match fs::write(&path, "1") {
        Ok(()) => {}
        // A session that is over has no cgroup.
        Err(error) if [Some(libc::ENOENT), Some(libc::ENODEV)].contains(&error.raw_os_error()) => {}
        Err(error) => {
            tracing::warn!(cgroup = %path.display(), %error, "a cgroup cannot be killed as a whole: its processes are killed one by one");
        }
    }
}

/// Kills the cgroups and who is known by number and start, with what descends from them, until nothing is left.
fn kill_everything(cgroups: &Path, prefix: &str, mut known: HashSet<(u32, u64)>) {
    for _ in 0..PASSES {
        let sessions = sessions(cgroups, prefix);
        for session in &sessions {
            kill(session);
        }
        let processes = process::all();
        let in_cgroups = sessions.iter().flat_map(|session| cgroup::processes(session));
        known.extend(in_cgroups.filter_map(|pid| Some((pid, processes.get(&pid)?.start_ticks))));
        // A pid may have been reused: only with the same start time it is the same process.
        known.retain(|(pid, ticks)| {
            processes.get(pid).is_some_and(|stat| !stat.is_dead() && stat.start_ticks.abs_diff(*ticks) <= 1)
        });
        adopt_children(&mut known, &processes);
        if known.is_empty() {
            break;
        }
        // All stand still before the first dies: a shell whose child was killed would go on to its next command.
        for signal in [Signal::STOP, Signal::KILL] {
            known.iter().for_each(|(pid, _)| cgroup::signal(*pid, signal));
        }
        std::thread::sleep(BETWEEN_PASSES);
    }
    if let Some((first, _)) = known.iter().next() {
        tracing::error!(
            count = known.len(),
            first,
            "processes of sessions were sent SIGKILL and have not ended: nobody guards them"
        );
    }
    for session in sessions(cgroups, prefix) {
        #[expect(clippy::let_underscore_must_use, reason = "a cgroup that somebody is in stays")]
        let _ = fs::remove_dir(session);
    }
}

/// Adds what descends from the known: the lineage ends with the programs, so that a child forked since is known by its
/// parent alone.
fn adopt_children(known: &mut HashSet<(u32, u64)>, processes: &HashMap<u32, Stat>) {
    loop {
        let parents: HashSet<u32> = known.iter().map(|(pid, _)| *pid).collect();
        let before = known.len();
        known.extend(
            processes
                .iter()
                .filter(|(_, stat)| !stat.is_dead() && parents.contains(&stat.parent))
                .map(|(pid, stat)| (*pid, stat.start_ticks)),
        );
        if known.len() == before {
            return;
        }
    }
}

/// The cgroups of this supervisor's sessions.
fn sessions(cgroups: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(cgroups).into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_name().to_str().is_some_and(|name| name.starts_with(prefix)))
        .map(|e| e.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn start(pid: u32) -> u64 {
        Stat::read(pid).unwrap().start_ticks
    }

    /// A shell that waits for a child, and the child's pid.
    fn shell() -> (std::process::Child, u32) {
        let mut command = Command::new("sh");
        let mut shell =
            command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut child = String::new();
        while !child.ends_with('\n') {
            let mut byte = [0];
            shell.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            child.push(byte[0] as char);
        }
        (shell, child.trim().parse().unwrap())
    }

    #[test]
    fn members_die_with_their_children_and_others_live() {
        let (mut bystander, its_child) = shell();
        let (mut shell, child) = shell();
        let known = HashSet::from([(shell.id(), start(shell.id())), (bystander.id(), 0)]);
        kill_everything(Path::new("/nonexistent"), "x", known);
        assert!(!shell.wait().unwrap().success());
        assert!(Stat::read(child).is_none_or(|stat| stat.is_dead()));
        assert!(bystander.try_wait().unwrap().is_none());
        assert!(Stat::read(its_child).is_some_and(|stat| !stat.is_dead()));
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        cgroup::signal(its_child, Signal::KILL);
    }

    #[test]
    fn whom_there_was_no_room_for_is_known_by_its_number_unless_it_has_begun_since() {
        let (mut shell, child) = shell();
        let pids = [shell.id(), child, u32::MAX];
        let now = boot_ns() / NS_PER_TICK;
        assert_eq!(of_then(&pids, now), [(shell.id(), start(shell.id())), (child, start(child))]);
        assert_eq!(of_then(&pids, start(shell.id()) - 1), []);
        kill_everything(Path::new("/nonexistent"), "x", of_then(&[child], now).into_iter().collect());
        assert!(Stat::read(child).is_none_or(|stat| stat.is_dead()));
        // Its only child has ended.
        assert!(shell.wait().unwrap().code().is_some());
    }
}
