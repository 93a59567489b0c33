//! The workloads: loops over one system call, and work as agents do it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// One workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum Workload {
    /// `getppid(2)`: the shortest system call
    Getpid,
    /// A file opened and closed
    OpenClose,
    /// `stat(2)` of a file
    Stat,
    /// A UDP socket, connected and closed
    Connect,
    /// A program started and waited for
    ForkExec,
    /// One turn of a coding agent
    AgentTurn,
    /// A clone and a walk through its history
    Git,
    /// A program of several C files compiled and linked
    Compile,
    /// Every file below a directory looked at
    Find,
}

/// How long a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Some minutes in all: enough to see what is off by tenths
    Quick,
    /// Enough pairs for hundredths
    Full,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 9] = [
        Workload::Getpid,
        Workload::OpenClose,
        Workload::Stat,
        Workload::Connect,
        Workload::ForkExec,
        Workload::AgentTurn,
        Workload::Git,
        Workload::Compile,
        Workload::Find,
    ];

    /// Its name, on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Workload::Getpid => "getpid",
            Workload::OpenClose => "open-close",
            Workload::Stat => "stat",
            Workload::Connect => "connect",
            Workload::ForkExec => "fork-exec",
            Workload::AgentTurn => "agent-turn",
            Workload::Git => "git",
            Workload::Compile => "compile",
            Workload::Find => "find",
        }
    }

    /// Rounds of a loop in one run, so that it takes some tenths of a second; 1 for work that is no loop.
    pub fn rounds(self, profile: Profile) -> u64 {
        let full = match self {
            Workload::Getpid => 2_000_000,
            Workload::OpenClose => 300_000,
            Workload::Stat => 600_000,
            Workload::Connect => 80_000,
            Workload::ForkExec => 800,
            _ => return 1,
        };
        if profile == Profile::Quick { full / 4 } else { full }
    }

    /// Pairs with a bare run for what is measured closely, and for peers.
    pub fn pairs(self, profile: Profile) -> (usize, usize) {
        match (profile, self) {
            (Profile::Quick, Workload::AgentTurn) => (8, 2),
            (Profile::Quick, _) => (5, 2),
            (Profile::Full, Workload::AgentTurn) => (40, 10),
            (Profile::Full, _) => (20, 6),
        }
    }

    /// Whether it is a loop, whose rounds can be fewer under what is slow.
    pub fn is_loop(self) -> bool {
        self.script().is_none()
    }

    /// The script that does it, and its name; `None`: it is a loop of this program.
    pub fn script(self) -> Option<(&'static str, &'static str)> {
        macro_rules! script {
            ($name:literal) => {
                Some(($name, include_str!(concat!("../../../bench/workloads/", $name))))
            };
        }
        match self {
            Workload::AgentTurn => script!("agent-turn.sh"),
            Workload::Git => script!("git.sh"),
            Workload::Compile => script!("compile.sh"),
            Workload::Find => script!("find.sh"),
            _ => None,
        }
    }

    /// The script's arguments.
    pub fn arguments(self, repository: PathBuf, sources: PathBuf, profile: Profile) -> Vec<OsString> {
        let quick = profile == Profile::Quick;
        match self {
            Workload::AgentTurn => vec![repository.into(), if quick { "2" } else { "6" }.into()],
            Workload::Git => vec![repository.into()],
            Workload::Compile => vec![sources.into()],
            Workload::Find => vec![if quick { "/usr/lib" } else { "/usr" }.into()],
            _ => Vec::new(),
        }
    }
}
