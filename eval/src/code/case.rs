//! Cases of code, one JSON object a line: `{"index": "bash-13_1", "language": "bash", "code": "..."}`; other fields are
//! passed over. `.zst` is unpacked.

use crate::Error;
use blake3::Hasher;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of one line.
const LONGEST_LINE: u64 = 256 << 10;
/// Bytes of one program: it must fit into one argument of a shell, which is 128 KiB (MAX_ARG_STRLEN in execve(2)).
const LONGEST_CODE: usize = 64 << 10;
/// Bytes of a whole file, unpacked.
const LONGEST_FILE: u64 = 64 << 20;
/// Bytes of an index.
const LONGEST_INDEX: usize = 64;
/// The largest window of a packed file that is unpacked, as a power of two: 8 MiB, what zstd itself takes without being
/// told otherwise.
const WINDOW_LOG: u32 = 23;

/// What a case is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
pub enum Language {
    /// `bash`
    #[serde(rename = "bash")]
    Bash,
    /// `python3`
    #[serde(rename = "python", alias = "Python")]
    Python,
}

impl Language {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Language::Bash => "bash",
            Language::Python => "python",
        }
    }
}

/// One piece of code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Case {
    /// Its name: risk index, underscore, number.
    pub index: String,
    /// What runs it.
    pub language: Language,
    /// The program.
    pub code: String,
}

impl Case {
    /// The risk index: what stands before the last underscore.
    pub fn risk(&self) -> &str {
        risk(&self.index)
    }
}

/// What stands before the last underscore of an index.
pub(super) fn risk(index: &str) -> &str {
    index.rsplit_once('_').map_or(index, |(risk, _)| risk)
}

/// Reads the cases of a file. An error names the line.
pub fn read(path: &Path) -> Result<Vec<Case>, Error> {
    let failed = |error| Error::File { doing: "reading", path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        let mut decoder = zstd::stream::read::Decoder::new(file).map_err(failed)?;
        decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
        lines(path, BufReader::new(decoder))
    } else {
        lines(path, BufReader::new(file))
    }
}

fn lines(path: &Path, source: impl BufRead) -> Result<Vec<Case>, Error> {
    let mut source = source.take(LONGEST_FILE + 1);
    let (mut cases, mut known, mut number) = (Vec::new(), BTreeSet::new(), 0);
    let mut line = Vec::new();
    loop {
        number += 1;
        let wrong = |detail: String| Error::Case { path: path.to_owned(), line: number, detail };
        line.clear();
        let read = (&mut source).take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| wrong(format!("it cannot be read: {error}")))? == 0 {
            break;
        }
        if source.limit() == 0 {
            return Err(wrong(format!("the file is longer than {LONGEST_FILE} bytes")));
        }
        if line.len() as u64 > LONGEST_LINE {
            return Err(wrong(format!("it is longer than {LONGEST_LINE} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let case: Case = serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?;
        checked(&case).map_err(wrong)?;
        if !known.insert(case.index.clone()) {
            return Err(wrong(format!("there is a case `{}` already", case.index)));
        }
        cases.push(case);
    }
    if cases.is_empty() {
        return Err(Error::Nothing(format!("`{}` holds no case", path.display())));
    }
    Ok(cases)
}

fn checked(case: &Case) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let index = &case.index;
    // It names files, and stands in results.
    if index.is_empty() || index.len() > LONGEST_INDEX || !index.chars().all(plain) {
        return Err(format!("an index has 1 to {LONGEST_INDEX} letters, digits, hyphens and underscores"));
    }
    if case.code.len() > LONGEST_CODE {
        return Err(format!("the code of `{index}` is longer than {LONGEST_CODE} bytes"));
    }
    if case.code.contains('\0') {
        return Err(format!("the code of `{index}` has a NUL in it, which no argument can carry"));
    }
    Ok(())
}

/// The cases in an order of which every beginning is a sample: each risk index has a turn in each round, in an order that
/// the seed draws. At most `limit` of them.
pub fn sample(cases: Vec<Case>, seed: u64, limit: usize) -> Vec<Case> {
    let drawn =
        |text: &str| *Hasher::new().update(&seed.to_le_bytes()).update(text.as_bytes()).finalize().as_bytes();
    let mut risks: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        risks.entry(case.risk().to_owned()).or_default().push(case);
    }
    let mut turns: Vec<(usize, [u8; 32], Case)> = Vec::new();
    for (risk, mut cases) in risks {
        cases.sort_by_key(|case| drawn(&case.index));
        let place = drawn(&risk);
        turns.extend(cases.into_iter().enumerate().map(|(round, case)| (round, place, case)));
    }
    turns.sort_by_key(|(round, place, _)| (*round, *place));
    turns.into_iter().map(|(_, _, case)| case).take(limit).collect()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::fs;

    fn read_text(name: &str, bytes: &[u8]) -> Result<Vec<Case>, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        read(&path)
    }

    const TWO: &str = "{\"index\":\"bash-1_1\",\"language\":\"bash\",\"summary\":\"s\",\"code\":\"true\"}\n\n\
                       {\"index\":\"py-2_7\",\"language\":\"Python\",\"code\":\"pass\"}\n";

    #[test]
    fn plain_and_packed_cases_are_the_same() {
        let plain = read_text("c.jsonl", TWO.as_bytes()).unwrap();
        let packed = zstd::encode_all(TWO.as_bytes(), 0).unwrap();
        assert_eq!(read_text("c.jsonl.zst", &packed).unwrap(), plain);
        assert_eq!(plain.len(), 2);
        assert_eq!(
            (plain[1].risk(), plain[1].language, plain[1].code.as_str()),
            ("py-2", Language::Python, "pass")
        );
    }

    #[test]
    fn an_error_names_its_line() {
        let case = |index: &str, language: &str, code: &str| {
            serde_json::json!({ "index": index, "language": language, "code": code }).to_string()
        };
        let first = case("a_1", "bash", "true");
        let long = "x".repeat(LONGEST_CODE + 1);
        let longer = "x".repeat(LONGEST_LINE as usize);
        for (second, words) in [
            ("{".to_owned(), "EOF while parsing"),
            (case("b_1", "perl", "1"), "unknown variant `perl`"),
            (case("../b", "bash", "1"), "an index has 1 to 64"),
            (case("a_1", "bash", "1"), "there is a case `a_1` already"),
            (case("b_1", "bash", &long), "longer than 65536 bytes"),
            (case("b_1", "bash", &longer), "longer than 262144 bytes"),
            (case("b_1", "bash", "a\0b"), "NUL"),
        ] {
            let error =
                read_text("c.jsonl", format!("{first}\n{second}\n").as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 2: ") && error.contains(words), "{error}");
        }
        assert!(read_text("c.jsonl", b"\n").unwrap_err().to_string().contains("holds no case"));
        assert!(read_text("c.jsonl.zst", TWO.as_bytes()).is_err());
    }

    #[test]
    fn a_small_file_cannot_become_a_large_one() {
        let bomb = zstd::encode_all(&vec![b'\n'; LONGEST_FILE as usize + 10][..], 1).unwrap();
        assert!(bomb.len() < 1 << 20);
        let error = read_text("c.jsonl.zst", &bomb).unwrap_err().to_string();
        assert!(error.contains("the file is longer"), "{error}");
    }

    #[test]
    fn every_beginning_has_each_risk_index_in_turn() {
        let mut text = String::new();
        for (risk, count) in [("a", 4), ("b", 4), ("c", 2)] {
            for number in 0..count {
                writeln!(text, "{{\"index\":\"{risk}_{number}\",\"language\":\"bash\",\"code\":\"\"}}")
                    .unwrap();
            }
        }
        let cases = read_text("c.jsonl", text.as_bytes()).unwrap();
        let names = |cases: &[Case]| cases.iter().map(|case| case.index.clone()).collect::<Vec<_>>();
        let all = sample(cases.clone(), 1, usize::MAX);
        assert_eq!(all.len(), 10);
        for round in [&all[..3], &all[3..6]] {
            assert_eq!(round.iter().map(Case::risk).collect::<BTreeSet<_>>().len(), 3);
        }
        assert_eq!(names(&sample(cases.clone(), 1, 4)), names(&all[..4]));
        assert_ne!(names(&sample(cases, 2, usize::MAX)), names(&all));
    }
}
