//! Validation loss of a model in training: mean cross-entropy over a data set.

use burn::tensor::Device;

use crate::dataset::Dataset;
use crate::model::{Gpt, cross_entropy};

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
