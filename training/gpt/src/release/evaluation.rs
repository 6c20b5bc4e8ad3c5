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
    for batch in batches {
        let expected: Vec<f32> = model.forward(batch.inputs.clone()).into_data().iter().collect();
        let Window { ids, targets, bytes } = Window::from(batch);
        let expected: Vec<Row> = rows(&expected, &targets, vocab_size);
        own.add(&expected, &expected, bytes);
        for (export, sums) in exports.iter_mut().zip(&mut sums) {
            let found = logits(export, &ids, |logits| rows(logits, &targets, vocab_size))?;
            sums.add(&expected, &found, bytes);
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
        let Window { ids, targets, bytes } = Window::from(batch);
        let found = logits(export, &ids, |logits| rows(logits, &targets, vocab_size))?;
        sums.add(&found, &found, bytes);
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
        Batch { inputs: ids(), targets: ids(), target_bytes: 0 }
    })
}

/// The ids of a batch of one window, the ids that follow them, and the bytes that these stand for.
struct Window {
    ids: Vec<u32>,
    targets: Vec<usize>,
    bytes: usize,
}

impl From<Batch> for Window {
    fn from(batch: Batch) -> Self {
        Self {
            ids: batch.inputs.into_data().iter().collect(),
            targets: batch.targets.into_data().iter::<u32>().map(|id| id as usize).collect(),
            bytes: batch.target_bytes,
        }
    }
}

/// Calls `read` with an export's logits at every position of a window.
fn logits<R>(export: &mut OnnxModel, ids: &[u32], read: impl FnOnce(&[f32]) -> R) -> Result<R, EngineError> {
    let wanted: Vec<usize> = (0..ids.len()).collect();
    export.truncate(0)?;
    export.run(ids, &wanted, read)
}

/// The logits of one position, their distribution, and the id that follows.
struct Row {
    logits: Vec<f32>,
    log_probabilities: Vec<f64>,
    target: usize,
}

/// The rows of `logits`, `[seq, vocab_size]`.
fn rows(logits: &[f32], targets: &[usize], vocab_size: usize) -> Vec<Row> {
    let row = |(logits, &target): (&[f32], &usize)| Row {
        log_probabilities: log_softmax(logits),
        logits: logits.to_vec(),
        target,
    };
    logits.par_chunks_exact(vocab_size).zip(targets).map(row).collect()
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
    /// Adds some positions, as expected and as found.
    fn add(&mut self, expected: &[Row], found: &[Row], bytes: usize) {
        let compared: Vec<_> = expected
            .par_iter()
            .zip(found)
            .map(|(expected, found)| {
                let (p, q) = (&expected.log_probabilities, &found.log_probabilities);
                let divergence: f64 = p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum();
                let differences =
                    expected.logits.iter().zip(&found.logits).map(|(a, b)| f64::from((a - b).abs()));
                let agree = argmax(&expected.logits) == argmax(&found.logits);
                (divergence, agree, differences.fold(0.0, f64::max))
            })
            .collect();
        self.bytes += bytes;
        // In order, so that the sums are the same in every run.
        for (row, (divergence, agree, difference)) in found.iter().zip(compared) {
            self.loss -= row.log_probabilities[row.target];
            self.kl_divergence += divergence;
            self.agreements += usize::from(agree);
            self.largest_logit_difference = self.largest_logit_difference.max(difference);
            self.tokens += 1;
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

/// In double precision: divergences are far below the resolution of float32.
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
        let row = |logits: [f32; 2]| rows(&logits, &[1], 2);
        let mut sums = Sums::default();
        sums.add(&row([0.0, 0.0]), &row([0.0, 3f32.ln()]), 4);
        assert!((sums.kl_divergence - (2f64.ln() + (2.0 / 3.0f64).ln()) / 2.0).abs() < 1e-6);
        assert!((sums.loss + 0.75f64.ln()).abs() < 1e-6);
        assert!((sums.score().perplexity() - 4.0 / 3.0).abs() < 1e-6);
        assert!((sums.largest_logit_difference - 3f64.ln()).abs() < 1e-6);
        sums.add(&row([0.0, 5.0]), &row([0.0, 1e4]), 3);
        assert_eq!((sums.agreements, sums.tokens, sums.bytes), (2, 2, 7));
        assert!(sums.kl_divergence.is_finite());
    }
}
