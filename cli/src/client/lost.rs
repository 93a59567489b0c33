//! The guard is gone: fail closed. The supervisor's keeper kills the session too; the client does not rely on it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Kills the session: its cgroup, where this user may, and the command, if it still runs, with everything that descends
/// from it.
pub fn kill_session(command: Option<Pid>, cgroup: Option<&Path>) {
    if let Some(cgroup) = cgroup {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "where this user may not, its processes are killed below"
        )]
        let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    }
    // Twice: a process may fork while its parent is being killed.
    for _ in 0..2 {
        for pid in command.into_iter().flat_map(tree) {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "who is gone needs no signal, and who is not this user's is the keeper's to kill"
            )]
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// A process and its descendants, as far as they have not been re-parented; the root first, so that it forks no more.
pub(super) fn tree(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (pid, stat) in sys::process::all() {
        children.entry(stat.parent as i32).or_default().push(pid as i32);
    }
    let mut found = vec![root.as_raw()];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    found.into_iter().map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_its_root_and_children() {
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        assert!(tree(Pid::this()).contains(&pid));
        kill_session(Some(pid), None);
        assert!(!child.wait().unwrap().success());
    }
}
