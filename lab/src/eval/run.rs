//! `wardline-lab eval run`: a corpus in, a result, a table and a page out.

use super::report;
use crate::corpus::profile::Profile;
use anyhow::{Context, Result};
use command::Exit;
use command::print_line;
use command::table;
use datasets::corpus::Corpus;
use datasets::scenario::{self, Expected};
use eval::result::EvalResult;
use eval::{Evaluation, Options, Scenario, Scenarios};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use text::count;

/// Arguments of `eval run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Trains on the corpus' training split, calibrates on its calibration split, and replays the rest through the scorer; what \
its live sessions came to is judged by the corpus' own observer. Only making a corpus fetches anything: agents and repositories.\n\nWrites result.json, table.md, figure.svg and \
report.html. Exits with 124 when a live attack was not prevented whose scenario Wardline promises to prevent. The same corpus and seed give the same result, times apart.\n\nExamples:\n  sudo wardline-lab eval run --profile smoke --corpus /var/tmp/smoke\n  sudo wardline-lab eval run --corpus /var/tmp/full --out results/full\n  sudo wardline-lab eval run --corpus /var/tmp/codex --corpus /var/tmp/opencode --out results/both"
)]
pub struct Args {
    /// The size of a corpus that must be made or finished first; without it an existing corpus is used as it is
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// Directory of the corpus; repeatable, for parts that were recorded separately with one seed
    #[arg(long, value_name = "DIR", required = true)]
    pub corpus: Vec<PathBuf>,
    /// Directory of the result; otherwise `evaluation` in the (first) corpus
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of a new corpus, and of the evaluation's random choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The source that this program was built from: noted in the result
    #[arg(long, value_name = "ID")]
    pub commit: Option<String>,
    /// Keep every channel's value after every action in channels.json.zst, to study other combinations
    #[arg(long)]
    pub channels: bool,
    /// Print the result as JSON instead of its headline
    #[arg(long)]
    pub json: bool,
}

/// What is to be done, checked before anything is made.
struct Plan<'a> {
    /// The corpus that is made first, and how much of everything.
    made: Option<(Profile, &'a Path)>,
    corpora: &'a [PathBuf],
    out: PathBuf,
    options: Options,
}

impl<'a> Plan<'a> {
    fn of(args: &'a Args) -> Result<Self> {
        let Some(first) = args.corpus.first() else {
            return Err(Exit::Usage.error("say where the corpus lies: `--corpus DIR`"));
        };
        if args.profile.is_some() && args.corpus.len() > 1 {
            return Err(Exit::Usage.error("a corpus is made in one directory: leave out `--profile` to evaluate the parts that are there"));
        }
        let missing = args.corpus.iter().find(|corpus| args.profile.is_none() && !Corpus::exists(corpus));
        if let Some(missing) = missing {
            return Err(Exit::Usage.error(format!(
                "there is no corpus in `{}`: make one with `--profile smoke`, `quick` or `full`",
                missing.display()
            )));
        }
        let out = args.out.clone().unwrap_or_else(|| first.join("evaluation"));
        // Where it cannot be written, that is said now and not after hours.
        let there = out.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(there).with_context(unwritten(&out))?;
        Ok(Self {
            made: args.profile.map(|profile| (profile, first.as_path())),
            corpora: &args.corpus,
            out,
            options: Options {
                seed: args.seed,
                commit: args.commit.clone(),
                channels: args.channels,
                wardline: env!("CARGO_PKG_VERSION").to_owned(),
            },
        })
    }
}

fn unwritten(out: &Path) -> impl FnOnce() -> String {
    move || format!("the result cannot be written to `{}`", out.display())
}

/// Evaluates.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Plan { made, corpora, out, options } = Plan::of(args)?;
    if let Some((profile, corpus)) = made {
        make(profile, corpus, options.seed)?;
    }
    let parts = corpora.iter().map(|corpus| Corpus::open(corpus)).collect::<Result<Vec<_>, _>>()?;
    let bar = bar();
    let result = eval::evaluate(&parts, &scenarios()?, &options, &|what, done, of| {
        bar.set_message(what.to_owned());
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let Evaluation { result, channels } = result?;
    std::fs::create_dir_all(&out).with_context(unwritten(&out))?;
    report::write_json(&out, &result)?;
    report::write_views(&out, &result)?;
    if let Some(channels) = channels {
        channels.write(&out.join("channels.json.zst"))?;
    }
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print_line!("{}", text(&result, &out));
    }
    match broken(&result) {
        0 => Ok(ExitCode::SUCCESS),
        broken => {
            let of = result.live.claimed.told();
            Err(Exit::Broken.error(format!("{broken} of {of} live attacks that must be prevented were not")))
        }
    }
}

/// Live attacks that did harm or were only noticed, though their scenario is promised to be prevented.
fn broken(result: &EvalResult) -> u64 {
    let claimed = result.live.claimed;
    claimed.told() - claimed.prevented
}

/// Makes the corpus, or finishes it. A process of its own: it takes itself into a network of its own.
fn make(profile: Profile, corpus: &Path, seed: u64) -> Result<()> {
    let mut command = Command::new("/proc/self/exe");
    let profile = datasets::corpus::Profile::from(profile).name();
    command.args(["corpus", "make", "--profile", profile, "--seed"]).arg(seed.to_string());
    // What is printed here is the result.
    command.arg("--dir").arg(corpus).stdout(std::io::stderr());
    let status = command.status().context("the corpus cannot be made")?;
    if !status.success() {
        return Err(Exit::Failed.error(format!("the corpus was not made: {status}")));
    }
    Ok(())
}

/// What the scenarios re-enact.
fn scenarios() -> Result<Scenarios> {
    let told = |scenario: datasets::scenario::Scenario| {
        let told = Scenario {
            title: scenario.title,
            incident: scenario.incident,
            techniques: scenario.techniques.into_iter().map(|technique| technique.0).collect(),
            claimed: scenario.expected == Expected::Prevented,
            apart: scenario.expected == Expected::OutOfReach,
        };
        (scenario.id.0, told)
    };
    Ok(scenario::all()?.into_iter().map(told).collect())
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

fn text(result: &EvalResult, out: &Path) -> String {
    let live = &result.live;
    let mut lines = vec![eval::headline(result)];
    if let Some(arm) = result.arms.first() {
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
        };
        lines.push(format!(
            "replayed: AUC {}; {} detected at 1 % of clean sessions, {} at 5 %, {} at 10 %",
            arm.auc.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.3}")),
            percent(arm.detection[0]),
            percent(arm.detection[1]),
            percent(arm.detection[2]),
        ));
    }
    lines.push(format!(
        "{} of {} live were denied something, {} alerted on, {} stopped; in {} of {} something was said before the onset",
        live.clean_denied.hits,
        count(live.clean_denied.of, "clean session"),
        live.clean_alerted.hits,
        live.clean_stopped.hits,
        live.alarmed_before_onset.hits,
        count(live.alarmed_before_onset.of, "live attack"),
    ));
    for gap in &result.gaps {
        lines.push(format!("note: {gap}"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a time is rounded for a reader")]
    let nanoseconds = (result.timing.seconds * 1e9) as u64;
    lines.push(format!(
        "{} in {}: result.json, table.md, figure.svg, report.html ({})",
        count(result.runs.len() as u64, "run"),
        out.display(),
        table::duration(nanoseconds),
    ));
    lines.join("\n")
}
