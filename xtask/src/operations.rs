//! `cargo xtask operations`: writes docs/operations.md, the table of what is told, from what the test of operations sees in
//! each tier: here, and in a machine with and without BPF among its security modules. The test compares the table from then on.

use crate::host;
use crate::test::context::Context;
use crate::test::machine::{self, WITHOUT_LSM};
use crate::test::step::Step;
use crate::test::tally;
use crate::vm::{self, Series};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The test, and how a line of it begins that says what was told: `told TIER | OPERATION | ORIGIN`.
const TEST: &str = "operations";
const TOLD: &str = "told ";
/// What stands above the table.
const HEAD: &str = "\
# Records of each operation

`sudo -E cargo xtask operations` writes this page from the results of the test of operations (`tests/tests/operations/`), and each \
run of that test compares it. The test performs each row in a recorded session, and asserts its event: operation, object, \
identity, access, outcome. Column `lsm` holds for Linux 6.1 and 6.12, column `tracepoint` for 6.13 and later, the last one for \
6.1 and 6.12 without BPF among their security modules.

*Trusted*: the object was read from the kernel. *Claimed*: it was read from the caller's memory (for a request through io_uring, \
from the kernel's copy), as for every attempt that failed before the kernel had an object. *Unresolved*: the identity is the \
kernel's; the path is incomplete, or no longer the object's own.

DNS queries and the server names of TLS are recorded too, and claimed in every tier (`tests/tests/names.rs`).

";
/// The columns, as the test calls them.
const TIERS: [&str; 3] = ["lsm", "tracepoint", "tracepoint before 6.13"];

/// Runs the tests, and writes the table.
pub fn run() -> Result<()> {
    ensure!(host::is_root(), "loading kernel programs needs root: run `sudo -E cargo xtask operations`");
    let mut context = Context::new()?;
    let built = Step::Binary.run(&mut context);
    ensure!(built.result() == tally::Result::Passed, "the program does not build");
    let wardline = context.wardline().context("the program was not built")?;
    let mut seen = Seen::default();
    let mut here = context.cargo();
    here.args(["test", "--release", "--locked", "--package", "end-to-end", "--test", TEST]);
    here.args(["--", "--test-threads=1", "--show-output"]).env("WARDLINE_BIN", &wardline);
    // It fails where the table is old.
    host::stream(&mut here, |line| seen.take(line))?;
    vm::prepare(Series::V6_12)?;
    for boot in [&[][..], &[WITHOUT_LSM]] {
        let payload = machine::payload(&wardline, machine::programs(&context, &[TEST])?, boot, "");
        vm::boot(Series::V6_12, &payload, machine::MACHINE, |line| {
            host::print(line);
            seen.take(line);
        })?;
    }
    host::write(&host::workspace()?.join("docs/operations.md"), format!("{HEAD}{}", seen.table()?))?;
    println!("wrote the table of {} operations", seen.operations.len());
    Ok(())
}

/// What the test has said.
#[derive(Default)]
struct Seen {
    /// Operations, in the test's order.
    operations: Vec<String>,
    /// Origin, by tier and operation.
    origins: BTreeMap<(String, String), String>,
}

impl Seen {
    fn take(&mut self, line: &str) {
        let Some((_, told)) = line.split_once(TOLD) else { return };
        // A machine's console ends its lines as terminals do.
        let parts: Vec<&str> = told.trim_end().split(" | ").collect();
        let [tier, operation, origin] = parts[..] else { return };
        if !self.operations.iter().any(|known| known == operation) {
            self.operations.push(operation.to_owned());
        }
        self.origins.insert((tier.to_owned(), operation.to_owned()), origin.to_owned());
    }

    fn table(&self) -> Result<String> {
        let mut out = String::from("| operation | `lsm` | `tracepoint` | `tracepoint` before 6.13 |\n");
        out.push_str("| --- | --- | --- | --- |\n");
        for operation in &self.operations {
            let _ = write!(out, "| {operation} |");
            for tier in TIERS {
                let origin = self.origins.get(&(tier.to_owned(), operation.clone()));
                let origin = origin.with_context(|| format!("`{operation}` was not seen in tier {tier}"))?;
                let _ = write!(out, " {origin} |");
            }
            out.push('\n');
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_tier_does_not_tell_is_missing() {
        let mut seen = Seen::default();
        for line in
            ["told lsm | open, cut | trusted\r", "6.12 | told tracepoint | open, cut | claimed", "| x |"]
        {
            seen.take(line);
        }
        assert!(seen.table().is_err());
        seen.take("told tracepoint before 6.13 | open, cut | claimed");
        assert_eq!(seen.table().unwrap().lines().last(), Some("| open, cut | trusted | claimed | claimed |"));
    }
}
