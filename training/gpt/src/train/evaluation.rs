//! Validation loss of a model in training: mean cross-entropy over a data set.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::corpus::Dataset;
use crate::model::{Gpt, cross_entropy};

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
    /// Training time so far.
    pub seconds: f64,
}

/// The first evaluation with the lowest validation loss, after at least one step.
pub(super) fn lowest(evaluations: &[Evaluation]) -> Option<(usize, &Evaluation)> {
    let is_trained = |evaluation: &Evaluation| evaluation.step > 0 && evaluation.val_loss.is_finite();
    let trained = evaluations.iter().enumerate().filter(|(_, evaluation)| is_trained(evaluation));
    trained.min_by(|(_, a), (_, b)| a.val_loss.total_cmp(&b.val_loss))
}

/// Mean cross-entropy, in nats per token, over `batches` batches of a data set: over all windows if there are no
/// more, else over windows at equal distances from all of it.
/// `model` must be in evaluation mode, so that dropout is off and nothing is recorded for gradients.
pub fn mean_loss(model: &Gpt, dataset: &Dataset, batch_size: usize, batches: usize, device: &Device) -> f64 {
    let (mut total, mut tokens) = (0.0, 0);
    for windows in spread(dataset.windows(), batch_size, batches) {
        let batch = dataset.batch(&windows, device);
        let count = batch.targets.shape().num_elements();
        let loss: f32 = cross_entropy(model.forward(batch.inputs), batch.targets).into_scalar();
        // Weighted, since the last batch may be smaller.
        total += f64::from(loss) * count as f64;
        tokens += count;
    }
    total / tokens as f64
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

    /// The sign of a NaN is the processor's choice.
    #[test]
    fn a_loss_that_is_no_number_is_never_the_lowest() {
        let evaluation = |step, val_loss| Evaluation {
            epoch: 1,
            step,
            tokens_seen: 0,
            train_loss: 1.0,
            val_loss,
            seconds: 0.0,
        };
        let evaluations = [(0, 1.0), (1, 3.0), (2, 2.0), (3, f64::NAN), (4, -f64::NAN)];
        let evaluations = evaluations.map(|(step, val_loss)| evaluation(step, val_loss));
        assert_eq!(lowest(&evaluations).unwrap().0, 2);
    }
}
