//! A day of the calendar, in UTC.

use std::fmt;

/// A day, as `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Days since 1970-01-01.
    since_epoch: u32,
}

const SECONDS: u64 = 86_400;
/// Days of 400 years, after which the calendar is the same again.
const CYCLE: u32 = 146_097;
/// From 1600-03-01 to 1970-01-01.
const EPOCH: u32 = 135_080;

impl Day {
    /// The one that it is so many seconds after 1970 began.
    pub fn at(seconds: u64) -> Self {
        Self { since_epoch: u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX) }
    }

    /// The day that a text names, from 1970 to 9999.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| -> Option<u32> {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        // Years that begin with March have their odd day at the end.
        let (years, months) = if month > 2 { (year - 1600, month - 3) } else { (year - 1601, month + 9) };
        let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1;
        let found = Self { since_epoch: days - EPOCH };
        // The thirtieth of February is another day.
        (found.to_string() == text).then_some(found)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = u64::from(self.since_epoch) + u64::from(EPOCH);
        let (cycles, days) = (days / u64::from(CYCLE), days % u64::from(CYCLE));
        let years = (days - days / 1460 + days / 36_524 - days / 146_096) / 365;
        let of_year = days - (365 * years + years / 4 - years / 100);
        let months = (5 * of_year + 2) / 153;
        let day = of_year - (153 * months + 2) / 5 + 1;
        let month = if months < 10 { months + 3 } else { months - 9 };
        let year = 1600 + cycles * 400 + years + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        for (text, since_epoch) in [
            ("1970-01-01", 0),
            ("1970-03-01", 59),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
            ("2100-03-01", 47_541),
        ] {
            assert_eq!(Day::read(text), Some(Day { since_epoch }), "{text}");
        }
        for text in [
            "",
            "2027",
            "2027-1-1",
            "2027-13-01",
            "2027-02-29",
            "2100-02-29",
            "1969-12-31",
            "2027-01-00",
            "2027-01-01-",
            "+027-01-01",
        ] {
            assert_eq!(Day::read(text), None, "{text}");
        }
        assert!(Day::read("2026-12-31") < Day::read("2027-01-01"));
    }

    proptest! {
        #[test]
        fn a_day_is_read_as_it_is_said(since_epoch in 0_u32..2_932_896) {
            let day = Day { since_epoch };
            prop_assert_eq!(Day::read(&day.to_string()), Some(day));
        }
    }
}
