//! The listener against a deny-list in memory. Needs root, as fanotify's permission events do; without it says so.

use super::*;
use crate::denylist::fake::Fake;
use crate::walk::{self, Found};

#[test]
fn opens_of_others_pass_and_marks_go_with_the_listener() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: fanotify permission events need root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("secret");
    std::fs::write(&file, "x").unwrap();
    let list = Arc::new(Fake::default());
    let listener = Listener::new(list.clone()).unwrap();
    let Found::Node(node) = walk::open(&*list, tmp.path()) else { panic!("no directory") };
    assert!(listener.mark(&node));
    for _ in 0..100 {
        assert!(std::fs::read(&file).is_ok(), "nobody is a member");
    }
    assert!(listener.alive() && listener.marks() == 1 && listener.skipped() == 0);
    // The last answer is counted after it was given.
    while listener.latency().answered < 100 {
        std::thread::yield_now();
    }
    let latency = listener.latency();
    assert!(
        latency.answered >= 100 && latency.refused == 0 && latency.p99_ns >= latency.p50_ns,
        "{latency:?}"
    );
    drop(listener);
    assert!(std::fs::read(&file).is_ok());
}
