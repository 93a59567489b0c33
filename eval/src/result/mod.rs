//! The result of an evaluation, as `result.json` holds it. Everything but `timing` follows from corpus, seed and build:
//! two evaluations of the same corpus give the same bytes there.

mod case;
mod row;

pub use case::{Case, CaseKind, Mark, MarkKind, Timeline};
pub use row::{BaselineRow, Breakdown, BreakdownRow, Delays, Mimicry, MimicryRow, Quantiles, RunRow, Source};

use crate::Error;
use crate::metrics::calibrated::Calibrated;
use crate::metrics::cost::Cost;
use crate::metrics::floor::Floor;
use crate::metrics::incident::Outcomes;
use crate::metrics::operating::Operating;
use crate::metrics::proportion::Proportion;
use crate::metrics::roc::{PrPoint, RocPoint};
use serde::{Deserialize, Serialize};
use statistics::bootstrap::Interval;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a result that is read: one of some thousand runs has five million.
const MAX_BYTES: u64 = 1 << 30;
/// How a compressed one begins (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The file of a result that was named by itself or by its directory. One that is kept may be compressed.
pub fn result_file(path: &Path) -> PathBuf {
    let plain = path.join("result.json");
    match path.is_dir() {
        true if plain.exists() => plain,
        true => path.join("result.json.zst"),
        false => path.to_owned(),
    }
}

/// Reads a result, plain or packed with zstd.
pub fn read(path: &Path) -> Result<EvalResult, Error> {
    let wrong = |error| Error::File { doing: "reading", path: path.to_owned(), error };
    let kept = fs::read(path).map_err(wrong)?;
    let mut text = Vec::new();
    if kept.starts_with(&ZSTD) {
        let packed = zstd::Decoder::new(kept.as_slice()).map_err(wrong)?;
        packed.take(MAX_BYTES).read_to_end(&mut text).map_err(wrong)?;
    } else {
        text = kept;
    }
    let parse = |detail: String| Error::Parse { path: path.to_owned(), detail };
    let result: EvalResult = serde_json::from_slice(&text).map_err(|error| parse(error.to_string()))?;
    if result.format != FORMAT {
        return Err(parse(format!("its format is {}, and this program reads {FORMAT}", result.format)));
    }
    Ok(result)
}

/// The format that is written and read here.
pub const FORMAT: u32 = 1;

/// False positive rates, of sessions, at which detection is reported.
pub const FPRS: [f64; 3] = [0.01, 0.05, 0.1];

/// False alarms per agent-hour at which detection is reported.
pub const BUDGETS: [f64; 3] = [0.01, 0.1, 1.0];

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalResult {
    /// [`FORMAT`]
    pub format: u32,
    /// What it rests on.
    pub basis: Basis,
    /// What could not be measured, and what to mind, in words.
    pub gaps: Vec<String>,
    /// What became of live attacks, and of live clean sessions.
    pub live: Live,
    /// What the replay says of recorded attacks.
    pub offline: Outcomes,
    /// Detection under every arm; the first one is Wardline as it is.
    pub arms: Vec<Arm>,
    /// What scores that know nothing would reach.
    pub floors: Vec<Floor>,
    /// Detection at budgets of false alarms per agent-hour.
    pub operating: Vec<Operating>,
    /// Target against realised rate of clean sessions.
    pub calibrated: Vec<CalibratedBy>,
    /// From onset to detection.
    pub delays: Delays,
    /// By scenario, technique, and so on.
    pub breakdowns: Vec<Breakdown>,
    /// Attacks that hide among normal steps, beside the same in the open; `None` where there are none to compare.
    #[serde(default)]
    pub mimicry: Option<Mimicry>,
    /// Detection by the number of sessions that taught the baselines.
    pub learning: Vec<Learned>,
    /// With attacks among the sessions that taught them.
    pub poisoning: Vec<Poisoned>,
    /// Clean sessions where something was new.
    pub drift: Vec<Drifted>,
    /// With records dropped, and with none.
    pub loss: Vec<Lossy>,
    /// Whether sessions differ.
    pub growth: Vec<GrowthOf>,
    /// The baselines.
    pub baselines: Vec<BaselineRow>,
    /// Every missed attack and every false alarm.
    pub cases: Vec<Case>,
    /// Every run of the corpus.
    pub runs: Vec<RunRow>,
    /// What differs from evaluation to evaluation.
    pub timing: Timing,
}

/// What a result rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// `smoke`, `quick` or `full`; `(in part)` behind it where runs of its plan are missing.
    pub profile: String,
    /// Seed of the corpus.
    pub corpus_seed: u64,
    /// Seed of the evaluation.
    pub seed: u64,
    /// The source that Wardline was built from, if whoever evaluated said so.
    pub commit: Option<String>,
    /// Version of Wardline that evaluated.
    pub wardline: String,
    /// Version of Wardline that recorded.
    pub recorded_by: String,
    /// `uname -r` of the machine that recorded.
    pub kernel: String,
    /// `lsm` or `tracepoint`.
    pub tier: String,
    /// Processor of the machine that evaluated.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Its memory, GiB.
    pub memory_gib: u64,
    /// Agents and their versions.
    pub agents: Vec<(String, String)>,
    /// Repositories and their versions.
    pub repositories: Vec<(String, String)>,
    /// BLAKE3 of thresholds, channels, vocabulary, seeds and budgets.
    pub configuration_hash: String,
    /// BLAKE3 of runs and recordings, as they were read.
    pub data_hash: String,
    /// Sessions: clean ones to train on.
    pub train: u64,
    /// Clean ones to calibrate on.
    pub calibrate: u64,
    /// Clean ones that were held out.
    pub clean: u64,
    /// Recorded attacks.
    pub attacks: u64,
    /// Live clean ones.
    pub live_clean: u64,
    /// Live attacks.
    pub live_attacks: u64,
    /// Test sessions whose tokens are those of another one.
    pub duplicates: u64,
}

/// What became of live sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Attacks, except for those that are reported apart.
    pub attacks: Outcomes,
    /// Those of scenarios that Wardline claims to prevent, each run.
    pub claimed: Outcomes,
    /// Those of scenarios that no kernel can tell from normal work by what they touch.
    pub apart: Outcomes,
    /// Clean sessions with a denial.
    pub clean_denied: Proportion,
    /// Clean sessions with an alert or more.
    pub clean_alerted: Proportion,
    /// Clean sessions that were frozen, restricted or killed.
    pub clean_stopped: Proportion,
    /// Attacks, begun or not, before whose onset something was said: false alarms.
    #[serde(default)]
    pub alarmed_before_onset: Proportion,
    /// How far the score was behind the kernel; `None` where no session says so.
    #[serde(default)]
    pub lag: Option<Lag>,
}

/// From an operation to the moment when it had been scored, over live sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Sessions that say so.
    pub sessions: u64,
    /// Half of the operations of a session were faster, ms; the median session.
    pub p50_ms: f64,
    /// One operation in a hundred of a session was slower, ms; the median session.
    pub p99_ms: f64,
    /// The same, of the slowest session.
    pub worst_p99_ms: f64,
}

/// Detection under one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Of which comparison: `stages`, `scope`, `channels`, `calibration`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Clean sessions and attacks that it could score.
    pub sessions: (u64, u64),
    /// Area under the ROC curve, with its interval.
    pub auc: Option<f64>,
    /// Of the area.
    pub auc_interval: Option<Interval>,
    /// Average precision.
    pub average_precision: Option<f64>,
    /// Detection at [`FPRS`].
    pub detection: [Option<f64>; 3],
    /// Of the detection.
    pub detection_intervals: [Option<Interval>; 3],
    /// Attacks with an alert at or after the onset, at the shipped threshold.
    pub alerted: Proportion,
    /// Clean sessions with an alert, at the shipped threshold.
    pub false_alarms: Proportion,
    /// The ROC curve.
    pub roc: Vec<RocPoint>,
    /// The precision-recall curve, among [`Arm::sessions`].
    #[serde(default)]
    pub precision_recall: Vec<PrPoint>,
}

/// Target against realised, by one calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibratedBy {
    /// Which one.
    pub calibration: String,
    /// Rows.
    pub rows: Vec<Calibrated>,
}

/// Detection by the number of training sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Training sessions of each baseline, at most: those that calibrate or are held out are not among them.
    pub sessions: u64,
    /// Baselines that had as many.
    pub baselines: u64,
    /// Detection, all stages.
    pub arm: Arm,
    /// Clean sessions that the compiled baseline would deny something.
    pub denied: Proportion,
    /// Mean of the smallest p that the baselines prove.
    pub smallest_provable: f64,
}

/// Detection with attacks in the training set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poisoned {
    /// Share of the training sessions of the poisoned baselines that were replaced; 0 where the same baselines were not
    /// poisoned.
    pub share: f64,
    /// Shares that were asked for; whole sessions come to [`Poisoned::share`].
    #[serde(default)]
    pub asked: Vec<f64>,
    /// Baselines that could be poisoned: the others are not in the row. 0 in results that had all of them there.
    #[serde(default)]
    pub groups: u64,
    /// Training sessions that were led astray, over these baselines.
    pub poisoned: u64,
    /// Of how many.
    pub of: u64,
    /// Whether sessions that met T0 or raised alerts were left out, as `train` does.
    pub screened: bool,
    /// Poisoned sessions that screening left in.
    pub trained: u64,
    /// Detection of other attacks of the same scenarios, and clean sessions of the same agents and tasks.
    pub arm: Arm,
}

/// False alarms where something was new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drifted {
    /// What was new: a repository, a version.
    pub what: String,
    /// Clean sessions.
    pub sessions: u64,
    /// With an alert, at the shipped threshold.
    pub alerted: Proportion,
    /// With something that the compiled baseline denies.
    pub denied: Proportion,
    /// Target against realised.
    pub calibrated: Vec<Calibrated>,
}

/// Detection with records dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lossy {
    /// Share of records that were dropped, in bursts, each announced as the kernel side does.
    pub share: f64,
    /// Dropped.
    pub dropped: u64,
    /// Detection by T2 alone.
    pub arm: Arm,
}

/// Growth of the vocabulary of one agent and task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrowthOf {
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// How its vocabulary of places grows.
    pub growth: crate::metrics::growth::Growth,
}

/// What differs from evaluation to evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// When, seconds since 1970.
    pub unix_s: i64,
    /// How long the evaluation took, s.
    pub seconds: f64,
    /// What scoring and training cost.
    pub cost: Cost,
}
