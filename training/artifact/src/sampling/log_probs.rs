//! Log-probabilities of the chosen token id and of the most likely ones.

use super::ranking::{Ranking, largest};

/// An id and the natural logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogProb {
    /// The id.
    pub id: u32,
    /// At most 0; minus infinity if the id is impossible.
    pub log_prob: f64,
}

/// Log-probabilities in the distribution that the model gave: the whole `softmax(logits)`, whatever
/// temperature, top-k or top-p an id was drawn with. Kept between rows, it does not allocate.
#[derive(Default)]
pub struct LogProbs {
    ranking: Ranking,
    top: Vec<LogProb>,
}

impl LogProbs {
    /// The log-probability of `chosen` in a row of `logits` of shape `[vocab_size]`, which must have
    /// it, and those of the `count` most likely ids, the most likely first and the smaller of equally
    /// likely ones.
    ///
    /// Logits without a finite maximum have no distribution: all log-probabilities are NaN.
    pub fn read(&mut self, logits: &[f32], chosen: u32, count: usize) -> (LogProb, &[LogProb]) {
        let max = f64::from(largest(logits));
        let shifted = |logit: f32| f64::from(logit) - max;
        // f64::max() makes 0 of NaN.
        let sum: f64 = logits.iter().map(|&logit| shifted(logit).exp().max(0.0)).sum();
        let log_sum = sum.ln();
        let log_prob = |id: u32| {
            let logit = logits[id as usize];
            let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit };
            LogProb { id, log_prob: shifted(logit) - log_sum }
        };
        self.ranking.select(logits, count);
        self.top.clear();
        self.top.extend(self.ranking.ids().iter().map(|&id| log_prob(id)));
        (log_prob(chosen), &self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// softmax([0, ln 2, -inf, ln 5, NaN]) = [1, 2, 0, 5, 0] / 8.
    #[test]
    fn are_those_of_the_softmax() {
        let logits = [0.0, 2f32.ln(), f32::NEG_INFINITY, 5f32.ln(), f32::NAN];
        let mut log_probs = LogProbs::default();
        let expected = |id: u32, probability: f64| LogProb { id, log_prob: probability.ln() };
        let close = |found: &LogProb, expected: LogProb| {
            assert_eq!(found.id, expected.id);
            assert!((found.log_prob - expected.log_prob).abs() < 1e-6, "{found:?} != {expected:?}");
        };
        let (chosen, top) = log_probs.read(&logits, 0, 2);
        close(&chosen, expected(0, 1.0 / 8.0));
        assert_eq!(top.len(), 2);
        close(&top[0], expected(3, 5.0 / 8.0));
        close(&top[1], expected(1, 2.0 / 8.0));

        // The next row takes nothing from this one; what is no number is impossible.
        let (chosen, top) = log_probs.read(&logits, 4, 0);
        assert_eq!((chosen.log_prob, top), (f64::NEG_INFINITY, &[][..]));
        let (_, top) = log_probs.read(&logits, 0, 9);
        assert_eq!(top.iter().map(|entry| entry.id).collect::<Vec<_>>(), [3, 1, 0, 2]);
        assert_eq!(top[3].log_prob, f64::NEG_INFINITY);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let mut log_probs = LogProbs::default();
        let (chosen, _) = log_probs.read(&[1000.0, 1000.0, -1000.0], 1, 1);
        assert!((chosen.log_prob - 0.5f64.ln()).abs() < 1e-12);
        assert!(LogProbs::default().read(&[f32::INFINITY, 0.0], 1, 0).0.log_prob.is_nan());
    }
}
