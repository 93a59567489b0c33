//! Tables and numbers for people.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use text::{count, thousands};

/// Columns below which a table is not squeezed to fit.
const NARROWEST: u16 = 40;

/// A table with a head and no lines.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    // A terminal that does not know its width, as a serial console, says 0: the table keeps its own then.
    if table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// A table without the blanks that its columns are filled up with.
pub fn plain(table: &Table) -> String {
    table.trim_fmt().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A wall clock time, ns since 1970, in the local time zone.
pub fn time(unix_ns: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(unix_ns)) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// A duration, ns.
pub fn duration(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
        s => format!("{:.0} h {:02.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

/// How often a baseline of so many sessions will raise a false alarm, as far as they say: `p` is the smallest rate that
/// they prove.
pub fn false_alarms(sessions: usize, p: f64) -> String {
    const ENOUGH: usize = 12;
    if sessions < ENOUGH || !(0.0..0.5).contains(&p) || p == 0.0 {
        let sessions = count(sessions as u64, "session");
        return format!(
            "{sessions} are too few to say how often this will raise a false alarm: record at least {ENOUGH}"
        );
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded down, and more than 2 as `p` is below a half"
    )]
    let proved = thousands((1.0 / p).floor() as u64);
    format!(
        "they prove that at most 1 session in {proved} raises a false alarm; anything rarer is extrapolated, and never kills"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_sessions_say_nothing_of_false_alarms() {
        let few = "5 sessions are too few to say how often this will raise a false alarm: record at least 12";
        assert_eq!(false_alarms(5, 1.0), few);
        assert!(false_alarms(13, 1.0).contains("too few"));
        assert!(false_alarms(40, 0.0125).contains("at most 1 session in 80"));
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(duration(1_500_000_000), "1.5 s");
        assert_eq!(duration(61_000_000_000), "1 min 01 s");
        assert_eq!(duration(3_720_000_000_000), "1 h 02 min");
    }
}
