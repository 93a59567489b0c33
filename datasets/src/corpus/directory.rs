//! The directory of a corpus: begin, open, append, list.

use super::Run;
use crate::Error;
use crate::error::at;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The format that is written and read here. Others are refused.
pub const FORMAT: u32 = 1;

/// How a corpus was made, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// [`FORMAT`]
    pub format: u32,
    /// Every choice follows from it.
    pub seed: u64,
    /// `smoke`, `quick` or `full`.
    pub profile: String,
    /// `uname -r` of the machine that recorded.
    pub kernel: String,
    /// `lsm` or `tracepoint`; empty until the first run ended.
    pub tier: String,
    /// Version of Wardline.
    pub wardline: String,
    /// BLAKE3 of the `wardline` that recorded, hex; older ones did not tell.
    #[serde(default)]
    pub build: Option<String>,
    /// How long the making took until the last run that ended, interruptions left out, s; 0 where an older one made it.
    #[serde(default)]
    pub making_seconds: u64,
    /// The user that the agents run as: names the store, `state/UID/sessions.db`.
    pub uid: u32,
    /// The home of the sessions, as it stands in the recordings.
    pub home: String,
    /// The agents, each with the version that baselines are made of.
    pub agents: Vec<AgentVersion>,
    /// The repositories.
    pub repositories: Vec<RepositoryVersion>,
}

/// An agent in a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentVersion {
    /// As its baselines are named.
    pub name: String,
    /// As its package is versioned.
    pub version: String,
}

/// A repository in a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryVersion {
    /// As runs name it.
    pub name: String,
    /// `crate`, `npm` or `pypi`.
    pub ecosystem: String,
    /// Version of the package.
    pub version: String,
    /// BLAKE3 of the package's file, hex.
    pub hash: String,
}

/// An open corpus.
#[derive(Clone, Debug)]
pub struct Corpus {
    path: PathBuf,
    /// How it was made.
    pub description: Description,
}

impl Corpus {
    /// Begins a corpus in a directory that has none yet. The directory is made.
    pub fn begin(path: &Path, description: Description) -> Result<Corpus, Error> {
        at("make", path, fs::create_dir_all(path))?;
        let path = at("resolve", path, path.canonicalize())?;
        let file = path.join("corpus.json");
        if file.exists() {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(Error::File { doing: "begin a corpus over", path: file, source });
        }
        let corpus = Corpus { path, description };
        corpus.describe()?;
        Ok(corpus)
    }

    /// Opens one that was begun.
    pub fn open(path: &Path) -> Result<Corpus, Error> {
        let path = at("find", path, path.canonicalize())?;
        let file = path.join("corpus.json");
        let text = at("read", &file, fs::read(&file))?;
        let description: Description = parse(&file, &text)?;
        if description.format != FORMAT {
            return Err(Error::Format { path: file, format: description.format, known: FORMAT });
        }
        Ok(Corpus { path, description })
    }

    /// Whether one was begun there.
    pub fn exists(path: &Path) -> bool {
        path.join("corpus.json").is_file()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `--state-dir` that its sessions were recorded with.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The store of its sessions.
    pub fn store(&self) -> PathBuf {
        self.state().join(self.description.uid.to_string()).join("sessions.db")
    }

    /// Writes the description again, whole or not at all.
    pub fn describe(&self) -> Result<(), Error> {
        let (file, part) = (self.path.join("corpus.json"), self.path.join("corpus.json.part"));
        let mut text = serde_json::to_vec_pretty(&self.description)
            .map_err(|error| Error::Parse { path: file.clone(), detail: error.to_string() })?;
        text.push(b'\n');
        at("write", &part, fs::write(&part, text))?;
        at("replace", &file, fs::rename(&part, &file))
    }

    /// Adds a run that ended: one whole line, on the disk when this returns.
    pub fn append(&self, run: &Run) -> Result<(), Error> {
        let path = self.runs_file();
        let mut line = serde_json::to_vec(run)
            .map_err(|error| Error::Parse { path: path.clone(), detail: error.to_string() })?;
        line.push(b'\n');
        let file = File::options().create(true).append(true).open(&path);
        at(
            "append to",
            &path,
            file.and_then(|mut file| file.write_all(&line).and_then(|()| file.sync_data())),
        )
    }

    /// Every run, in the order in which they ended. A last line that was cut off by a crash is dropped from the file, and
    /// its run is made again; any other line that cannot be read is an error.
    pub fn runs(&self) -> Result<Vec<Run>, Error> {
        let path = self.runs_file();
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => at("read", &path, file)?,
        };
        let mut reader = BufReader::new(file);
        let (mut runs, mut line, mut whole) = (Vec::new(), Vec::new(), 0);
        loop {
            line.clear();
            let length = at("read", &path, reader.read_until(b'\n', &mut line))?;
            if length == 0 {
                return Ok(runs);
            }
            if line.last() != Some(&b'\n') {
                let file = File::options().write(true).open(&path);
                at("cut off the last line of", &path, file.and_then(|file| file.set_len(whole)))?;
                return Ok(runs);
            }
            runs.push(parse(&path, &line)?);
            whole += length as u64;
        }
    }

    fn runs_file(&self) -> PathBuf {
        self.path.join("runs.jsonl")
    }
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text)
        .map_err(|error| Error::Parse { path: path.to_owned(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Kind, Mode, Observed, Split, Variant};

    fn description() -> Description {
        Description {
            format: FORMAT,
            seed: 7,
            profile: "smoke".into(),
            kernel: "6.1".into(),
            tier: String::new(),
            wardline: "0.1.0".into(),
            build: Some("5f".repeat(32)),
            making_seconds: 90,
            uid: 60_706,
            home: "/x/world/home/agent".into(),
            agents: vec![AgentVersion { name: "codex".into(), version: "1".into() }],
            repositories: Vec::new(),
        }
    }

    fn run(id: &str) -> Run {
        Run {
            id: id.into(),
            agent: "codex".into(),
            agent_version: "1".into(),
            task: "edit".into(),
            repository: "anyhow".into(),
            template: "edit-1".into(),
            seed: u64::MAX,
            split: Split::Train,
            kind: Kind::Attack { scenario: "s01".into(), variant: Variant::Spread },
            mode: Mode::Record,
            session: 3,
            exit_status: 0,
            onset_ns: Some(5),
            impact_ns: None,
            observed: Observed::default(),
            summary: serde_json::json!({"events": 3}),
        }
    }

    #[test]
    fn what_was_appended_is_listed_and_a_torn_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("corpus");
        let corpus = Corpus::begin(&path, description()).unwrap();
        assert_eq!(corpus.runs().unwrap(), []);
        corpus.append(&run("a")).unwrap();
        corpus.append(&run("b")).unwrap();
        let mut file = File::options().append(true).open(path.join("runs.jsonl")).unwrap();
        file.write_all(b"{\"id\":\"c\"").unwrap();
        let corpus = Corpus::open(&path).unwrap();
        assert_eq!(corpus.description, description());
        assert_eq!(corpus.runs().unwrap(), [run("a"), run("b")]);
        corpus.append(&run("c")).unwrap();
        assert_eq!(corpus.runs().unwrap(), [run("a"), run("b"), run("c")]);
    }

    #[test]
    fn a_corpus_is_not_begun_twice_and_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = Corpus::begin(directory.path(), description()).unwrap();
        assert!(Corpus::begin(directory.path(), description()).is_err());
        let mut other = corpus;
        other.description.format = 2;
        other.describe().unwrap();
        assert!(matches!(Corpus::open(directory.path()), Err(Error::Format { format: 2, .. })));
    }

    #[test]
    fn a_description_of_before_builds_were_told_is_read() {
        let mut old = serde_json::to_value(description()).unwrap();
        let fields = old.as_object_mut().unwrap();
        assert_eq!(fields.remove("build"), Some("5f".repeat(32).into()));
        assert_eq!(fields.remove("making_seconds"), Some(90.into()));
        let read: Description = serde_json::from_value(old).unwrap();
        assert_eq!(read, Description { build: None, making_seconds: 0, ..description() });
    }

    #[test]
    fn a_line_in_the_middle_that_is_no_run_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = Corpus::begin(directory.path(), description()).unwrap();
        fs::write(directory.path().join("runs.jsonl"), "nonsense\n").unwrap();
        assert!(matches!(corpus.runs(), Err(Error::Parse { .. })));
    }
}
