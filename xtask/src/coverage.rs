//! `cargo xtask coverage`: writes docs/coverage.md, what the shipped rules close of a list of places, tried in a throw-away home in
//! an enforced session without a baseline: here, and in a machine whose kernel refuses by LSM.

use crate::host;
use crate::test::context::Context;
use crate::test::machine;
use crate::test::step::Step;
use crate::test::tally;
use crate::vm::{self, Series};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The test, and how a line of it begins: `place TIER | LETTER | PATH | FATE | KIND | RULE | WHY`.
const TEST: &str = "places";
const TOLD: &str = "place ";
/// The variable by which it finds the list.
const LIST: &str = "WARDLINE_PLACES";
/// The tiers, as the test calls them.
const TIERS: [&str; 2] = ["tracepoint", "lsm"];
const FATES: [&str; 3] = ["refused", "happened and stopped", "open"];

/// The arguments of `coverage`.
#[derive(clap::Args)]
pub struct Coverage {
    /// Places below a home, one a line: `R PATH` holds a secret, `W PATH` makes a program outside the session run something when it is
    /// changed; `work/` is the workspace
    places: PathBuf,
}

/// Tries them, and writes the table.
pub fn run(arguments: &Coverage) -> Result<()> {
    ensure!(host::is_root(), "loading kernel programs needs root: run `sudo -E cargo xtask coverage PLACES`");
    let places = std::path::absolute(&arguments.places)?;
    ensure!(places.is_file(), "`{}` is no file", places.display());
    let mut context = Context::new()?;
    let built = Step::Binary.run(&mut context);
    ensure!(built.result() == tally::Result::Passed, "the program does not build");
    let wardline = context.wardline().context("the program was not built")?;
    let mut seen = Seen::default();
    let mut here = context.cargo();
    here.args(["test", "--release", "--locked", "--package", "end-to-end", "--test", TEST]);
    here.args(["--", "--test-threads=1", "--show-output"]).env("WARDLINE_BIN", &wardline).env(LIST, &places);
    host::stream(&mut here, |line| seen.take(line))?;
    vm::prepare(Series::V6_12)?;
    let mut payload = machine::payload(&wardline, machine::programs(&context, &[TEST])?, &[], "");
    let name = places.file_name().context("the list has no name")?.to_string_lossy().into_owned();
    payload.environment.push((LIST.to_owned(), format!("/opt/{name}")));
    payload.files.push(places);
    vm::boot(Series::V6_12, &payload, machine::MACHINE, |line| {
        host::print(line);
        seen.take(line);
    })?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    host::write(&host::workspace()?.join("docs/coverage.md"), seen.page(kernel.trim())?)?;
    println!("wrote the coverage of {} places", seen.places.len());
    Ok(())
}

/// What became of a place in each tier, and what its rule says.
#[derive(Default)]
struct Tried {
    fates: BTreeMap<String, String>,
    kind: String,
    rule: String,
    why: String,
}

/// What the test has said, by letter and path.
#[derive(Default)]
struct Seen {
    places: BTreeMap<(String, String), Tried>,
}

impl Seen {
    fn take(&mut self, line: &str) {
        let Some((_, told)) = line.split_once(TOLD) else { return };
        // A machine's console ends its lines as terminals do.
        let parts: Vec<&str> = told.trim_end().split(" | ").collect();
        let [tier, letter, path, fate, kind, rule, why] = parts[..] else { return };
        let tried = self.places.entry((letter.to_owned(), path.to_owned())).or_default();
        tried.fates.insert(tier.to_owned(), fate.to_owned());
        (tried.kind, tried.rule, tried.why) = (kind.to_owned(), rule.to_owned(), why.to_owned());
    }

    fn page(&self, kernel: &str) -> Result<String> {
        for ((_, path), tried) in &self.places {
            let missing = TIERS.iter().find(|tier| !tried.fates.contains_key(**tier));
            ensure!(missing.is_none(), "`{path}` was not tried in tier {}", missing.unwrap_or(&""));
        }
        let mut page = format!(
            "# Coverage of the shipped rules\n\n`sudo -E cargo xtask coverage PLACES` writes this page for a list of places below a home. \
             Each place is made in a throw-away home and tried by a process of its own, in an enforced session without a baseline: on \
             Linux {kernel}, where no operation is refused by LSM programs (`tracepoint`), and on Linux 6.12, where they refuse (`lsm`). \
             A kind is the file of the rule that decides (`policy/shipped/`). No test compares this page with the rules.\n",
        );
        for (letter, title) in
            [("R", "Places that hold secrets, read"), ("W", "Places that are run outside, changed")]
        {
            self.section(&mut page, letter, title);
        }
        Ok(page)
    }

    fn section(&self, page: &mut String, letter: &str, title: &str) {
        let of_letter: Vec<(&str, &Tried)> = self
            .places
            .iter()
            .filter(|((of, _), _)| of == letter)
            .map(|((_, path), tried)| (path.as_str(), tried))
            .collect();
        let count = |kind: Option<&str>, tier: &str, fate: &str| {
            let is_meant = |tried: &&Tried| {
                kind.is_none_or(|kind| tried.kind == kind)
                    && tried.fates.get(tier).is_some_and(|is| is == fate)
            };
            of_letter.iter().map(|(_, tried)| *tried).filter(is_meant).count()
        };
        let _ = write!(page, "\n## {title}\n\n| kind |");
        for tier in TIERS {
            for fate in FATES {
                let _ = write!(page, " `{tier}`: {fate} |");
            }
        }
        let _ = writeln!(page, "\n| --- |{}", " --- |".repeat(TIERS.len() * FATES.len()));
        let mut kinds: Vec<&str> = of_letter.iter().map(|(_, tried)| tried.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds.into_iter().map(Some).chain([None]) {
            let name = kind.map_or("all", |kind| if kind == "-" { "no rule" } else { kind });
            let _ = write!(page, "| {name} |");
            for tier in TIERS {
                for fate in FATES {
                    let _ = write!(page, " {} |", count(kind, tier, fate));
                }
            }
            page.push('\n');
        }
        let open = of_letter.iter().filter(|(_, tried)| tried.fates.values().any(|fate| fate == "open"));
        let mut open = open.peekable();
        if open.peek().is_some() {
            page.push_str("\n| open | rule | why |\n| --- | --- | --- |\n");
        }
        for (path, tried) in open {
            let _ = match tried.rule.as_str() {
                "-" => writeln!(page, "| `{path}` | | no rule names it |"),
                rule => writeln!(page, "| `{path}` | `{rule}` | {} |", tried.why),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_by_its_rule_and_named_where_it_is_open() {
        let mut seen = Seen::default();
        for line in [
            "place tracepoint | R | .ssh/x | refused | keys | ssh | it holds keys",
            "6.12 | place lsm | R | .ssh/x | refused | keys | ssh | it holds keys\r",
            "place tracepoint | R | .x/y | open | - | - | -",
            "place tracepoint | W | .git/config | happened and stopped | versions | hooks | git runs it",
            "place lsm | W | .git/config | refused | versions | hooks | git runs it",
            "something else",
        ] {
            seen.take(line);
        }
        assert!(seen.page("6.18").is_err(), "one was not tried in tier lsm");
        seen.take("place lsm | R | .x/y | open | - | - | -");
        let page = seen.page("6.18").unwrap();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        let head = "| kind | `tracepoint`: refused | `tracepoint`: happened and stopped | `tracepoint`: open | `lsm`: refused | \
                    `lsm`: happened and stopped | `lsm`: open |";
        let line = "| --- | --- | --- | --- | --- | --- | --- |";
        assert_eq!(
            rows,
            [
                head,
                line,
                "| no rule | 0 | 0 | 1 | 0 | 0 | 1 |",
                "| keys | 1 | 0 | 0 | 1 | 0 | 0 |",
                "| all | 1 | 0 | 1 | 1 | 0 | 1 |",
                "| open | rule | why |",
                "| --- | --- | --- |",
                "| `.x/y` | | no rule names it |",
                head,
                line,
                "| versions | 0 | 1 | 0 | 1 | 0 | 0 |",
                "| all | 0 | 1 | 0 | 1 | 0 | 0 |",
            ]
        );
    }
}
