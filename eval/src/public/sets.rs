//! The known sets of traces, as they are handed round: what of them teaches, what is clean, and what attacks.

use super::read::{Calls, Layout, file, files};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A set of traces that others recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// ADFA-LD (Creech and Hu 2013): a server under six kinds of attack.
    AdfaLd,
    /// Of the University of New Mexico (Forrest and others 1996): single programs, by process.
    Unm,
}

/// One thing that has a baseline of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What teaches.
    pub train: Vec<Calls>,
    /// What is clean, and held out.
    pub clean: Vec<Calls>,
    /// What attacks.
    pub attacks: Vec<Calls>,
}

/// Programs of the set of New Mexico: where the clean traces lie, where the attacks, and how their names end.
const PROGRAMS: [(&str, &str, &str, &str); 5] = [
    ("sendmail", "1.Synthetic Sendmail/normal-data", "1.Synthetic Sendmail/Intrusion-trace-data", ".int"),
    ("lpr", "4. Live lpr/Normal", "4. Live lpr/Intrusion/exploit-unm.int", ".txt"),
    ("login", "7.Login_and_ps/normal/login-normal.txt", "7.Login_and_ps/intrusion/login", ".txt"),
    ("ps", "7.Login_and_ps/normal/ps-normal.txt", "7.Login_and_ps/intrusion/ps", ".txt"),
    ("xlock", "5.xlock/normal/normal-xlock.txt", "5.xlock/intrusion", ".txt"),
];

/// Calls of the traces in one place at most: they are held in memory.
const SET_CALLS_MAX: usize = 1 << 26;

impl Set {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Set::AdfaLd => "adfa-ld",
            Set::Unm => "unm",
        }
    }

    /// Reads it from the directory that it was unpacked to.
    pub fn read(self, directory: &Path) -> Result<Vec<Part>, Error> {
        let parts = match self {
            Set::AdfaLd => vec![adfa_ld(&inside(directory, "Training_Data_Master", "adfa-ld"))?],
            Set::Unm => unm(&inside(directory, PROGRAMS[0].1, "UNM"))?,
        };
        match parts.iter().find(|part| part.train.len() < models::SESSIONS_MIN || part.attacks.is_empty()) {
            Some(part) => Err(Error::Nothing(format!(
                "`{}` has {} traces of {} to learn from and {} attacks",
                directory.display(),
                part.train.len(),
                part.name,
                part.attacks.len()
            ))),
            None => Ok(parts),
        }
    }
}

/// The directory itself, or the one in it by which the set is usually known.
fn inside(directory: &Path, holds: &str, usually: &str) -> PathBuf {
    let below = directory.join(usually);
    if !directory.join(holds).exists() && below.exists() { below } else { directory.to_owned() }
}

fn adfa_ld(directory: &Path) -> Result<Part, Error> {
    let read = |of: &str| all(directory, &directory.join(of), ".txt", Layout::Calls);
    Ok(Part {
        name: Set::AdfaLd.name().to_owned(),
        train: read("Training_Data_Master")?,
        clean: read("Validation_Data_Master")?,
        attacks: read("Attack_Data_Master")?,
    })
}

/// Every other clean process of a program teaches, in the order of files and processes.
fn unm(directory: &Path) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for (name, clean, attacks, ends) in PROGRAMS {
        let clean = all(directory, &directory.join(clean), ends, Layout::Pairs)?;
        let (train, clean): (Vec<_>, Vec<_>) = clean.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let of = |calls: Vec<(usize, Calls)>| calls.into_iter().map(|(_, calls)| calls).collect();
        let attacks = all(directory, &directory.join(attacks), ".int", Layout::Pairs)?;
        parts.push(Part { name: name.to_owned(), train: of(train), clean: of(clean), attacks });
    }
    Ok(parts)
}

/// Every trace of a file, of the files below a directory, or of those in a directory whose names begin so.
fn all(root: &Path, at: &Path, ends: &str, layout: Layout) -> Result<Vec<Calls>, Error> {
    let paths = if at.is_file() {
        vec![at.to_owned()]
    } else if at.is_dir() {
        files(at, ends)?
    } else {
        let begins = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = files(at.parent().unwrap_or(root), ends)?.into_iter();
        beside
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins)))
            .collect()
    };
    let mut traces = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        // Beside the traces of processes lie lists of what they show.
        let own = path.file_name().unwrap_or_default().to_string_lossy();
        if layout == Layout::Calls || !own.starts_with("result-") && !own.ends_with("Map.txt") {
            traces.extend(file(&path, &name, layout)?);
        }
        let calls: usize = traces.iter().map(|trace| trace.calls.len()).sum();
        if calls > SET_CALLS_MAX {
            return Err(Error::Nothing(format!("`{}` has more than {SET_CALLS_MAX} calls", at.display())));
        }
    }
    Ok(traces)
}
