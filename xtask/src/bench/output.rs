//! Where a benchmark's result goes, and what is said of when and where it was measured.

use super::machine::Machine;
use crate::host;
use anyhow::Result;
use clap::Args;
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
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
    note: Option<String>,
}

/// Where and when something was measured, and beside what.
#[derive(Serialize, Deserialize)]
pub struct Head {
    /// The machine.
    pub machine: Machine,
    /// When it began, UTC.
    pub date: String,
    /// What else ran.
    pub note: Option<String>,
}

impl Head {
    /// What a summary begins with.
    pub fn text(&self, title: &str) -> String {
        let note = self.note.as_ref().map_or(String::new(), |note| format!("\n{note}\n"));
        format!("# {title}\n\n{} {}\n{note}", self.date, self.machine.text())
    }
}

impl Output {
    /// Looks at the machine, before anything is measured.
    pub fn head(&self) -> Result<Head> {
        let date = now().strftime("%Y-%m-%d %H:%M UTC").to_string();
        Ok(Head { machine: Machine::look()?, date, note: self.note.clone() })
    }

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

fn now() -> Zoned {
    Zoned::now().with_time_zone(TimeZone::UTC)
}
