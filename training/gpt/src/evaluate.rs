//! How well a model predicts a text that it is not training on, and how close an export is to it.

use burn::tensor::Device;
use engine::{EngineError, OnnxModel};
use serde::Serialize;

use crate::dataset::{Batch, Dataset};
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

/// An exported model beside the one that it was exported from, on the same text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Mean cross-entropy of the export, nats per token.
    pub val_loss: f64,
    /// `exp(val_loss)`: among how many equally likely tokens it seems to choose.
    pub perplexity: f64,
    /// Mean Kullback-Leibler divergence of the export's next-token distribution from the model's.
    pub kl_divergence: f64,
    /// Share of positions at which both find the same token most likely.
    pub top_1_agreement: f64,
    /// The largest distance between two logits.
    pub largest_logit_difference: f64,
    /// Tokens compared.
    pub tokens: usize,
}

/// Runs an export over at most `windows` windows of a data set and compares it with `model`, which
/// must be in evaluation mode.
///
/// # Errors
/// If ONNX Runtime fails.
pub fn compare(
    model: &Gpt,
    export: &mut OnnxModel,
    dataset: &Dataset,
    windows: usize,
    device: &Device,
) -> Result<Comparison, EngineError> {
    let vocab_size = model.config().vocab_size;
    let mut sums = Sums::default();
    for window in 0..dataset.windows().min(windows) {
        let batch = dataset.batch(&[window], device);
        let expected: Vec<f32> = model.forward(batch.inputs.clone()).into_data().iter().collect();
        logits_at_targets(export, batch, |found, targets| {
            let rows = expected.chunks_exact(vocab_size).zip(found.chunks_exact(vocab_size));
            for ((expected, found), target) in rows.zip(targets) {
                sums.add(expected, found, *target);
            }
        })?;
    }
    let mean = |sum: f64| sum / sums.tokens as f64;
    Ok(Comparison {
        val_loss: mean(sums.loss),
        perplexity: mean(sums.loss).exp(),
        kl_divergence: mean(sums.kl_divergence),
        top_1_agreement: mean(sums.agreements as f64),
        largest_logit_difference: sums.largest_logit_difference,
        tokens: sums.tokens,
    })
}

/// Mean cross-entropy, in nats per token, of an exported model over at most `windows` windows.
///
/// # Errors
/// If ONNX Runtime fails.
pub fn export_loss(
    export: &mut OnnxModel,
    dataset: &Dataset,
    windows: usize,
    device: &Device,
) -> Result<f64, EngineError> {
    let vocab_size = export.config().vocab_size;
    let (mut total, mut tokens) = (0.0, 0);
    for window in 0..dataset.windows().min(windows) {
        logits_at_targets(export, dataset.batch(&[window], device), |logits, targets| {
            for (row, target) in logits.chunks_exact(vocab_size).zip(targets) {
                total -= log_softmax(row)[*target];
            }
            tokens += targets.len();
        })?;
    }
    Ok(total / tokens as f64)
}

/// Calls `read` with an export's logits at every position of a batch of one window, and the ids that
/// follow.
fn logits_at_targets(
    export: &mut OnnxModel,
    batch: Batch,
    read: impl FnOnce(&[f32], &[usize]),
) -> Result<(), EngineError> {
    let ids: Vec<u32> = batch.inputs.into_data().iter().collect();
    let targets: Vec<usize> = batch.targets.into_data().iter::<u32>().map(|id| id as usize).collect();
    let wanted: Vec<usize> = (0..ids.len()).collect();
    let mut cache = export.empty_cache()?;
    export.run(&ids, &wanted, &mut cache, |logits| read(logits, &targets))
}

#[derive(Default)]
struct Sums {
    loss: f64,
    kl_divergence: f64,
    agreements: usize,
    largest_logit_difference: f64,
    tokens: usize,
}

impl Sums {
    /// Adds one position: logits as expected and as found, and the id that follows.
    fn add(&mut self, expected: &[f32], found: &[f32], target: usize) {
        let (expected_log, found_log) = (log_softmax(expected), log_softmax(found));
        self.loss -= found_log[target];
        self.kl_divergence +=
            expected_log.iter().zip(&found_log).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        self.agreements += usize::from(argmax(expected) == argmax(found));
        let differences = expected.iter().zip(found).map(|(a, b)| f64::from((a - b).abs()));
        self.largest_logit_difference = differences.fold(self.largest_logit_difference, f64::max);
        self.tokens += 1;
    }
}

/// In double precision: divergences are far below what float32 can tell apart.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    logits.iter().map(|logit| f64::from(logit - max) - sum.ln()).collect()
}

fn argmax(logits: &[f32]) -> Option<usize> {
    logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected [1/2, 1/2], found [1/4, 3/4]: KL = (ln 2 + ln 2/3) / 2, and -ln 3/4 for target 1.
    #[test]
    fn divergence_and_loss_follow_their_formulas() {
        let mut sums = Sums::default();
        sums.add(&[0.0, 0.0], &[0.0, 3f32.ln()], 1);
        assert!((sums.kl_divergence - (2f64.ln() + (2.0 / 3.0f64).ln()) / 2.0).abs() < 1e-6);
        assert!((sums.loss + 0.75f64.ln()).abs() < 1e-6);
        assert!((sums.largest_logit_difference - 3f64.ln()).abs() < 1e-6);
        sums.add(&[0.0, 5.0], &[0.0, 1e4], 1);
        assert_eq!((sums.agreements, sums.tokens), (2, 2));
        assert!(sums.kl_divergence.is_finite());
    }
}
