//! Keeps the channels' values of an evaluation, so that other combinations can be studied without a replay.

use crate::error::Error;
use crate::metrics::proportion::Proportion;
use crate::metrics::roc;
use crate::result::FPRS;
use crate::score::bits;
use models::Thresholds;
use models::calibration::Calibration;
use models::channel::COUNT;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

/// The format that is written and read here.
const FORMAT: u32 = 1;

/// How far a kept file is packed.
const LEVEL: i32 = 9;

/// What the channels said in every replayed session of a test, and what they are measured by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    format: u32,
    /// BLAKE3 of the runs and recordings that it comes from.
    pub data_hash: String,
    /// The source that Wardline was built from, if whoever evaluated said so.
    pub commit: Option<String>,
    /// What clean sessions said, by agent and task.
    pub baselines: Vec<Measure>,
    /// The sessions.
    pub sessions: Vec<Session>,
}

/// What clean sessions of one agent and task said. It names the channels, in the order of the values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// What held-out sessions said.
    pub calibration: Calibration,
}

/// What the channels said in one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its run in the corpus.
    pub run: String,
    /// By which of the baselines it was scored.
    pub baseline: usize,
    /// The repository that it worked in.
    pub repository: String,
    /// Scenario and variant of its attack.
    pub attack: Option<(String, String)>,
    /// The first action that counts: of an attack, the one after which it began.
    pub from: usize,
    /// The highest values in the block that the session was in, after every action.
    pub values: Vec<[f32; COUNT]>,
}

/// How clean sessions and attacks are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The area under the curve.
    pub auc: Option<f64>,
    /// The share of attacks that is detected at each of [`FPRS`].
    pub detection: [Option<f64>; FPRS.len()],
    /// Attacks that are alerted on at the threshold that ships.
    pub alerted: Proportion,
    /// Clean sessions that are.
    pub false_alarms: Proportion,
}

impl Figures {
    /// Of sessions that come to these p at their lowest.
    pub fn of(clean: &[f64], attack: &[f64]) -> Self {
        let alerted =
            |lowest: &[f64]| Proportion::count(lowest.iter().map(|p| *p <= Thresholds::default().alert));
        let of = |lowest: &[f64]| lowest.iter().map(|p| bits(*p)).collect::<Vec<f64>>();
        let (of_clean, of_attack) = (of(clean), of(attack));
        Self {
            auc: roc::auc(&of_clean, &of_attack),
            detection: FPRS.map(|fpr| roc::detection_at(&of_clean, &of_attack, fpr)),
            alerted: alerted(attack),
            false_alarms: alerted(clean),
        }
    }
}

impl Channels {
    /// Of these.
    pub fn of(
        data_hash: String,
        commit: Option<String>,
        baselines: Vec<Measure>,
        sessions: Vec<Session>,
    ) -> Self {
        Self { format: FORMAT, data_hash, commit, baselines, sessions }
    }

    /// The lowest p that every session comes to where it counts, by what `change` makes of the calibrations; and whether it
    /// is an attack.
    pub fn lowest(&self, change: impl Fn(&Calibration) -> Calibration) -> Vec<(bool, f64)> {
        let measures: Vec<Calibration> =
            self.baselines.iter().map(|measure| change(&measure.calibration)).collect();
        let lowest = |session: &Session| {
            let measure = measures.get(session.baseline)?;
            let counting = session.values.iter().zip(1u64..).skip(session.from);
            let p = counting
                .map(|(values, action)| measure.weigh(&values.map(f64::from), measure.chances(action)).p.p);
            Some((session.attack.is_some(), p.fold(1.0, f64::min)))
        };
        self.sessions.iter().filter_map(lowest).collect()
    }

    /// How sessions are told apart by what `change` makes of the calibrations.
    pub fn figures(&self, change: impl Fn(&Calibration) -> Calibration) -> Figures {
        let lowest = self.lowest(change);
        let of =
            |attack| lowest.iter().filter(|(of, _)| *of == attack).map(|(_, p)| *p).collect::<Vec<f64>>();
        Figures::of(&of(false), &of(true))
    }

    /// Writes it, packed with zstd.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let wrong = |error| Error::File { doing: "writing", path: path.to_owned(), error };
        let mut packed =
            zstd::Encoder::new(BufWriter::new(File::create(path).map_err(wrong)?), LEVEL).map_err(wrong)?;
        serde_json::to_writer(&mut packed, self).map_err(|error| wrong(error.into()))?;
        packed.finish().and_then(|mut file| file.flush()).map_err(wrong)
    }

    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |error| Error::File { doing: "reading", path: path.to_owned(), error };
        let parse = |detail: String| Error::Parse { path: path.to_owned(), detail };
        let packed = zstd::Decoder::new(File::open(path).map_err(wrong)?).map_err(wrong)?;
        let read: Self =
            serde_json::from_reader(BufReader::new(packed)).map_err(|error| parse(error.to_string()))?;
        if read.format != FORMAT {
            return Err(parse(format!("its format is {}, and this program reads {FORMAT}", read.format)));
        }
        Ok(read)
    }
}
