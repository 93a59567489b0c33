//! The administrator's configuration: how long recordings are kept, how much a session may take of the disk, and how many
//! processes it may have. Ages and sizes are written as on a command line.

use anyhow::{Context, Result};
use command::Exit;
use policy::{Mistake, Mistakes};
use service::supervisor::{PROCESSES_MAX, Retention};
use std::path::Path;
use std::time::Duration;
use store::Quota;
use toml::de::{DeTable, DeValue};

/// What the file says, with what holds where it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// How long recordings are kept.
    pub retention: Retention,
    /// What sessions taught is learned by itself.
    pub learns: bool,
    /// How much sessions may take of a user's store.
    pub quota: Quota,
    /// Processes and threads of a session.
    pub processes_max: u32,
}

/// What is usual.
impl Default for Configuration {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            learns: false,
            quota: Quota::default(),
            processes_max: PROCESSES_MAX,
        }
    }
}

/// A setting of the file `config.toml`, in the state directory. All of them may be left out.
struct Setting {
    /// The part of the file that it stands in.
    part: &'static str,
    key: &'static str,
    /// What it wants, for people.
    wants: &'static str,
    /// Takes its value; `None`: it is none.
    take: fn(&mut Configuration, &DeValue<'_>) -> Option<()>,
}

const AN_AGE: &str = "an age such as `\"90d\"`";
const A_SIZE: &str = "a size such as `\"4G\"`";

const SETTINGS: [Setting; 6] = [
    Setting {
        part: "retention",
        key: "older-than",
        wants: AN_AGE,
        take: |of, value| {
            of.retention.older_than = Some(age(value.as_str()?).ok()?);
            Some(())
        },
    },
    Setting {
        part: "retention",
        key: "max-size",
        wants: A_SIZE,
        take: |of, value| {
            of.retention.max_bytes = Some(size(value.as_str()?).ok()?);
            Some(())
        },
    },
    Setting {
        part: "learn",
        key: "auto",
        wants: "`true` or `false`",
        take: |of, value| {
            of.learns = value.as_bool()?;
            Some(())
        },
    },
    Setting {
        part: "recording",
        key: "session-max",
        wants: A_SIZE,
        take: |of, value| {
            of.quota.session_bytes = size(value.as_str()?).ok()?;
            Some(())
        },
    },
    Setting {
        part: "recording",
        key: "day-max",
        wants: A_SIZE,
        take: |of, value| {
            of.quota.day_bytes = size(value.as_str()?).ok()?;
            Some(())
        },
    },
    Setting {
        part: "session",
        key: "processes-max",
        wants: "a number of processes such as `4096`",
        take: |of, value| {
            let number = value.as_integer()?;
            of.processes_max = u32::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(())
        },
    },
];

/// What the file says; what is usual where there is none.
pub fn read(path: &Path) -> Result<Configuration> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Configuration::default()),
        bytes => bytes.with_context(|| format!("`{}` cannot be read", path.display()))?,
    };
    parse(&path.display().to_string(), &bytes).map_err(|wrong| Exit::Failed.error(wrong.render()))
}

fn parse(file: &str, bytes: &[u8]) -> Result<Configuration, Mistakes> {
    let text = String::from_utf8_lossy(bytes);
    let wrong = |mistakes| Mistakes::new(file, "configuration", &text, mistakes);
    if let Err(error) = str::from_utf8(bytes) {
        let at = error.valid_up_to();
        return Err(wrong(vec![Mistake::new("this is no text in UTF-8", at..at + 1)]));
    }
    let table = DeTable::parse(&text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        wrong(vec![Mistake::new(format!("this is no TOML: {}", error.message()), at)])
    })?;
    let mut configuration = Configuration::default();
    let mut mistakes = Vec::new();
    for (part, settings) in table.get_ref() {
        let known: Vec<&Setting> = SETTINGS.iter().filter(|one| one.part == part.get_ref()).collect();
        match settings.get_ref().as_table() {
            _ if known.is_empty() => {
                let mut parts = SETTINGS.map(|one| one.part).to_vec();
                parts.dedup();
                mistakes.push(Mistake::unknown(
                    "part of a configuration",
                    part.get_ref(),
                    &parts,
                    part.span(),
                ));
            }
            Some(settings) => read_part(&known, settings, &mut configuration, &mut mistakes),
            None => {
                let message = format!("settings stand below a line `[{}]`", part.get_ref());
                mistakes.push(Mistake::new(message, settings.span()));
            }
        }
    }
    if mistakes.is_empty() { Ok(configuration) } else { Err(wrong(mistakes)) }
}

/// Reads the settings of a part, of which those are known.
fn read_part(known: &[&Setting], said: &DeTable<'_>, into: &mut Configuration, mistakes: &mut Vec<Mistake>) {
    for (key, value) in said {
        let name: &str = key.get_ref();
        let Some(setting) = known.iter().find(|one| one.key == name) else {
            let keys: Vec<&str> = known.iter().map(|one| one.key).collect();
            mistakes.push(Mistake::unknown("setting", name, &keys, key.span()));
            continue;
        };
        if (setting.take)(into, value.get_ref()).is_none() {
            mistakes.push(Mistake::new(format!("`{name}` wants {}", setting.wants), value.span()));
        }
    }
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
        std::fs::write(&path, "[learn]\nauto = true\n").unwrap();
        assert_eq!(read(&path).unwrap(), Configuration { learns: true, ..usual });
        std::fs::write(&path, "[session]\nprocesses-max = 0x10\n").unwrap();
        assert_eq!(read(&path).unwrap(), Configuration { processes_max: 16, ..usual });
    }

    /// Each mistake is told with its place and what to do.
    #[test]
    fn mistakes_are_told_with_their_places() {
        let text = "[retentoin]\n[retention]\nolder-then = \"90d\"\nmax-size = 4\n[recording]\nday-max = \"4X\"\n\
                    keep = 3\n[session]\nprocesses-max = -1\n";
        let told = [text.as_bytes(), b"session = 3\n", b"[retention]\nmax-si", b"[retention]\n# abc\xc3"]
            .map(|bytes| parse("config.toml", bytes).unwrap_err().render());
        insta::assert_snapshot!(told.join("\n"));
    }
}
