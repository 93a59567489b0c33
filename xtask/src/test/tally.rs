//! Counting tests, from what the test programs print.

use crate::bypasses::Seen;

/// How a step ended; a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Result {
    /// All of it ran and held.
    Passed,
    /// Some of it could not run here.
    Skipped,
    /// Some of it did not hold.
    Failed,
}

impl Result {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Result::Passed => "passed",
            Result::Skipped => "skipped",
            Result::Failed => "FAILED",
        }
    }
}

/// What a test prints, at the start of a line, when it cannot run here. It goes on with the reason.
///
/// Rust's tests have no word for it, and passing in silence would claim what was never tried.
const SKIPPED: &str = "skipped: ";

/// The tests of a step. A step without tests of its own counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ran and held.
    pub passed: u32,
    /// Ran and did not hold.
    pub failed: u32,
    /// Did not run: ignored, or they said that they could not.
    pub skipped: u32,
    /// Said that they could not run; their test program counts them as passed, until [`Tally::ended`].
    excused: u32,
    /// Why the step failed or was skipped.
    pub reason: Option<String>,
    /// Names of failed tests, and the reasons of skipped ones.
    pub notes: Vec<String>,
    /// What they saw of ways round the guard.
    pub bypasses: Seen,
}

impl Tally {
    /// A step without tests that passed.
    pub fn passed() -> Tally {
        Tally { passed: 1, ..Tally::default() }
    }

    /// A step that failed as a whole.
    pub fn failed(reason: impl ToString) -> Tally {
        Tally { failed: 1, reason: Some(reason.to_string()), ..Tally::default() }
    }

    /// A step that cannot run here.
    pub fn skipped(reason: impl ToString) -> Tally {
        Tally { skipped: 1, reason: Some(reason.to_string()), ..Tally::default() }
    }

    /// How the step ended.
    pub fn result(&self) -> Result {
        match self {
            Tally { failed: 1.., .. } => Result::Failed,
            Tally { skipped: 1.., passed: 0, .. } => Result::Skipped,
            _ => Result::Passed,
        }
    }

    /// Adds the numbers of another step.
    pub fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend_from_slice(&other.notes);
        self.bypasses.add(&other.bypasses);
        if self.reason.is_none() {
            self.reason.clone_from(&other.reason);
        }
    }

    /// Takes over what a printed line says about tests, from `cargo test`, `cargo nextest` or a test itself.
    pub fn see(&mut self, line: &str) {
        let line = line.trim_end();
        self.bypasses.see(line);
        // nextest shows what a test printed farther in.
        if line.trim_start().starts_with(SKIPPED) {
            self.excused += 1;
            self.note(line.trim_start());
            return;
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.note(&format!("failed: {name}"));
        } else if let Some((_, name)) =
            line.trim_start().strip_prefix("FAIL [").and_then(|rest| rest.split_once("] "))
        {
            self.note(&format!("failed: {}", name.trim()));
        }
        let summary = line.strip_prefix("test result: ").or_else(|| {
            let rest = line.trim_start().strip_prefix("Summary [")?;
            rest.contains(" run: ").then_some(rest)
        });
        for part in summary.unwrap_or_default().split([';', ',', ':', '.', '(', ')']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u32>().ok()) else { continue };
            match words.collect::<Vec<_>>().as_slice() {
                ["passed"] => self.passed += count,
                ["failed"] | ["timed", "out"] | ["exec", "failed"] => self.failed += count,
                ["ignored"] | ["skipped"] => self.skipped += count,
                _ => {}
            }
        }
    }

    /// Keeps a note once; test programs repeat themselves at their end.
    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// The tally of a command that has ended: one that failed without a failed test failed by itself.
    pub fn ended(mut self, problem: Option<String>) -> Tally {
        self.passed = self.passed.saturating_sub(self.excused);
        self.skipped += std::mem::take(&mut self.excused);
        if let Some(reason) = problem {
            if self.failed == 0 {
                self.failed = 1;
            }
            self.reason = Some(reason);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.see(line));
        tally
    }

    #[test]
    fn both_test_programs_are_understood() {
        let tally = seen(&[
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (3, 1, 2));
        let tally = seen(&[
            "     Summary [   0.012s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped",
        ]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (6, 3, 4));
    }

    #[test]
    fn a_test_that_says_it_cannot_run_has_not_passed() {
        let tally =
            seen(&["skipped: needs BPF LSM", "test result: ok. 3 passed; 0 failed; 0 ignored"]).ended(None);
        assert_eq!((tally.passed, tally.skipped), (2, 1));
        let shown_by_nextest = seen(&[
            "    running 1 test",
            "    skipped: needs root",
            "    test result: ok. 1 passed; 0 failed; 0 ignored",
            "     Summary [   0.012s] 9 tests run: 9 passed, 0 skipped",
        ]);
        assert_eq!(shown_by_nextest.excused, 1);
        let tally = shown_by_nextest.ended(None);
        assert_eq!((tally.passed, tally.skipped), (8, 1));
    }

    #[test]
    fn failed_tests_are_named_once() {
        let cargo = ["test walk::stops ... FAILED", "test walk::goes ... ok"];
        assert_eq!(seen(&cargo).notes, ["failed: walk::stops"]);
        let nextest = [
            "        FAIL [   0.004s] (1/9) guard walk::stops",
            "        FAIL [   0.004s] (1/9) guard walk::stops",
        ];
        assert_eq!(seen(&nextest).notes, ["failed: (1/9) guard walk::stops"]);
    }

    #[test]
    fn a_command_that_fails_before_its_tests_counts_as_one_failure() {
        assert_eq!(Tally::default().ended(Some("it does not compile".into())).failed, 1);
        assert_eq!(
            seen(&["test result: FAILED. 0 passed; 2 failed;"]).ended(Some("status 101".into())).failed,
            2
        );
    }
}
