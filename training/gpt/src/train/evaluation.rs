//! Validation loss of a model in training: mean cross-entropy over a data set.

use std::f64::consts::LN_2;
use std::fmt;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::corpus::Dataset;
use crate::model::Gpt;

/// Losses at some step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens that these steps have trained on.
    pub tokens_seen: usize,
    /// Loss on training data, nats per token.
    pub train_loss: f64,
    /// Loss on validation data, nats per token.
    pub val_loss: f64,
    /// The same in bits per byte of its text; none in the records of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Training time so far.
    pub seconds: f64,
}

impl Evaluation {
    /// The validation loss, in nats per token and in bits per byte.
    pub fn described(&self) -> String {
        format!("{:.4}{}", self.val_loss, in_brackets(self.bits_per_byte))
    }
}

/// Loss of a model on a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean cross-entropy, nats per token.
    pub loss: f64,
    /// Tokens predicted.
    pub tokens: usize,
    /// Bytes of the text that these tokens stand for.
    pub bytes: usize,
}

impl Score {
    /// `exp(loss)`: the number of equally likely tokens that would have the same loss.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    /// The loss in bits per byte of the text, whatever its tokens are; none if they stand for no text.
    pub fn bits_per_byte(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.loss * self.tokens as f64 / (self.bytes as f64 * LN_2))
    }

    /// The loss, as if the text were in the tokens that `other`, a score on the same text, was counted in: the same
    /// number of bits per byte.
    pub fn in_tokens_of(&self, other: &Self) -> Self {
        let nats_per_byte = self.loss * self.tokens as f64 / self.bytes as f64;
        Self { loss: nats_per_byte * other.bytes as f64 / other.tokens as f64, ..*other }
    }
}

impl fmt::Display for Score {
    /// Such as `6.4732 (2.31 bits per byte)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}{}", self.loss, in_brackets(self.bits_per_byte()))
    }
}

/// Bits per byte, as they follow a loss in nats per token.
pub(super) fn in_brackets(bits_per_byte: Option<f64>) -> String {
    bits_per_byte.map_or_else(String::new, |bits| format!(" ({bits:.2} bits per byte)"))
}

/// The first evaluation with the lowest validation loss, after at least one step.
pub(super) fn lowest(evaluations: &[Evaluation]) -> Option<(usize, &Evaluation)> {
    let is_trained = |evaluation: &Evaluation| evaluation.step > 0 && evaluation.val_loss.is_finite();
    let trained = evaluations.iter().enumerate().filter(|(_, evaluation)| is_trained(evaluation));
    trained.min_by(|(_, a), (_, b)| a.val_loss.total_cmp(&b.val_loss))
}

/// Mean cross-entropy over `batches` batches of a data set: over all windows if there are no
/// more, else over windows at equal distances from all of it.
/// `model` must be in evaluation mode, so that dropout is off and nothing is recorded for gradients.
pub fn mean_loss(
    model: &Gpt,
    dataset: &Dataset,
    batch_size: usize,
    batches: usize,
    device: &Device,
) -> Score {
    let (mut total, mut tokens, mut bytes) = (0.0, 0, 0);
    for windows in spread(dataset.windows(), batch_size, batches) {
        let batch = dataset.batch(&windows, device);
        tokens += batch.n_targets();
        bytes += batch.target_bytes;
        // Weighted, since the last batch may be smaller.
        let count = batch.n_targets() as f64;
        total += f64::from(batch.loss(model).into_scalar::<f32>()) * count;
    }
    Score { loss: total / tokens as f64, tokens, bytes }
}

/// At most so many of `windows` windows as fill `batches` batches, at equal distances and in order.
pub fn spread(windows: usize, batch_size: usize, batches: usize) -> impl Iterator<Item = Vec<usize>> {
    let count = batch_size.saturating_mul(batches).min(windows);
    // In 128 bits: a corpus may have more windows than there are numbers when they are multiplied.
    let window = move |index: usize| (index as u128 * windows as u128 / count as u128) as usize;
    (0..count)
        .step_by(batch_size)
        .map(move |first| (first..count.min(first + batch_size)).map(window).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_reaches_into_the_whole_split() {
        let batches = |windows, batch_size, batches| spread(windows, batch_size, batches).collect::<Vec<_>>();
        // Three books of 100 windows each: one window of each.
        assert_eq!(batches(300, 1, 3), [[0], [100], [200]]);
        assert_eq!(batches(300, 2, 2), [[0, 75], [150, 225]]);
        // No more windows than asked for: all, in order, the last batch smaller.
        assert_eq!(batches(3, 2, 5), [vec![0, 1], vec![2]]);
        assert_eq!(batches(2, 2, 1), [[0, 1]]);
        assert_eq!(spread(usize::MAX, 1, 2).last(), Some(vec![usize::MAX / 2]));
    }

    /// A loss of 3 ln 2 nats, which is 3 bits, for each of 100 tokens: 0.75 bits for each of 400 bytes, and 3.75 bits for
    /// each of 80 tokens, if the text were in so many.
    #[test]
    fn bits_per_byte_do_not_depend_on_the_tokens() {
        let score = Score { loss: 3.0 * LN_2, tokens: 100, bytes: 400 };
        assert!((score.bits_per_byte().unwrap() - 0.75).abs() < 1e-12);
        let other = Score { loss: 1.0, tokens: 80, bytes: 400 };
        let same = score.in_tokens_of(&other);
        assert!((same.loss - 3.75 * LN_2).abs() < 1e-12 && same.tokens == 80);
        assert!((same.bits_per_byte().unwrap() - 0.75).abs() < 1e-12);
        assert_eq!(score.to_string(), "2.0794 (0.75 bits per byte)");
        let of_separators = Score { bytes: 0, ..score };
        assert_eq!((of_separators.bits_per_byte(), of_separators.to_string()), (None, "2.0794".to_owned()));
    }

    /// The sign of a NaN is the processor's choice.
    #[test]
    fn a_loss_that_is_no_number_is_never_the_lowest() {
        let evaluation = |step, val_loss| Evaluation {
            epoch: 1,
            step,
            tokens_seen: 0,
            train_loss: 1.0,
            val_loss,
            bits_per_byte: None,
            seconds: 0.0,
        };
        let evaluations = [(0, 1.0), (1, 3.0), (2, 2.0), (3, f64::NAN), (4, -f64::NAN)];
        let evaluations = evaluations.map(|(step, val_loss)| evaluation(step, val_loss));
        assert_eq!(lowest(&evaluations).unwrap().0, 2);
    }
}
