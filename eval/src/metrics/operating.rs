//! Detection at a budget of false alarms per agent-hour.
//!
//! An operating point is a threshold on the running p-value. The false alarms are those of clean sessions and those before
//! an onset, merged with hysteresis (see [`super::alarm`]), over the hours of clean work; the threshold is the highest one
//! that keeps within the budget. A budget below one alarm in all the hours that there are is only met by none: the true
//! rate may then be as high as 3 / hours (Hanley and Lippman-Hand 1983), and that is said.

use super::alarm::{Alarm, Point, alarms, judge};
use super::proportion::Proportion;
use serde::{Deserialize, Serialize};

/// One session's running score.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The score at every event that changed it.
    pub points: Vec<Point>,
    /// When it began and ended, ns.
    pub span_ns: (u64, u64),
    /// When the attack began; `None` for clean work.
    pub onset_ns: Option<u64>,
    /// It has an attack in it.
    pub attack: bool,
}

impl Track {
    /// Hours of clean work in it.
    pub fn clean_hours(&self) -> f64 {
        let end = if self.attack { self.onset_ns.unwrap_or(self.span_ns.0) } else { self.span_ns.1 };
        end.saturating_sub(self.span_ns.0) as f64 / 3.6e12
    }

    /// Its false alarms at a threshold, and the alarm that found the attack.
    pub fn judged(&self, threshold: f64) -> (usize, Option<Alarm>) {
        judge(&alarms(&self.points, threshold), self.onset_ns.filter(|_| self.attack))
    }

    /// The lowest p that counts: of all of a clean session, and of what comes after the onset of an attack.
    pub fn lowest(&self) -> f64 {
        let from = if self.attack { self.onset_ns.unwrap_or(u64::MAX) } else { 0 };
        self.points.iter().filter(|point| point.time_ns >= from).fold(1.0, |least, point| point.p.min(least))
    }
}

/// What comes of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operating {
    /// False alarms per agent-hour that were allowed.
    pub budget: f64,
    /// The threshold on p.
    pub threshold: f64,
    /// False alarms.
    pub false_alarms: u64,
    /// Hours of clean work.
    pub hours: f64,
    /// False alarms per agent-hour, realised.
    pub rate: f64,
    /// The smallest rate above none that these hours can show.
    pub resolution: f64,
    /// With none seen, the rate may be this high (95 %).
    pub at_most: f64,
    /// Attacks found.
    pub detected: Proportion,
}

/// What comes of a threshold.
pub fn at(tracks: &[&Track], threshold: f64, budget: f64) -> Operating {
    let hours: f64 = tracks.iter().map(|track| track.clean_hours()).sum();
    let (mut false_alarms, mut detected) = (0, Proportion::default());
    for track in tracks {
        let (early, found) = track.judged(threshold);
        false_alarms += early as u64;
        if track.attack {
            detected.of += 1;
            detected.hits += u64::from(found.is_some());
        }
    }
    let per_hour = |count: f64| if hours > 0.0 { count / hours } else { 0.0 };
    Operating {
        budget,
        threshold,
        false_alarms,
        hours,
        rate: per_hour(false_alarms as f64),
        resolution: per_hour(1.0),
        at_most: per_hour(if false_alarms == 0 { 3.0 } else { false_alarms as f64 }),
        detected,
    }
}

/// Thresholds that are tried: every distinct p of clean work, thinned, and just below the lowest of them.
fn thresholds(tracks: &[&Track]) -> Vec<f64> {
    let early = |track: &Track, point: &Point| {
        !track.attack || track.onset_ns.is_none_or(|onset| point.time_ns < onset)
    };
    let mut all: Vec<f64> = tracks
        .iter()
        .flat_map(|track| track.points.iter().filter(|point| early(track, point)).map(|point| point.p))
        .filter(|p| *p < 0.5)
        .collect();
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    let lowest = all.first().copied().unwrap_or(0.5);
    let mut tried = vec![lowest / 2.0, lowest * (1.0 - 1e-9)];
    // What is less than two in a thousand apart is the same.
    let mut last = 0.0;
    for p in all {
        if p > last * 1.002 {
            last = p;
            tried.push(p);
        }
    }
    tried
}

/// The highest threshold that keeps within the budget.
pub fn within(tracks: &[&Track], budget: f64) -> Operating {
    let mut best = at(tracks, 0.0, budget);
    for threshold in thresholds(tracks) {
        let tried = at(tracks, threshold, budget);
        // The rate is not monotonic: a higher threshold can merge two alarms into one. The first step over ends it.
        if tried.rate > budget {
            break;
        }
        best = tried;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn track(attack: bool, onset_ns: Option<u64>, p: &[(u64, f64)]) -> Track {
        let point = |&(at, p): &(u64, f64)| Point { time_ns: at * HOUR_NS / 100, event: at, action: at, p };
        Track { points: p.iter().map(point).collect(), span_ns: (0, HOUR_NS), onset_ns, attack }
    }

    #[test]
    fn the_budget_buys_the_highest_threshold_that_keeps_within_it() {
        let clean = track(false, None, &[(1, 0.3), (50, 0.02), (99, 0.3)]);
        let other = track(false, None, &[(1, 0.4), (50, 0.2)]);
        let easy = track(true, Some(HOUR_NS / 2), &[(1, 0.4), (60, 0.001)]);
        let hard = track(true, Some(HOUR_NS / 2), &[(1, 0.4), (60, 0.1)]);
        let tracks = [&clean, &other, &easy, &hard];
        // 3 hours of clean work: two sessions, and two halves before an onset.
        let none = within(&tracks, 0.1);
        assert_eq!((none.false_alarms, none.detected, none.hours), (0, Proportion { hits: 1, of: 2 }, 3.0));
        assert!(none.threshold < 0.02 && (none.at_most - 1.0).abs() < 1e-12);
        let one = within(&tracks, 0.34);
        assert_eq!((one.false_alarms, one.detected), (1, Proportion { hits: 1, of: 2 }));
        let two = within(&tracks, 0.67);
        assert_eq!((two.false_alarms, two.detected), (2, Proportion { hits: 2, of: 2 }));
        assert!((two.threshold - 0.2).abs() < 1e-12);
    }

    #[test]
    fn what_counts_of_an_attack_begins_at_its_onset() {
        let early = track(true, Some(HOUR_NS / 2), &[(1, 1e-6), (60, 0.4)]);
        assert_eq!(early.lowest(), 0.4);
        assert_eq!(early.judged(0.01), (1, None));
    }
}
