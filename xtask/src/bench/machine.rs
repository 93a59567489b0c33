//! The machine that measured, without anything that names it.

use crate::host;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

/// What a reader needs to know of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// `uname -r`, without what a distributor appended.
    pub kernel: String,
    /// Model of the processor.
    pub processor: String,
    /// Processors.
    pub processors: usize,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Whether it is a virtual machine.
    pub virtual_machine: bool,
    /// Load over one, five and fifteen minutes when the benchmark began: what else ran.
    pub load: String,
    /// The commit that was measured, and whether the tree differs from it.
    pub commit: String,
}

impl Machine {
    /// Looks.
    pub fn look() -> Result<Machine> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
        };
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let kib = meminfo.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let git =
            |words: &[&str]| host::output(Command::new("git").args(words).current_dir(host::workspace()?));
        let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_ok_and(|s| !s.is_empty());
        Ok(Machine {
            kernel: release.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect(),
            processor: field("model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            virtual_machine: field("flags").split(' ').any(|flag| flag == "hypervisor"),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" "),
            commit: if changed { format!("{commit} with changes") } else { commit },
        })
    }

    /// One paragraph.
    pub fn text(&self) -> String {
        format!(
            "Linux {}, {} processors ({}{}), {} MiB of memory, load {} at the start; commit {}.",
            self.kernel,
            self.processors,
            self.processor,
            if self.virtual_machine { ", virtual" } else { "" },
            self.memory_mib,
            self.load,
            self.commit,
        )
    }
}
