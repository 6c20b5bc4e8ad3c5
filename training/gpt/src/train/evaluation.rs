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
    let trained = evaluations.iter().enumerate().filter(|(_, evaluation)| evaluation.step > 0);
    trained.min_by(|(_, a), (_, b)| a.val_loss.total_cmp(&b.val_loss))
}

/// Mean cross-entropy, in nats per token, over the first `batches` batches of a data set in order.
/// `model` must be in evaluation mode, so that dropout is off and nothing is recorded for gradients.
pub fn mean_loss(model: &Gpt, dataset: &Dataset, batch_size: usize, batches: usize, device: &Device) -> f64 {
    let (mut total, mut tokens) = (0.0, 0);
    for windows in dataset.in_order(batch_size).take(batches) {
        let batch = dataset.batch(&windows, device);
        let count = batch.targets.shape().num_elements();
        let loss: f32 = cross_entropy(model.forward(batch.inputs), batch.targets).into_scalar();
        // Weighted, since the last batch may be smaller.
        total += f64::from(loss) * count as f64;
        tokens += count;
    }
    total / tokens as f64
}
