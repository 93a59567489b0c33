//! `wardline-lab corpus list`
#![expect(clippy::indexing_slicing, reason = "JSON has null where it has nothing")]

use super::directory::Directory;
use anyhow::Result;
use command::print_line;
use command::table;
use datasets::corpus::{Corpus, Kind};

/// Prints the runs.
pub fn run(args: &Directory) -> Result<()> {
    let corpus = Corpus::open(&args.dir)?;
    let runs = corpus.runs()?;
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&runs)?);
        return Ok(());
    }
    let mut rows =
        table::table(&["run", "split", "kind", "session", "exit", "operations", "lost", "denied", "seconds"]);
    for run in &runs {
        let number = |name: &str| run.summary[name].as_u64().unwrap_or_default();
        let kind = match &run.kind {
            Kind::Clean => "clean".to_owned(),
            Kind::Attack { scenario, variant } => format!("{scenario} {}", variant.name()),
        };
        rows.add_row([
            run.id.clone(),
            format!("{:?}", run.split).to_lowercase(),
            kind,
            run.session.to_string(),
            run.exit_status.to_string(),
            number("events").to_string(),
            number("lost").to_string(),
            (number("denied") + number("stopped")).to_string(),
            format!("{:.1}", number("duration_ns") as f64 / 1e9),
        ]);
    }
    print_line!("{rows}");
    Ok(())
}
