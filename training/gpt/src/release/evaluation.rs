//! Evaluation of a model and its ONNX exports on a text: loss, bits per byte, KL divergence, agreement.
//!
//! The model and all exports see the same windows, one after the other, so that no logits of a whole
//! text are in memory.

use artifact::GptConfig;
use burn::tensor::{Device, Tensor, TensorData};
use engine::{EngineError, OnnxModel};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::divergence::{Distance, Distribution};
use crate::corpus::Batch;
use crate::model::Gpt;
use crate::train::evaluation::Score;

/// Distance of an exported model from the one that it was exported from, on the same text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Loss of the export.
    pub score: Score,
    /// Mean Kullback-Leibler divergence of the export's next-token distribution from the model's.
    pub kl_divergence: f64,
    /// Share of positions at which both give the same token the highest probability, from 0 to 1.
    pub top_1_agreement: f64,
    /// Largest absolute difference between two logits.
    pub largest_logit_difference: f64,
}

/// Runs a model, which must be in evaluation mode, and its exports over the same batches of one
/// window each; gives the model's score and the comparison of each export with it.
///
/// # Errors
/// If ONNX Runtime fails.
pub fn compare(
    model: &Gpt,
    exports: &mut [&mut OnnxModel],
    batches: impl Iterator<Item = Batch>,
) -> Result<(Score, Vec<Comparison>), EngineError> {
    let vocab_size = model.config().vocab_size;
    let mut own = Sums::default();
    let mut sums = vec![Sums::default(); exports.len()];
    // Kept from window to window: memory that is new each time takes as long as the arithmetic.
    let mut weights = Vec::new();
    for batch in batches {
        let expected: Vec<f32> = batch.logits(model).into_data().iter().collect();
        let Window { ids, wanted, targets, bytes } = Window::from(batch);
        weights.resize(expected.len(), 0.0);
        let rows = expected.par_chunks_exact(vocab_size).zip(weights.par_chunks_exact_mut(vocab_size));
        let expected: Vec<_> = rows.map(|(logits, weights)| Distribution::new(logits, weights)).collect();
        own.add_losses(expected.iter().zip(&targets).map(|(row, &target)| row.loss(target)), bytes);
        for (export, sums) in exports.iter_mut().zip(&mut sums) {
            let found: Vec<Distance> = logits(export, &ids, &wanted, |logits| {
                let rows = expected.par_iter().zip(logits.par_chunks_exact(vocab_size)).zip(&targets);
                rows.map(|((expected, found), &target)| expected.distance(found, target)).collect()
            })?;
            sums.add(&found, bytes);
        }
    }
    Ok((own.score(), sums.iter().map(Sums::comparison).collect()))
}

/// Loss of an exported model on batches of one window each.
///
/// # Errors
/// If ONNX Runtime fails.
pub fn score_export(
    export: &mut OnnxModel,
    batches: impl Iterator<Item = Batch>,
) -> Result<Score, EngineError> {
    let vocab_size = export.config().vocab_size;
    let mut sums = Sums::default();
    for batch in batches {
        let Window { ids, wanted, targets, bytes } = Window::from(batch);
        let losses: Vec<f64> = logits(export, &ids, &wanted, |logits| {
            let rows = logits.par_chunks_exact(vocab_size).zip(&targets);
            rows.map_init(
                || vec![0.0; vocab_size],
                |weights, (logits, &target)| Distribution::new(logits, weights).loss(target),
            )
            .collect()
        })?;
        sums.add_losses(losses.into_iter(), bytes);
    }
    Ok(sums.score())
}

/// Batches of random ids, `[1, context_length]`: enough to compare an export with its model where there
/// is no text. The loss on them means nothing.
pub fn random_windows(config: &GptConfig, windows: usize, device: &Device) -> impl Iterator<Item = Batch> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    (0..windows).map(move |_| {
        let mut ids = || {
            let ids = (0..config.context_length).map(|_| random.random_range(0..config.vocab_size as i64));
            Tensor::from_data(TensorData::new(ids.collect(), [1, config.context_length]), device)
        };
        Batch { inputs: ids(), targets: ids(), target_bytes: 0, packing: None }
    })
}

/// The ids of a batch of one window or conversation, the places whose next ids count, these ids, and the bytes that they
/// stand for.
struct Window {
    ids: Vec<u32>,
    wanted: Vec<usize>,
    targets: Vec<usize>,
    bytes: usize,
}

impl From<Batch> for Window {
    fn from(batch: Batch) -> Self {
        let wanted = match &batch.packing {
            None => (0..batch.n_targets()).collect(),
            Some(packing) => packing.counted().to_vec(),
        };
        Self {
            wanted,
            ids: batch.inputs.into_data().iter().collect(),
            targets: batch.targets.into_data().iter::<u32>().map(|id| id as usize).collect(),
            bytes: batch.target_bytes,
        }
    }
}

/// Calls `read` with an export's logits at the wanted places of a window.
fn logits<R>(
    export: &mut OnnxModel,
    ids: &[u32],
    wanted: &[usize],
    read: impl FnOnce(&[f32]) -> R,
) -> Result<R, EngineError> {
    export.truncate(0)?;
    export.run(ids, wanted, read)
}

/// Sums over the positions so far.
#[derive(Clone, Default)]
struct Sums {
    loss: f64,
    kl_divergence: f64,
    agreements: usize,
    largest_logit_difference: f64,
    tokens: usize,
    bytes: usize,
}

impl Sums {
    /// Adds the losses at the positions of a window, in order, so that the sums are the same in every run.
    fn add_losses(&mut self, losses: impl ExactSizeIterator<Item = f64>, bytes: usize) {
        self.tokens += losses.len();
        self.bytes += bytes;
        self.loss = losses.fold(self.loss, |sum, loss| sum + loss);
    }

    /// Adds the positions of a window.
    fn add(&mut self, found: &[Distance], bytes: usize) {
        self.add_losses(found.iter().map(|row| row.loss), bytes);
        for row in found {
            self.kl_divergence += row.kl_divergence;
            self.agreements += usize::from(row.agrees);
            let difference = f64::from(row.largest_logit_difference);
            self.largest_logit_difference = self.largest_logit_difference.max(difference);
        }
    }

    fn score(&self) -> Score {
        Score { loss: self.loss / self.tokens as f64, tokens: self.tokens, bytes: self.bytes }
    }

    fn comparison(&self) -> Comparison {
        Comparison {
            score: self.score(),
            kl_divergence: self.kl_divergence / self.tokens as f64,
            top_1_agreement: self.agreements as f64 / self.tokens as f64,
            largest_logit_difference: self.largest_logit_difference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_means_over_all_positions() {
        let row = |loss, agrees, largest_logit_difference| Distance {
            loss,
            kl_divergence: loss / 100.0,
            agrees,
            largest_logit_difference,
        };
        let mut sums = Sums::default();
        sums.add(&[row(1.0, true, 0.25), row(2.0, false, 0.5)], 7);
        sums.add(&[row(6.0, true, 0.125)], 5);
        let Comparison { score, kl_divergence, top_1_agreement, largest_logit_difference } =
            sums.comparison();
        assert_eq!(score, Score { loss: 3.0, tokens: 3, bytes: 12 });
        assert!((kl_divergence - 0.03).abs() < 1e-12 && (top_1_agreement - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(largest_logit_difference, 0.5);
    }
}
