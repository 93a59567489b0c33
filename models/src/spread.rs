//! How far clean values lie apart, from few of them.
//!
//! Peaks over threshold (Pickands 1975; Balkema and de Haan 1974): what exceeds the median of clean maxima is about
//! exponential. With a dozen of them its mean is uncertain, so that it counts as the upper end of its 90 % interval,
//! `2 k mean / chi2(2k)`.

/// The median of some values. `ascending` is sorted.
pub(crate) fn median(ascending: &[f64]) -> Option<f64> {
    ascending.get(ascending.len() / 2).copied()
}

/// The spread past the median, which is at least `least`. `ascending` is sorted.
pub(crate) fn spread(ascending: &[f64], least: f64) -> f64 {
    let half = ascending.len() / 2;
    let Some(usual) = median(ascending) else { return least };
    let peaks = ascending.len() - half - 1;
    let excess: f64 = ascending.iter().skip(half).map(|value| value - usual).sum();
    let upper = if peaks > 0 { 2.0 * excess / chi2_tenth(2.0 * peaks as f64) } else { 0.0 };
    upper.max(least)
}

/// The lower tenth of a chi-squared distribution, by the cube-root approximation of Wilson and Hilferty 1931: within
/// 2 % from four degrees of freedom.
fn chi2_tenth(degrees: f64) -> f64 {
    const Z: f64 = -1.2816;
    let part = 2.0 / (9.0 * degrees);
    degrees * (1.0 - part + Z * part.sqrt()).powi(3).max(0.01)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_tables() {
        for (degrees, expected) in [(2.0, 0.211), (4.0, 1.064), (10.0, 4.865), (12.0, 6.304), (30.0, 20.599)]
        {
            assert!(
                (chi2_tenth(degrees) / expected - 1.0).abs() < 0.08,
                "{degrees}: {}",
                chi2_tenth(degrees)
            );
        }
    }

    #[test]
    fn it_is_the_mean_past_the_median_at_the_upper_end_of_its_interval() {
        // Past 3 there are 1 and 2: two peaks, and chi2(4) = 1.064.
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let upper = spread(&values, 0.1);
        assert!(median(&values) == Some(3.0) && (upper - 2.0 * 3.0 / 1.064).abs() < 0.1, "{upper}");
        assert_eq!((median(&[7.0; 3]), spread(&[7.0; 3], 0.5)), (Some(7.0), 0.5));
        assert_eq!((median(&[]), spread(&[], 0.5), spread(&[2.0], 0.5)), (None, 0.5, 0.5));
    }
}
