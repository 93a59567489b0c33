//! Figures as people read them.

use crate::metrics::proportion::{Difference, Proportion};
use crate::result::{EvalResult, Mimicry};
use statistics::bootstrap::Interval;
use text::count;

/// The arm that is the score alone.
pub const SCORE_ALONE: &str = "T2 alone: the score";
/// What stands before the name of the channel that an arm leaves out.
pub const WITHOUT: &str = "T2 without ";
/// What stands behind the name of the only channel that an arm has.
pub const ALONE: &str = " alone";

/// A share in percent, with as many digits as it can bear; `-` for none.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "–".to_owned(),
        Some(share) if share == 0.0 || share == 1.0 => format!("{:.0} %", share * 100.0),
        Some(share) => format!("{:.1} %", share * 100.0),
    }
}

/// So many of so many.
pub fn of(proportion: Proportion) -> String {
    if proportion.of == 0 { "–".to_owned() } else { format!("{} of {}", proportion.hits, proportion.of) }
}

/// An interval of a share.
pub fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |interval| {
        format!("{:.0}–{:.0} %", interval.low * 100.0, interval.high * 100.0)
    })
}

/// A difference of shares in points of percent, with its interval.
pub fn points(difference: Option<Difference>) -> String {
    difference.map_or_else(
        || "–".to_owned(),
        |Difference { share, interval }| {
            let [share, low, high] = [share, interval.low, interval.high].map(|value| value * 100.0);
            format!("{share:+.1} points (95 %: {low:+.1} to {high:+.1})")
        },
    )
}

/// What padding an attack is worth to the attacker, in one sentence.
pub fn padding(mimicry: &Mimicry) -> String {
    format!(
        "Padded against immediate: replayed, detected before harm {}; live, prevented or noticed before harm {}.",
        points(mimicry.replayed),
        points(mimicry.live)
    )
}

/// A number between 0 and 1 with three digits.
pub fn three(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// An interval with three digits.
pub fn three_range(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |interval| format!("{:.3}–{:.3}", interval.low, interval.high))
}

/// A duration in ms.
pub fn ms(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 0.1 => format!("{:.0} µs", ms * 1000.0),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
    }
}

/// A p-value.
pub fn p(p: f64) -> String {
    match p {
        p if p >= 0.1 => format!("{p:.2}"),
        p if p >= 0.001 => format!("{p:.3}"),
        p => format!("{p:.1e}"),
    }
}

/// Names as a sentence has them.
pub fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// What became of the recorded clean sessions of a baseline, on average: the largest row of a learning curve is those that
/// taught.
pub fn taught(result: &EvalResult) -> String {
    let (basis, baselines) = (&result.basis, result.baselines.len().max(1) as f64);
    let each = |sessions: u64| (sessions as f64 / baselines).round();
    let all = each(basis.train + basis.calibrate + basis.clean);
    format!(
        "of {all} recorded ones {} may teach, {} calibrate, {} are held out",
        each(basis.train),
        each(basis.calibrate),
        each(basis.clean)
    )
}

/// One sentence that may be quoted: what was stopped, and what it cost.
pub fn headline(result: &EvalResult) -> String {
    let live = &result.live;
    let attacks = live.attacks;
    if attacks.told() == 0 {
        return match result.offline.told() {
            0 => "No attack was evaluated.".to_owned(),
            told => format!(
                "Of {}, the replay noticed {} before harm was done and missed {}. Nothing ran live.",
                count(told, "recorded attack"),
                result.offline.prevented + result.offline.detected_before,
                result.offline.missed
            ),
        };
    }
    let cost = match (live.clean_denied.hits, live.clean_denied.of) {
        (_, 0) => "No clean session ran live beside them.".to_owned(),
        (0, of) => format!("None of {} was denied anything.", count(of, "clean session")),
        (hits, of) => format!("{hits} of {} were denied something.", count(of, "clean session")),
    };
    format!(
        "{}: {} prevented, {} noticed before harm was done, {} noticed too late, {} missed. {cost}",
        count(attacks.told(), "live attack"),
        attacks.prevented,
        attacks.detected_before,
        attacks.detected_after,
        attacks.missed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!([percent(Some(1.0)), percent(Some(0.125)), percent(None)], ["100 %", "12.5 %", "–"]);
        assert_eq!([ms(Some(3.21)), ms(Some(250.4)), ms(Some(12_340.0))], ["3.2 ms", "250 ms", "12.3 s"]);
        assert_eq!(ms(Some(0.0399)), "40 µs");
        assert_eq!([p(0.25), p(0.0123), p(2e-6)], ["0.25", "0.012", "2.0e-6"]);
        assert_eq!(of(Proportion { hits: 1, of: 3 }), "1 of 3");
        let interval = Interval { low: -0.125, high: 0.031 };
        assert_eq!(points(Some(Difference { share: -0.05, interval })), "-5.0 points (95 %: -12.5 to +3.1)");
        assert_eq!([list(&[]), list(&["a"]), list(&["a", "b", "c"])], ["", "a", "a, b and c"]);
    }
}
