//! `wardline-lab corpus export` and `import`: a corpus as one file.
//!
//! A zstd stream of lines of JSON. The first is `{"type":"corpus",...}` with the fields of `corpus.json`. Then each run:
//! a line `{"type":"run",...}` with the fields of a line of `runs.jsonl`, and the lines of its session, as
//! `wardline export` writes them. `session` in a run is its number in the store that it came from; importing gives new ones.
//!
//! Sessions of a corpus run in a home of their own, at a place that is the same everywhere, as a user of their own: nothing
//! names whoever made it. The name of the machine becomes `host` wherever it stands.

use anyhow::{Context, Result, bail};
use bstr::ByteSlice;
use command::print_line;
use datasets::corpus::{Corpus, Description, Run};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use store::{Import, Reader, Recorder, SessionId};

/// The longest line that is read: a session's own line with all its reasons is far shorter.
const LONGEST_LINE: u64 = 16 << 20;

/// How hard it is compressed: beyond this there is little to be gained.
const LEVEL: i32 = 9;

/// Arguments of `corpus export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Directory of the corpus
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The file to write
    pub file: PathBuf,
}

/// Arguments of `corpus import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Directory of the corpus to be; it must have none yet
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The file to read
    pub file: PathBuf,
}

/// A line of a corpus' own.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Own {
    Corpus(Box<Description>),
    Run(Box<Run>),
}

/// Writes a corpus into one file.
pub fn export(args: &ExportArgs) -> Result<()> {
    let corpus = Corpus::open(&args.dir)?;
    let reader = Reader::open(corpus.store()).context("the recordings of the corpus cannot be read")?;
    let runs = corpus.runs()?;
    let file =
        File::create(&args.file).with_context(|| format!("`{}` cannot be written", args.file.display()))?;
    let stream = zstd::Encoder::new(BufWriter::new(file), LEVEL).context("compression cannot be started")?;
    let mut out = Nameless { out: stream.auto_finish(), host: hostname(), line: Vec::new() };
    own(&mut out, &Own::Corpus(Box::new(corpus.description.clone())))?;
    let bar = ProgressBar::new(runs.len() as u64);
    for run in runs {
        let session = SessionId(run.session);
        own(&mut out, &Own::Run(Box::new(run)))?;
        store::export_jsonl(&reader, session, &mut out)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    out.flush().context("the export cannot be written")
}

/// Reads one file into a corpus.
pub fn import(args: &ImportArgs) -> Result<()> {
    let file = File::open(&args.file).with_context(|| format!("`{}` cannot be read", args.file.display()))?;
    let mut lines = BufReader::new(zstd::Decoder::new(file).context("the file is no zstd stream")?);
    let mut line = Vec::new();
    if !next(&mut lines, &mut line)? {
        bail!("`{}` is empty", args.file.display());
    }
    let Own::Corpus(description) = parse(&line)? else { bail!("the file does not begin with a corpus") };
    let corpus = Corpus::begin(&args.dir, *description)?;
    let mut recorder = recorder(&corpus.store())?;
    let mut import = Import::new(&mut recorder);
    let mut pending: Option<Run> = None;
    while next(&mut lines, &mut line)? {
        if line.starts_with(b"{\"type\":\"run\"") {
            import.end()?;
            let Own::Run(run) = parse(&line)? else { bail!("a run was expected") };
            if pending.replace(*run).is_some() {
                bail!("a run has no session");
            }
        } else if let Some(id) = import.line(&line)? {
            let mut run = pending.take().context("a session belongs to no run")?;
            run.session = id.0;
            corpus.append(&run)?;
        }
    }
    import.end()?;
    if pending.is_some() {
        bail!("the last run has no session: the file is cut off");
    }
    print_line!("{}: {} runs", corpus.path().display(), corpus.runs()?.len());
    Ok(())
}

fn recorder(store: &Path) -> Result<Recorder> {
    let directory = store.parent().context("the store has no directory")?;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("`{}` cannot be made", directory.display()))?;
    Ok(Recorder::open(store)?)
}

fn own(out: &mut impl Write, line: &Own) -> Result<()> {
    serde_json::to_writer(&mut *out, line).context("the export cannot be written")?;
    out.write_all(b"\n").context("the export cannot be written")
}

fn parse(line: &[u8]) -> Result<Own> {
    serde_json::from_slice(line).context("a line is neither a corpus nor a run")
}

/// Reads the next line; false at the end.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let length = lines.take(LONGEST_LINE).read_until(b'\n', line).context("the file cannot be read")?;
    if length > 0 && line.pop() != Some(b'\n') {
        bail!("a line is cut off, or longer than {LONGEST_LINE} bytes");
    }
    Ok(length > 0)
}

/// The machine's name, where it tells anything.
fn hostname() -> Option<Vec<u8>> {
    let name = rustix::system::uname().nodename().to_bytes().to_vec();
    let tells = name.len() >= 4 && name != b"localhost" && name != b"debian";
    tells.then_some(name)
}

/// Writes whole lines, with the machine's name replaced.
struct Nameless<W: Write> {
    out: W,
    host: Option<Vec<u8>>,
    line: Vec<u8>,
}

impl<W: Write> Write for Nameless<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.rfind_byte(b'\n') {
            let rest = self.line.split_off(end + 1);
            let whole = std::mem::replace(&mut self.line, rest);
            match &self.host {
                Some(host) => self.out.write_all(&whole.replace(host, b"host"))?,
                None => self.out.write_all(&whole)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_no_name_in_whole_lines() {
        let mut out = Nameless { out: Vec::new(), host: Some(b"builder7".to_vec()), line: Vec::new() };
        out.write_all(b"{\"a\":\"bui").unwrap();
        out.write_all(b"lder7 x\"}\n{\"b\":1}\n").unwrap();
        assert_eq!(out.out, b"{\"a\":\"host x\"}\n{\"b\":1}\n");
    }

    #[test]
    fn a_line_without_an_end_is_an_error() {
        let mut line = Vec::new();
        let mut lines = BufReader::new(&b"one\ntwo"[..]);
        assert!(next(&mut lines, &mut line).unwrap());
        assert_eq!(line, b"one");
        assert!(next(&mut lines, &mut line).is_err());
    }
}
