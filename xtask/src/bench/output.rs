//! Where a benchmark's result goes, and what is said of when and where it was measured.

use super::machine::Machine;
use crate::host;
use anyhow::Result;
use clap::Args;
use jiff::Zoned;
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// The arguments of every benchmark that writes a result.
#[derive(Args)]
pub struct Output {
    /// Where to write the result, instead of a folder of `bench/results` named by the day and the kernel. What a `capture`
    /// finds there of other workloads stays
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Said in the summary: what else ran on the machine
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

impl Output {
    /// The folder; `of` stands behind its name.
    pub fn directory(&self, machine: &Machine, of: &str) -> Result<PathBuf> {
        match &self.out {
            Some(out) => Ok(out.clone()),
            None => {
                let name = format!("{}-{}{of}", now().strftime("%Y-%m-%d"), machine.kernel);
                Ok(host::workspace()?.join("bench/results").join(name))
            }
        }
    }
}

/// The date and time, as summaries have it.
pub fn date() -> String {
    now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn now() -> Zoned {
    Zoned::now().with_time_zone(TimeZone::UTC)
}
