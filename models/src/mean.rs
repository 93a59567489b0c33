//! A running mean that forgets.

/// A mean in which what came a half-life ago counts half as much as what comes now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: f64,
    /// Of what there was: one after many half-lives.
    weight: f64,
}

/// From so much weight on it is a mean: half a half-life has 0.29. Before that it rises from zero.
const WEIGHT_MIN: f64 = 0.29;

impl Mean {
    /// Takes in a value; returns the mean.
    pub fn push(&mut self, value: f64, half_life: f64) -> f64 {
        let keep = (-1.0 / half_life).exp2();
        self.sum = self.sum * keep + value * (1.0 - keep);
        self.weight = self.weight * keep + (1.0 - keep);
        self.sum / self.weight.max(WEIGHT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_from_half_a_half_life_on_and_one_value_is_none() {
        let mut mean = Mean::default();
        let first = mean.push(16.0, 64.0);
        assert!(first < 1.0, "{first}");
        let mut last = first;
        for _ in 1..32 {
            let next = mean.push(16.0, 64.0);
            assert!(next > last && next <= 16.0);
            last = next;
        }
        assert!(last > 15.9, "{last}");
        for _ in 0..64 {
            last = mean.push(0.0, 64.0);
        }
        // What was there before: 32 values of 16, each worth half of what the 64 zeros after it are.
        let old = (1.0 - (-0.5f64).exp2()) / 2.0;
        assert!((last - 16.0 * old / (old + 0.5)).abs() < 1e-9, "{last}");
    }
}
