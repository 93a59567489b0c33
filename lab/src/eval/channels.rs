//! `wardline-lab eval channels`: what the score makes of what its channels were once kept to have said.

use anyhow::Result;
use command::print_line;
use command::table;
use eval::Channels;
use models::calibration::Calibration;
use models::channel::CHANNELS;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `eval channels`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "No session is replayed: what this build makes of the same values is told, so that a change of how channels are put together \
can be measured in a second.\n\nExamples:\n  wardline-lab eval channels results/quick/channels.json.zst"
)]
pub struct Args {
    /// What `eval run --channels` kept
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Tells it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let kept = Channels::read(&args.file)?;
    let mut rows = table::table(&["", "AUC", "at 1 %", "at 5 %", "at 10 %"]);
    let mut row = |name: &str, change: &dyn Fn(&Calibration) -> Calibration| {
        let figures = kept.figures(change);
        let cells = std::iter::once(name.to_owned());
        rows.add_row(cells.chain([eval::three(figures.auc)]).chain(figures.detection.map(eval::percent)));
    };
    row("all channels", &Clone::clone);
    for channel in CHANNELS {
        row(&format!("without {}", channel.name), &|all| all.without(channel.name));
    }
    for channel in CHANNELS {
        let others = CHANNELS.map(|other| other.name).into_iter().filter(|name| *name != channel.name);
        row(&format!("{} alone", channel.name), &|all| {
            others.clone().fold(all.clone(), |rest, other| rest.without(other))
        });
    }
    print_line!("{}", table::plain(&rows));
    Ok(ExitCode::SUCCESS)
}
