//! A test of the dependencies of crates: those that know no kernel link nothing that loads into one, and root's program
//! links nothing of the laboratory.

use crate::host;
use std::collections::BTreeSet;
use std::process::Command;

/// Crates that know no kernel.
const WITHOUT_A_KERNEL: [&str; 8] =
    ["event", "models", "store", "profiler", "eval", "wire", "command", "datasets"];
/// What loads into a kernel.
const LOADERS: [&str; 2] = ["aya", "aya-obj"];
/// What the laboratory alone links.
const OF_THE_LABORATORY: [&str; 7] =
    ["datasets", "eval", "statistics", "wardline-lab", "axum", "maud", "plotters"];

/// The crates that a package links, itself included.
fn linked(package: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(host::workspace().unwrap());
    cargo.args([
        "tree",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--package",
        package,
    ]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn what_knows_no_kernel_links_no_loader() {
    for package in WITHOUT_A_KERNEL {
        let linked = linked(package);
        assert!(linked.contains(package), "{package}: {linked:?}");
        for loader in LOADERS {
            assert!(!linked.contains(loader), "`{package}` links `{loader}`");
        }
    }
    assert!(linked("collector").contains("aya"));
}

#[test]
fn roots_program_links_nothing_of_the_laboratory() {
    let (root, laboratory) = (linked("wardline"), linked("wardline-lab"));
    for of_the_laboratory in OF_THE_LABORATORY {
        assert!(!root.contains(of_the_laboratory), "`wardline` links `{of_the_laboratory}`");
        assert!(laboratory.contains(of_the_laboratory), "`wardline-lab` does not link `{of_the_laboratory}`");
    }
    // `wardline` lies beside it, and does what is to be done with the kernel.
    assert!(LOADERS.iter().all(|loader| !laboratory.contains(*loader)), "`wardline-lab` links a loader");
}
