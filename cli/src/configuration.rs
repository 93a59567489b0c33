//! What the administrator configured: how long recordings are kept, how much a session may take of the disk, and how many
//! processes it may have. Ages and sizes are written as on a command line.

use anyhow::{Context, Result};
use serde::Deserialize;
use service::supervisor::{PROCESSES_MAX, Retention};
use std::path::Path;
use std::time::Duration;
use store::Quota;

/// What the file says, with what holds where it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// How long recordings are kept.
    pub retention: Retention,
    /// How much sessions may take of a user's store.
    pub quota: Quota,
    /// Processes and threads of a session.
    pub processes_max: u32,
}

/// The file `config.toml`, in the state directory. All of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    retention: Kept,
    #[serde(default)]
    recording: Recording,
    #[serde(default)]
    session: Session,
}

/// `[retention]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Kept {
    #[serde(default, deserialize_with = "age_text")]
    older_than: Option<Duration>,
    #[serde(default, deserialize_with = "size_text")]
    max_size: Option<u64>,
}

/// `[recording]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Recording {
    #[serde(default, deserialize_with = "size_text")]
    session_max: Option<u64>,
    #[serde(default, deserialize_with = "size_text")]
    day_max: Option<u64>,
}

/// `[session]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Session {
    processes_max: Option<u32>,
}

/// What the file says; what is usual where there is none.
pub fn read(path: &Path) -> Result<Configuration> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("`{}` cannot be read", path.display()))?,
    };
    let file: File =
        toml::from_str(&text).with_context(|| format!("`{}` is no configuration", path.display()))?;
    let usual = Quota::default();
    Ok(Configuration {
        retention: Retention { older_than: file.retention.older_than, max_bytes: file.retention.max_size },
        quota: Quota {
            session_bytes: file.recording.session_max.unwrap_or(usual.session_bytes),
            day_bytes: file.recording.day_max.unwrap_or(usual.day_bytes),
        },
        processes_max: file.session.processes_max.unwrap_or(PROCESSES_MAX),
    })
}

/// An age, as `30d`, `12h` or `2w`; a day has 24 hours.
pub fn age(text: &str) -> Result<Duration, String> {
    let wrong = |_| "an age is a number with a unit: `30d`, `12h`, `2w`".to_owned();
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    Duration::try_from(span.to_duration(days).map_err(wrong)?)
        .map_err(|_| "an age is not negative".to_owned())
}

/// A size, as `1G`, `500M` or a number of bytes; a unit is 1024 of the one before.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let with =
        |&(unit, shift): &(char, u32)| Some((text.strip_suffix([unit, unit.to_ascii_lowercase()])?, shift));
    let (number, shift) = UNITS.iter().find_map(with).unwrap_or((text, 0));
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| "a size is a number with a unit: `1G`, `500M`".to_owned())
}

fn age_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    age(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

fn size_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_have_units() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("12h"), Ok(Duration::from_secs(12 * 3600)));
        assert_eq!(age("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert!(age("30").is_err() && age("-1d").is_err() && age("").is_err() && age("1mo").is_err());
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(size("500m"), Ok(500 << 20));
        assert_eq!(size("77"), Ok(77));
        assert!(
            size("G").is_err()
                && size("-1G").is_err()
                && size("1.5G").is_err()
                && size("99999999999T").is_err()
        );
    }

    #[test]
    fn a_configuration_is_read_or_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let usual = read(&path).unwrap();
        assert_eq!((usual.retention, usual.quota), (Retention::default(), Quota::default()));
        std::fs::write(&path, "[retention]\nolder-than = \"90d\"\n").unwrap();
        let kept = Retention { older_than: Some(Duration::from_secs(90 * 86_400)), max_bytes: None };
        assert_eq!(read(&path).unwrap(), Configuration { retention: kept, ..usual });
        std::fs::write(&path, "[recording]\nsession-max = \"1M\"\n[session]\nprocesses-max = 7\n").unwrap();
        let quota = Quota { session_bytes: 1 << 20, ..usual.quota };
        assert_eq!(read(&path).unwrap(), Configuration { quota, processes_max: 7, ..usual });
        std::fs::write(&path, "[retention]\nmax-size = \"4X\"\n").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("config.toml") && error.contains("a size is a number with a unit"), "{error}");
        std::fs::write(&path, "[retention]\nkeep = 3\n").unwrap();
        assert!(read(&path).is_err());
    }
}
