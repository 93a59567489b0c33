//! `wardline-lab eval channels`: what the score makes of what its channels were once kept to have said.

use anyhow::Result;
use command::print_line;
use command::table;
use eval::{Channels, Figures, planted};
use models::calibration::Calibration;
use models::channel::CHANNELS;
use std::path::PathBuf;
use std::process::ExitCode;

/// Of clean sessions it is told how many come to these.
const TARGETS: [f64; 4] = [0.2, 0.1, 0.05, 0.01];

/// Arguments of `eval channels`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "No session is replayed: what this build makes of the same values is told, so that a change of how channels are put together \
can be measured in a second.\n\nExamples:\n  wardline-lab eval channels results/quick/channels.json.zst\n  wardline-lab eval channels --planted results/quick/channels.json.zst"
)]
pub struct Args {
    /// A file of `eval run --channels`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Instead of attacks: clean sessions with planted evidence, each judged without its own repository
    #[arg(long)]
    pub planted: bool,
}

/// Tells it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let kept = Channels::read(&args.file)?;
    let replayed = kept.commit.as_deref().unwrap_or("unnamed");
    print_line!("data {}, replayed by the build {replayed}", kept.data_hash);
    print_line!("{}", if args.planted { of_planted(&kept) } else { of_attacks(&kept) });
    Ok(ExitCode::SUCCESS)
}

/// All channels, all but one, and one alone.
fn of_attacks(kept: &Channels) -> String {
    let without = |all: &Calibration, name: &str| all.without(name);
    let mut rows = vec![("all channels".to_owned(), kept.figures(Clone::clone))];
    rows.extend(CHANNELS.iter().map(|channel| {
        (format!("without {}", channel.name), kept.figures(|all| without(all, channel.name)))
    }));
    rows.extend(CHANNELS.iter().map(|channel| {
        let others = || CHANNELS.iter().filter(|other| other.name != channel.name);
        let alone = |all: &Calibration| others().fold(all.clone(), |rest, other| without(&rest, other.name));
        (format!("{} alone", channel.name), kept.figures(alone))
    }));
    let clean: Vec<f64> =
        kept.lowest(Clone::clone).into_iter().filter(|(attack, _)| !attack).map(|(_, p)| p).collect();
    let realised =
        TARGETS.map(|target| format!("{} at p <= {target}", clean.iter().filter(|p| **p <= target).count()));
    format!("{}\nof {} clean sessions {}", text(rows), clean.len(), realised.join(", "))
}

fn of_planted(kept: &Channels) -> String {
    let all = planted(kept);
    let aucs: Vec<f64> = all.iter().filter_map(|planted| planted.figures.auc).collect();
    let mean = (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64);
    let rows = text(all.iter().map(|planted| (planted.kind.clone(), planted.figures)).collect());
    format!("{rows}\nmean AUC {}", eval::three(mean))
}

fn text(rows: Vec<(String, Figures)>) -> String {
    let head = ["", "AUC", "at 1 %", "at 5 %", "at 10 %", "alerted on", "clean ones alerted on"];
    let mut table = table::table(&head);
    for (name, figures) in rows {
        let Figures { auc, detection, alerted, false_alarms } = figures;
        let of = [alerted, false_alarms].map(|share| format!("{} of {}", share.hits, share.of));
        let cells = [name, eval::three(auc)].into_iter().chain(detection.map(eval::percent)).chain(of);
        table.add_row(cells);
    }
    table::plain(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_ranks_shares_and_who_is_alerted_on() {
        let figures = Figures::of(&[0.5, 0.02, 0.01, 1.0], &[0.001, 0.015]);
        insta::assert_snapshot!(text(vec![("all channels".to_owned(), figures)]), @r"
                      AUC    at 1 %  at 5 %  at 10 %  alerted on  clean ones alerted on
        all channels  0.875  50.0 %  50.0 %  50.0 %   1 of 2      1 of 4
        ");
    }
}
