//! The live probes on this host's kernel. Needs root and BPF; without them it says so.

use collector::{Kernel, Options};
use event::{Fate, Means, Tier};
use std::sync::Arc;

#[test]
fn every_operation_has_its_means_and_those_that_matter_are_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: loading kernel programs needs root");
        return;
    }
    let (kernel, mut reader) = Kernel::load(&Options::default()).unwrap();
    let kernel = Arc::new(kernel);
    kernel.attach().unwrap();
    let rows = guard::canary::probe(&kernel, 200).unwrap();
    let mut refusals = 0;
    reader.drain(&mut |_, heard| {
        if let collector::Heard::Captured(event::Captured::Event(event)) = heard {
            refusals += usize::from(event.decision.is_some_and(|decision| decision.enforced));
        }
    });
    kernel.detach();
    for row in &rows {
        println!(
            "{:28} {:10} {:20} {}",
            row.operation,
            row.means.map_or("-", Means::name),
            row.fate.map_or("-", Fate::name),
            row.note
        );
    }
    let row = |name: &str| rows.iter().find(|row| row.operation == name).unwrap();
    for name in ["read a file", "list a directory", "write a file", "start a program", "connect over IPv4"] {
        assert_eq!(row(name).fate, Some(Fate::Refused), "{name}: {:?}", row(name));
    }
    if kernel.tier() == Tier::Lsm {
        assert!(rows.iter().all(|row| row.fate.is_none_or(|fate| fate == Fate::Refused)), "{rows:?}");
    } else {
        assert_eq!(row("read a file").means, Some(Means::Fanotify));
        assert_eq!(row("connect over IPv4").means, Some(Means::Cgroup));
    }
    assert!(
        refusals >= rows.iter().filter(|row| row.fate == Some(Fate::Refused)).count(),
        "each refusal is told: {refusals}"
    );
    assert!(kernel.members(200).is_empty());
}
