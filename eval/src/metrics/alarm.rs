//! Alarms out of a running p-value: merged with hysteresis, so that a score that trembles about a threshold is one alarm.
//!
//! An alarm opens where p falls to `open` or below, goes on while p is at most ten times that, and ends once p was above
//! for a stretch of actions. In a session with an attack, an alarm that opens before the onset is a false one, also if it
//! is still open at the onset.

/// Actions above the closing threshold that end an alarm: a calibration block.
pub const QUIET_ACTIONS: u64 = 32;

/// The closing threshold, as a multiple of the opening one.
pub const CLOSE: f64 = 10.0;

/// The score at one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Events up to and with it.
    pub event: u64,
    /// Actions up to and with it.
    pub action: u64,
    /// The p-value.
    pub p: f64,
}

/// One alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Where it opened.
    pub opened: Point,
    /// Where it was last at most ten times the threshold.
    pub last: Point,
    /// The lowest p in it.
    pub lowest: f64,
}

/// The alarms of a session at a threshold, in time order.
pub fn alarms(points: &[Point], open: f64) -> Vec<Alarm> {
    let close = (open * CLOSE).min(1.0);
    let mut alarms: Vec<Alarm> = Vec::new();
    let mut current: Option<Alarm> = None;
    for &point in points {
        if current.is_some_and(|alarm| point.action > alarm.last.action + QUIET_ACTIONS) {
            alarms.extend(current.take());
        }
        match &mut current {
            Some(alarm) if point.p <= close => {
                alarm.last = point;
                alarm.lowest = alarm.lowest.min(point.p);
            }
            None if point.p <= open => current = Some(Alarm { opened: point, last: point, lowest: point.p }),
            _ => {}
        }
    }
    alarms.extend(current);
    alarms
}

/// The alarms that count against clean work, and the one that found the attack, if any did.
pub fn judge(alarms: &[Alarm], onset_ns: Option<u64>) -> (usize, Option<Alarm>) {
    match onset_ns {
        None => (alarms.len(), None),
        Some(onset) => {
            let early = alarms.iter().filter(|alarm| alarm.opened.time_ns < onset).count();
            (early, alarms.get(early).copied())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(p: &[(u64, f64)]) -> Vec<Point> {
        p.iter().map(|&(action, p)| Point { time_ns: action * 10, event: action * 3, action, p }).collect()
    }

    #[test]
    fn a_trembling_score_is_one_alarm_and_a_quiet_stretch_ends_it() {
        let points =
            points(&[(1, 0.5), (2, 0.01), (3, 0.09), (4, 0.2), (5, 0.008), (36, 0.5), (38, 0.5), (40, 0.01)]);
        let alarms = alarms(&points, 0.01);
        assert_eq!(alarms.len(), 2);
        assert_eq!((alarms[0].opened.action, alarms[0].last.action, alarms[0].lowest), (2, 5, 0.008));
        assert_eq!(alarms[1].opened.action, 40);
    }

    #[test]
    fn an_alarm_before_the_onset_is_false_even_if_it_is_open_then() {
        let points = points(&[(1, 0.001), (2, 0.05), (3, 0.001), (90, 0.001)]);
        let alarms = alarms(&points, 0.01);
        let (early, found) = judge(&alarms, Some(20));
        assert_eq!((early, found.map(|alarm| alarm.opened.action)), (1, Some(90)));
        assert_eq!(judge(&alarms, Some(5)).0, 0);
        assert_eq!(judge(&alarms, None), (2, None));
    }
}
