//! `cargo xtask bypasses`: writes docs/bypasses.md from what the last whole run of the tests saw of ways round the guard. Each
//! such run compares the page with what it saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result};

use crate::host;

/// How a line of a test begins that says what came of a way: `bypass | HEADING | WAY | BY | COLUMN | FATE`.
const SAID: &str = "bypass | ";
/// The columns, as the tests call them.
const COLUMNS: [&str; 5] =
    ["`tracepoint`", "`lsm`, 6.12", "`lsm`, 6.1", "`tracepoint`, 6.12", "`tracepoint`, 6.1"];
/// What stands above the tables.
const HEAD: &str = "\
# Ways round the guard

Attempts by the tests, and their results. The tests write this page (`cargo xtask test`, and then `cargo xtask bypasses`), and a \
run with another result fails. A real process makes each attempt, in an enforced session without a baseline unless the page says \
otherwise. Attempts to read or change a jewel, to reach the metadata service, or to drive `ssh` by its interpreter, memory, \
descriptors or as its tracer are first shown to succeed outside a session.

*Refused*: it did not happen. *Put off*: it happened only after the supervisor was back. *Happened and stopped*: it happened, and \
the session or the process that did it could do nothing more. *Happens*: nothing refuses or stops it. An empty cell: not tried \
there. `tracepoint` without a number is the tier on Linux 6.13 and later; the other columns are Debian's kernels in a virtual \
machine, with and without BPF among their security modules.
";

/// What one run has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    heading: String,
    /// The way, and by whom.
    row: (String, String),
    column: String,
    fate: String,
}

impl Seen {
    /// Takes over what a printed line says.
    pub fn see(&mut self, line: &str) {
        // A machine's console ends its lines as terminals do.
        let Some(said) = line.trim().strip_prefix(SAID) else { return };
        let parts: Vec<&str> = said.split(" | ").collect();
        let [heading, way, by, column, fate] = parts[..] else { return };
        let text = str::to_owned;
        self.0.push(Line {
            heading: text(heading),
            row: (text(way), text(by)),
            column: text(column),
            fate: text(fate),
        });
    }

    /// What a whole run has printed: the machines run beside each other, so that their lines are mixed.
    fn of_log(log: &[u8]) -> Seen {
        let log = String::from_utf8_lossy(log);
        let mut steps = [Seen::default(), Seen::default(), Seen::default()];
        for line in log.lines() {
            let (step, line) = match line.trim_start().split_once(" | ") {
                Some(("6.12", line)) => (1, line),
                Some(("6.1", line)) => (2, line),
                _ => (0, line),
            };
            steps[step].see(line);
        }
        Seen(steps.into_iter().flat_map(|seen| seen.0).collect())
    }

    /// Adds what a later step has seen.
    pub fn add(&mut self, other: &Seen) {
        self.0.extend_from_slice(&other.0);
    }

    /// The page: headings and rows in the order in which they were first seen.
    fn page(&self) -> String {
        let mut headings: Vec<&str> = Vec::new();
        let mut rows: BTreeMap<&str, Vec<&(String, String)>> = BTreeMap::new();
        let mut cells: BTreeMap<(&str, &(String, String), &str), &str> = BTreeMap::new();
        for Line { heading, row, column, fate } in &self.0 {
            if !headings.contains(&heading.as_str()) {
                headings.push(heading);
            }
            let known = rows.entry(heading).or_default();
            if !known.contains(&row) {
                known.push(row);
            }
            cells.insert((heading, row, column), fate);
        }
        let mut page = HEAD.to_owned();
        for heading in headings {
            let _ = write!(page, "\n## {heading}\n\n| way | by |");
            let _ =
                writeln!(page, " {} |\n| --- | --- |{}", COLUMNS.join(" | "), " --- |".repeat(COLUMNS.len()));
            for row in &rows[heading] {
                let _ = write!(page, "| {} | {} |", row.0, row.1);
                for column in COLUMNS {
                    let fate = cells.get(&(heading, *row, column)).copied().unwrap_or_default();
                    page.push_str(&if fate.is_empty() { " |".to_owned() } else { format!(" {fate} |") });
                }
                page.push('\n');
            }
        }
        page
    }

    /// Keeps the page of a whole run for [`run`]. What is wrong with the committed one, if anything is.
    pub fn compare(&self) -> Result<Option<String>> {
        let (page, kept) = (self.page(), kept()?);
        host::write(&kept, &page)?;
        let committed = fs::read_to_string(committed()?).unwrap_or_default();
        Ok(difference(&committed, &page).map(|differs| {
            format!("docs/bypasses.md is stale; `cargo xtask bypasses` writes it from this run: {differs}")
        }))
    }
}

/// What one page says and the other does not. Tests that run at once end in no order, so that the order of the rows says
/// nothing.
fn difference(committed: &str, page: &str) -> Option<String> {
    let (said, seen) = (rows(committed), rows(page));
    let new = seen.difference(&said).map(|row| format!("seen and not on the page: {row}"));
    let gone = said.difference(&seen).map(|row| format!("on the page and not seen: {row}"));
    let all: Vec<String> = new.chain(gone).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// A page's lines, each behind its heading.
fn rows(page: &str) -> BTreeSet<String> {
    let mut heading = "";
    let mut rows = BTreeSet::new();
    for line in page.lines() {
        match line.strip_prefix("## ") {
            Some(next) => heading = next,
            None => drop(rows.insert(format!("{heading}: {line}"))),
        }
    }
    rows
}

fn kept() -> Result<PathBuf> {
    Ok(host::target()?.join("bypasses.md"))
}

fn committed() -> Result<PathBuf> {
    Ok(host::workspace()?.join("docs/bypasses.md"))
}

/// The arguments of `bypasses`.
#[derive(clap::Args)]
pub struct Bypasses {
    /// What a whole run of the tests has printed, instead of the last run that passed here
    log: Option<PathBuf>,
}

/// Writes the page.
pub fn run(arguments: &Bypasses) -> Result<()> {
    let page = match &arguments.log {
        Some(log) => Seen::of_log(&host::read(log)?).page(),
        None => fs::read_to_string(kept()?)
            .context("no whole run of the tests was here: `sudo -E cargo xtask test` is one")?,
    };
    host::write(&committed()?, page)?;
    println!("wrote docs/bypasses.md");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_stale_for_what_it_says_and_not_for_the_order_of_its_rows() {
        let page = |lines: &[&str]| {
            let mut seen = Seen::default();
            lines.iter().for_each(|line| seen.see(line));
            seen.page()
        };
        let (key, link) = (
            "bypass | A | key | root | `tracepoint` | refused",
            "bypass | A | link | root | `tracepoint` | refused",
        );
        let (elsewhere, happens) = (
            "bypass | B | link | root | `tracepoint` | refused",
            "bypass | A | link | root | `tracepoint` | **happens**",
        );
        assert_eq!(difference(&page(&[key, link]), &page(&[link, key])), None);
        for (other, differs) in [
            (&[key][..], "on the page and not seen: A: | link | root | refused | | | | |"),
            (
                &[key, happens],
                "seen and not on the page: A: | link | root | **happens** | | | | |\non the page and not seen: A: | link | root | refused | | | | |",
            ),
        ] {
            assert_eq!(difference(&page(&[key, link]), &page(other)).as_deref(), Some(differs));
        }
        // The same row under another heading is another row.
        assert!(difference(&page(&[key, link]), &page(&[key, elsewhere])).is_some());
    }

    #[test]
    fn a_way_is_a_row_and_each_kernel_a_cell() {
        let mut seen = Seen::default();
        for line in [
            "bypass | A key is read | by its path | root | `tracepoint` | refused",
            "bypass | A session is left | a child | root | `tracepoint` | stays inside",
            "bypass | A key is read | by its path | root | `lsm`, 6.1 | refused\r",
            "bypass | A key is read | by a link | root | `lsm`, 6.1 | happened and stopped",
            "something else | A key is read",
        ] {
            seen.see(line);
        }
        let log = "6.12 | bypass | A | second | root | `lsm`, 6.12 | refused\n\
                   \x20 6.1 | bypass | A | second | root | `lsm`, 6.1 | refused\nbypass | A | first | root | `tracepoint` | refused\n";
        let of_log: Vec<String> = Seen::of_log(log.as_bytes()).0.into_iter().map(|line| line.row.0).collect();
        assert_eq!(of_log, ["first", "second", "second"]);
        let page = seen.page();
        let rows: Vec<&str> =
            page.lines().filter(|line| line.starts_with("| ") || line.starts_with("##")).collect();
        assert_eq!(
            rows,
            [
                "## A key is read",
                "| way | by | `tracepoint` | `lsm`, 6.12 | `lsm`, 6.1 | `tracepoint`, 6.12 | `tracepoint`, 6.1 |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                "| by its path | root | refused | | refused | | |",
                "| by a link | root | | | happened and stopped | | |",
                "## A session is left",
                "| way | by | `tracepoint` | `lsm`, 6.12 | `lsm`, 6.1 | `tracepoint`, 6.12 | `tracepoint`, 6.1 |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                "| a child | root | stays inside | | | | |",
            ]
        );
    }
}
