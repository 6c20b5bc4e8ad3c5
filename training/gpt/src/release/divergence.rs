//! Kullback-Leibler divergence of two next-token distributions, from their logits.
//!
//! In double precision, since divergences are far below the resolution of float32. Evaluation spends its time in these
//! loops, so they are written such that the compiler can vectorize them.

use std::f64::consts::LOG2_E;

/// Numbers that are added side by side.
const LANES: usize = 8;

/// The distribution of a model at one position: `p[i] = weights[i] / sum`.
pub struct Distribution<'a> {
    logits: &'a [f32],
    /// `exp(logits[i] - max)`
    weights: &'a [f64],
    max: f32,
    sum: f64,
    /// The likeliest token, the last of several.
    top_1: usize,
}

/// Distance of another distribution from it.
#[derive(Clone, Copy, Debug)]
pub struct Distance {
    /// The other's cross-entropy: minus the logarithm of the probability of the token that follows.
    pub loss: f64,
    /// The sum of `p ln(p / q)`, where q is the other.
    pub kl_divergence: f64,
    /// Whether no token is likelier in the other than the likeliest of this one.
    pub agrees: bool,
    /// Largest absolute difference between two logits.
    pub largest_logit_difference: f32,
}

impl<'a> Distribution<'a> {
    /// The distribution of a row of logits; `weights` is as long, and what is in it is replaced.
    pub fn new(logits: &'a [f32], weights: &'a mut [f64]) -> Self {
        let max = fold(logits, f32::NEG_INFINITY, f32::max);
        for (weight, logit) in weights.iter_mut().zip(logits) {
            *weight = exp(f64::from(logit - max));
        }
        let sum = fold(weights, 0.0, |sum, weight| sum + weight);
        let top_1 = logits.iter().rposition(|&logit| logit == max).unwrap_or_default();
        Self { logits, weights, max, sum, top_1 }
    }

    /// Cross-entropy: minus the logarithm of the probability of `target`.
    pub fn loss(&self, target: usize) -> f64 {
        self.sum.ln() - f64::from(self.logits[target] - self.max)
    }

    /// The distance of the distribution of other logits from this one, where `target` is the token that follows.
    pub fn distance(&self, other: &[f32], target: usize) -> Distance {
        let other_max = fold(other, f32::NEG_INFINITY, f32::max);
        let mut lanes = Lanes::default();
        let (weights, weights_rest) = self.weights.as_chunks::<LANES>();
        let (logits, logits_rest) = self.logits.as_chunks::<LANES>();
        let (others, others_rest) = other.as_chunks::<LANES>();
        for ((weights, logits), others) in weights.iter().zip(logits).zip(others) {
            lanes.add(weights, logits, others, self.max, other_max);
        }
        lanes.add(weights_rest, logits_rest, others_rest, self.max, other_max);
        let sum: f64 = lanes.sum.iter().sum();
        let difference: f64 = lanes.difference.iter().sum();
        Distance {
            loss: sum.ln() - f64::from(other[target] - other_max),
            kl_divergence: difference / self.sum + (sum / self.sum).ln(),
            agrees: other[self.top_1] == other_max,
            largest_logit_difference: lanes.largest.into_iter().fold(0.0, f32::max),
        }
    }
}

/// Sums over the tokens of two distributions.
#[derive(Default)]
struct Lanes {
    /// `exp` of the other's logits, less their maximum.
    sum: [f64; LANES],
    /// Weights times the difference between the logits, each less their maximum.
    difference: [f64; LANES],
    largest: [f32; LANES],
}

impl Lanes {
    /// Adds at most [`LANES`] tokens.
    #[inline(always)]
    fn add(&mut self, weights: &[f64], logits: &[f32], others: &[f32], max: f32, other_max: f32) {
        for (lane, ((weight, logit), other)) in weights.iter().zip(logits).zip(others).enumerate() {
            let below = f64::from(other - other_max);
            self.sum[lane] += exp(below);
            self.difference[lane] += weight * (f64::from(logit - max) - below);
            self.largest[lane] = self.largest[lane].max((logit - other).abs());
        }
    }
}

/// Folds numbers in lanes, and the lanes at last.
fn fold<T: Copy>(numbers: &[T], start: T, add: impl Fn(T, T) -> T) -> T {
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, number)| *lane = add(*lane, *number));
    }
    lanes.iter().chain(rest).fold(start, |sum, number| add(sum, *number))
}

/// The exponential of a number that is not positive, to 14 digits; below -700, where it is nothing beside 1, that of
/// -700. Unlike the standard library's it is no call, so loops with it can be vectorized.
///
/// `exp(x) = 2^k exp(r)` with `r = x - k ln 2`, at most `ln 2 / 2` either way, and Taylor's series for `exp(r)`.
#[inline(always)]
fn exp(x: f64) -> f64 {
    /// Added to a number, it leaves the nearest integer in the lowest bits.
    const ROUND: f64 = 1.5 * (1_u64 << 52) as f64;
    /// ln 2 in two parts, so that the product of the first with k is exact (as in fdlibm).
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    /// 1 / n! from n = 11 to 0
    const COEFFICIENTS: [f64; 12] = [
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    // Not `max`, which would make a number of NaN.
    let x = if x < -700.0 { -700.0 } else { x };
    let rounded = x * LOG2_E + ROUND;
    let k = rounded - ROUND;
    let r = x - k * LN_2[0] - k * LN_2[1];
    let power = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    // k is added to the exponent of 1.
    power * f64::from_bits((rounded.to_bits() << 52).wrapping_add(1_f64.to_bits()))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn distance(logits: &[f32], other: &[f32], target: usize) -> Distance {
        Distribution::new(logits, &mut vec![f64::NAN; logits.len()]).distance(other, target)
    }

    /// Expected [1/2, 1/2], found [1/4, 3/4]: KL = (ln 2 + ln 2/3) / 2, and -ln 3/4 for target 1.
    #[test]
    fn divergence_and_loss_follow_their_formulas() {
        let found = distance(&[0.0, 0.0], &[0.0, 3f32.ln()], 1);
        assert!((found.kl_divergence - (2f64.ln() + (2.0 / 3.0f64).ln()) / 2.0).abs() < 1e-6, "{found:?}");
        assert!((found.loss + 0.75f64.ln()).abs() < 1e-6, "{found:?}");
        assert!(found.agrees && found.largest_logit_difference == 3f32.ln(), "{found:?}");
        // All but impossible, which costs 1e4 nats with the probability 1 / (1 + e^5).
        let found = distance(&[0.0, 5.0], &[0.0, 1e4], 1);
        assert!((found.kl_divergence - 66.86).abs() < 0.1 && found.agrees, "{found:?}");
        assert!(!distance(&[1.0, 0.0], &[0.0, 1.0], 0).agrees);
        assert!(distance(&[1.0, 0.0], &[0.0, f32::NAN], 0).loss.is_nan());
    }

    /// Reference: the definitions in double precision, with the standard library's functions, of logits less their
    /// maximum, whose rounding is no more than that of the logits.
    #[test]
    fn long_rows_are_summed_to_nine_digits() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let log_softmax = |logits: &[f32]| -> Vec<f64> {
            let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
            logits.iter().map(|logit| f64::from(logit - max) - sum.ln()).collect()
        };
        for (length, noise) in [(1, 0.1), (7, 0.1), (8, 0.1), (4_099, 1e-2), (4_099, 1.0)] {
            let logits: Vec<f32> = (0..length).map(|_| random.random_range(-30.0..9.0)).collect();
            let other: Vec<f32> =
                logits.iter().map(|logit| logit + random.random_range(0.0..noise)).collect();
            let (p, q) = (log_softmax(&logits), log_softmax(&other));
            let divergence: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
            let found = distance(&logits, &other, length / 2);
            let close = |found: f64, expected: f64| (found - expected).abs() <= 1e-9 * expected + 1e-14;
            assert!(close(found.kl_divergence, divergence), "{length} {noise}: {found:?} {divergence:e}");
            assert!(close(found.loss, -q[length / 2]), "{length} {noise}: {found:?}");
            let mut weights = vec![0.0; length];
            let own = Distribution::new(&logits, &mut weights).loss(length / 2);
            assert!(close(own, -p[length / 2]), "{length} {noise}: {own}");
        }
    }

    #[test]
    fn exp_is_the_exponential() {
        for index in 0..=70_000 {
            let x = f64::from(index) * -1e-2;
            assert!((exp(x) / x.exp() - 1.0).abs() < 2e-14, "exp({x}) = {:e}", exp(x));
        }
        assert!(exp(f64::NEG_INFINITY) < 1e-300 && exp(f64::NAN).is_nan());
    }
}
