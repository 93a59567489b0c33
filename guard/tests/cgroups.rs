//! A session's cgroup on this host: frozen at once, thawed, killed whole, and removed. Needs root and cgroup v2.

use guard::cgroup::Cgroup;
use std::process::{Command, Stdio};
use std::time::Duration;
use sys::mountinfo::cgroup_root;

#[test]
fn a_session_is_frozen_thawed_and_killed_with_what_it_forked() {
    if !rustix::process::geteuid().is_root() || cgroup_root().is_err() {
        eprintln!("skipped: needs root and cgroup v2");
        return;
    }
    let cgroup = Cgroup::create(&format!("test-{}", std::process::id())).unwrap();
    let script = "read go; (setsid sh -c 'while :; do echo .; sleep 0.01; done') & wait";
    let mut child =
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    cgroup.add(child.id()).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(cgroup.processes().len() >= 2, "what was forked is in it");
    cgroup.freeze().unwrap();
    assert!(cgroup.is_frozen());
    let frozen = cgroup.processes();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(cgroup.processes(), frozen, "nothing forks while it is frozen");
    cgroup.thaw().unwrap();
    assert!(!cgroup.is_frozen());
    cgroup.freeze().unwrap();
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.remove().unwrap();
    assert!(!cgroup.path().exists());
}
