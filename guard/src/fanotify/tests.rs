//! Marks with a deny-list in memory. Needs root, as fanotify's permission events do; without it says so.

use super::*;
use crate::denylist::fake::Fake;
use crate::walk::{self, Found};
use std::sync::Arc;

#[test]
fn opens_of_others_pass_and_a_mark_stays_as_long_as_anybody_holds_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: fanotify permission events need root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("secret");
    std::fs::write(&file, "x").unwrap();
    let list = Arc::new(Fake::default());
    let group = Group::here(list.clone()).unwrap();
    let Found::Node(node) = walk::open(&*list, tmp.path()) else { panic!("no directory") };
    let marked = || {
        let info = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
        let infos = info.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        let ino = format!("ino:{:x} ", node.identity.file.ino);
        infos
            .filter(|info| info.lines().any(|line| line.starts_with("fanotify ino") && line.contains(&ino)))
            .count()
    };
    let (one, other) = (Marks::new(group.clone(), 1000), Marks::new(group.clone(), 1001));
    assert!(one.mark_exec(&node) && one.mark(&node) && one.mark(&node) && other.mark(&node));
    assert_eq!((one.marks(), one.skipped(), other.marks()), (1, 0, 1));
    for _ in 0..100 {
        assert!(std::fs::read(&file).is_ok(), "nobody is a member");
    }
    assert!(group.alive() && marked() > 0);
    drop(one);
    assert!(marked() > 0, "the other one holds it still");
    drop(other);
    assert_eq!(marked(), 0);
    assert!(std::fs::read(&file).is_ok());
}
