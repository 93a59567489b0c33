//! The machine and the corpus that a result rests on. No name of a host or a user.

use super::options::Options;
use crate::result::Basis;
use datasets::corpus::{Corpus, Description};
use std::collections::BTreeSet;
use std::fs;

/// Everything that is known before anything was read. The parts of a corpus differ in their agents.
pub fn basis(parts: &[Corpus], description: &Description, options: &Options) -> Basis {
    let agents = parts.iter().flat_map(|part| &part.description.agents);
    let agents: BTreeSet<_> = agents.map(|agent| (agent.name.clone(), agent.version.clone())).collect();
    Basis {
        corpus_seed: description.seed,
        seed: options.seed,
        commit: options.commit.clone(),
        wardline: options.wardline.clone(),
        recorded_by: description.wardline.clone(),
        kernel: description.kernel.clone(),
        tier: description.tier.clone(),
        processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: memory_gib(),
        agents: agents.into_iter().collect(),
        repositories: description.repositories.iter().map(|r| (r.name.clone(), r.version.clone())).collect(),
        ..Basis::default()
    }
}

/// The first value of a `name : value` line.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> u64 {
    let total = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: u64 = total.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (kib + (1 << 19)) >> 20
}
