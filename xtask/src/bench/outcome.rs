//! The measurements.

use super::condition::{Condition, Run};
use super::output::Head;
use super::statistics::Estimate;
use super::workload::{Profile, Workload};
use serde::{Deserialize, Serialize};

/// Everything that was measured.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// Where and when.
    #[serde(flatten)]
    pub head: Head,
    /// How long.
    pub profile: Profile,
    /// By workload.
    pub workloads: Vec<Measurement>,
}

impl Outcome {
    /// A workload under a condition, if both were measured.
    pub fn find(&self, workload: Workload, condition: Condition) -> Option<&Compared> {
        let measurement = self.workloads.iter().find(|measurement| measurement.workload == workload)?;
        measurement.compared.iter().find(|compared| compared.condition == condition)
    }
}

/// One workload.
#[derive(Serialize, Deserialize)]
pub struct Measurement {
    /// The workload.
    pub workload: Workload,
    /// The commit that was measured, where it is another than the others'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What it was compared under.
    pub compared: Vec<Compared>,
    /// The bare runs, in order.
    pub bare: Vec<Run>,
}

/// A workload under one condition.
#[derive(Serialize, Deserialize)]
pub struct Compared {
    /// The condition.
    pub condition: Condition,
    /// Ratio of its wall time to that of the bare runs on both sides; `None`: it could not be measured.
    pub ratio: Option<Estimate>,
    /// Each ratio, with its run.
    pub pairs: Vec<Pair>,
    /// One more run, in which the kernel counted the time of its programs.
    pub counted: Option<Run>,
    /// Why it could not be measured.
    pub failed: Option<String>,
}

/// A run, and how it compares.
#[derive(Serialize, Deserialize)]
pub struct Pair {
    /// Which round.
    pub round: usize,
    /// Wall time of a round to the mean of the bare runs before and after.
    pub ratio: f64,
    /// The run.
    pub run: Run,
}
