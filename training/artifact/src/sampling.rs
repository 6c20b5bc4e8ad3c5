//! From logits to the next token id: greedy, or by temperature and top-k.
//!
//! Fan et al., "Hierarchical Neural Story Generation" (2018) for top-k. Training (for its sample
//! texts) and serving use this one implementation.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// The most likely token; of equally likely ones, that with the smallest id.
    Greedy,
    /// A draw from `softmax(logits / temperature)`.
    Random {
        /// Above 0. Below 1 sharpens the distribution, above 1 flattens it.
        temperature: f32,
        /// Draw among the `top_k` most likely tokens only; `None` is all of them.
        top_k: Option<usize>,
    },
}

impl Sampling {
    /// The rule for a temperature, where 0 means greedy, and a `top_k`, where `None` means all.
    pub fn new(temperature: f32, top_k: Option<usize>) -> Self {
        if temperature == 0.0 { Self::Greedy } else { Self::Random { temperature, top_k } }
    }
}

/// A sampling rule and its random state: the same seed and logits give the same ids on every
/// machine.
pub struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    /// Ids that are still in the running, kept between calls to spare the allocation.
    candidates: Vec<u32>,
    /// Their unnormalised probabilities.
    weights: Vec<f64>,
}

impl Sampler {
    /// A sampler whose draws are fixed by `seed`.
    pub fn new(sampling: Sampling, seed: u64) -> Self {
        Self {
            sampling,
            random: ChaCha8Rng::seed_from_u64(seed),
            candidates: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Chooses the next token id from `logits` of shape `[vocab_size]`, which must not be empty.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        match self.sampling {
            Sampling::Greedy => argmax(logits),
            Sampling::Random { temperature, top_k } => self.draw(logits, temperature, top_k),
        }
    }

    fn draw(&mut self, logits: &[f32], temperature: f32, top_k: Option<usize>) -> u32 {
        self.candidates.clear();
        self.candidates.extend(0..logits.len() as u32);
        let by_logit_then_id =
            |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if let Some(k) = top_k
            && (1..logits.len()).contains(&k)
        {
            self.candidates.select_nth_unstable_by(k - 1, by_logit_then_id);
            self.candidates.truncate(k);
            // The order after a selection is unspecified; sorting these few makes draws portable.
            self.candidates.sort_unstable_by(by_logit_then_id);
        }
        // Subtracting the maximum keeps exp() finite at any temperature.
        let max = self.candidates.iter().map(|&id| logits[id as usize]).fold(f32::NEG_INFINITY, f32::max);
        self.weights.clear();
        self.weights.extend(
            self.candidates.iter().map(|&id| f64::from((logits[id as usize] - max) / temperature).exp()),
        );
        let total: f64 = self.weights.iter().sum();
        let mut remaining = self.random.random::<f64>() * total;
        for (&id, &weight) in self.candidates.iter().zip(&self.weights) {
            remaining -= weight;
            if remaining < 0.0 {
                return id;
            }
        }
        // Only rounding leads here, or logits that are no numbers.
        argmax(logits)
    }
}

/// Index of the largest value; of equal ones, the first.
fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: Sampling, seed: u64, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, seed);
        (0..count).map(|_| sampler.sample(logits)).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        assert_eq!(draws(Sampling::new(0.0, Some(2)), 1, &[0.5, 2.0, -1.0, 2.0], 3), [1, 1, 1]);
    }

    #[test]
    fn top_k_draws_only_the_k_most_likely() {
        let logits = [1.0, 5.0, 3.0, 4.0, 2.0];
        let ids = draws(Sampling::new(10.0, Some(2)), 7, &logits, 2000);
        assert!(ids.contains(&1) && ids.contains(&3));
        assert!(ids.iter().all(|id| [1, 3].contains(id)));
        assert!(draws(Sampling::new(10.0, Some(1)), 7, &logits, 50).iter().all(|&id| id == 1));
    }

    /// softmax([0, ln 2, ln 3, -inf] / T): at T = 1 it is [1, 2, 3, 0] / 6; at T = 0.5 the weights
    /// square to [1, 4, 9, 0] / 14.
    #[test]
    fn frequencies_follow_the_tempered_softmax() {
        let logits = [0.0, 2f32.ln(), 3f32.ln(), f32::NEG_INFINITY];
        for (temperature, expected) in
            [(1.0, [1.0 / 6.0, 2.0 / 6.0, 0.5]), (0.5, [1.0 / 14.0, 4.0 / 14.0, 9.0 / 14.0])]
        {
            let count = 60_000;
            let ids = draws(Sampling::new(temperature, None), 3, &logits, count);
            for (id, probability) in expected.iter().enumerate() {
                let frequency = ids.iter().filter(|&&i| i as usize == id).count() as f64 / count as f64;
                // Five standard deviations of a binomial frequency.
                let tolerance = 5.0 * (probability * (1.0 - probability) / count as f64).sqrt();
                assert!((frequency - probability).abs() < tolerance, "{id}: {frequency} != {probability}");
            }
            assert!(!ids.contains(&3));
        }
    }

    #[test]
    fn the_seed_fixes_the_draws() {
        let logits: Vec<f32> = (0..100).map(|i| (i % 7) as f32 * 0.1).collect();
        let sampling = Sampling::new(0.7, Some(50));
        assert_eq!(draws(sampling, 5, &logits, 40), draws(sampling, 5, &logits, 40));
        assert_ne!(draws(sampling, 5, &logits, 40), draws(sampling, 6, &logits, 40));
    }

    #[test]
    fn extreme_temperatures_stay_finite() {
        let logits = [1e30, -1e30, 0.0];
        assert_eq!(draws(Sampling::new(1e-30, None), 1, &logits, 10), [0; 10]);
        assert!(draws(Sampling::new(f32::MAX, None), 1, &logits, 100).iter().any(|&id| id != 0));
    }
}
