//! From a text to batches of token ids.
//!
//! The text is split by characters into training and validation parts, each part is encoded, and
//! the ids are cut into windows. The model sees a window and learns to predict, at each position,
//! the id that follows.

use artifact::Tokenizer;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Windows of one split of a text.
#[derive(Clone, Debug)]
pub struct Dataset {
    ids: Vec<u32>,
    window: usize,
    stride: usize,
}

/// Inputs and the ids that follow them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, seq]`
    pub inputs: Tensor<2, Int>,
    /// `[batch, seq]`: `targets[.., i]` follows `inputs[.., i]` in the text.
    pub targets: Tensor<2, Int>,
}

/// A text that is too short to train on.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "the corpus is too short: its {split} part has {found} tokens, at least {needed} are needed \
     (windows of {window} tokens, {windows} at least); use a longer text or a smaller context_length"
)]
pub struct TooShort {
    split: &'static str,
    found: usize,
    needed: usize,
    window: usize,
    windows: usize,
}

/// Splits a text into a training part, the first `train_fraction` of its characters, and a
/// validation part, the rest.
///
/// # Errors
/// If the training part does not fill one batch of windows, or the validation part one window.
pub fn split(
    text: &str,
    tokenizer: &Tokenizer,
    train_fraction: f64,
    window: usize,
    stride: usize,
    batch_size: usize,
) -> Result<(Dataset, Dataset), TooShort> {
    let characters = text.chars().count();
    let train_characters = (characters as f64 * train_fraction) as usize;
    let border = text.char_indices().nth(train_characters).map_or(text.len(), |(offset, _)| offset);
    let (train, validation) = text.split_at(border);
    Ok((
        Dataset::new("training", tokenizer.encode(train), window, stride, batch_size)?,
        Dataset::new("validation", tokenizer.encode(validation), window, stride, 1)?,
    ))
}

impl Dataset {
    /// Windows of `window` ids, each beginning `stride` ids after the one before it.
    fn new(
        split: &'static str,
        ids: Vec<u32>,
        window: usize,
        stride: usize,
        windows: usize,
    ) -> Result<Self, TooShort> {
        // One id more than the inputs: the last target.
        let needed = window + (windows - 1) * stride + 1;
        if ids.len() < needed {
            return Err(TooShort { split, found: ids.len(), needed, window, windows });
        }
        Ok(Self { ids, window, stride })
    }

    /// Number of windows, at least 1.
    pub fn windows(&self) -> usize {
        (self.ids.len() - self.window).div_ceil(self.stride)
    }

    /// Number of full batches in an epoch.
    pub fn full_batches(&self, batch_size: usize) -> usize {
        self.windows() / batch_size
    }

    /// The windows of one epoch in full batches, shuffled as the seed and the epoch's number say.
    /// What is left over is dropped: a smaller batch would weigh its windows more.
    pub fn shuffled(&self, batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..self.windows()).collect();
        order.shuffle(&mut random);
        order.chunks_exact(batch_size).map(<[usize]>::to_vec).collect()
    }

    /// All windows in order; the last batch may be smaller.
    pub fn in_order(&self, batch_size: usize) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..self.windows()).collect();
        order.chunks(batch_size).map(<[usize]>::to_vec).collect()
    }

    /// The tensors of a batch of windows.
    pub fn batch(&self, windows: &[usize], device: &Device) -> Batch {
        let tensor = |shift: usize| {
            let ids: Vec<i64> = windows
                .iter()
                .flat_map(|window| {
                    let start = window * self.stride + shift;
                    self.ids[start..start + self.window].iter().map(|&id| i64::from(id))
                })
                .collect();
            Tensor::from_data(TensorData::new(ids, [windows.len(), self.window]), device)
        };
        Batch { inputs: tensor(0), targets: tensor(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    fn dataset(count: u32, window: usize, stride: usize) -> Dataset {
        Dataset::new("training", (0..count).collect(), window, stride, 1).unwrap()
    }

    fn ids(tensor: Tensor<2, Int>) -> Vec<i64> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn targets_follow_inputs() {
        let batch = dataset(10, 4, 4).batch(&[0, 1], &device::cpu());
        assert_eq!(ids(batch.inputs), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(ids(batch.targets), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    /// As Python's `range(0, len(ids) - window, stride)`: the last window ends before the last id.
    #[test]
    fn counts_windows_as_the_seed_does() {
        for (count, window, stride, expected) in [(5, 4, 4, 1), (8, 4, 4, 1), (9, 4, 4, 2), (9, 4, 1, 5)] {
            assert_eq!(dataset(count, window, stride).windows(), expected, "{count} {window} {stride}");
        }
        let last = dataset(9, 4, 1).batch(&[4], &device::cpu());
        assert_eq!(ids(last.targets), [5, 6, 7, 8]);
    }

    #[test]
    fn an_epoch_is_a_permutation_fixed_by_its_seed() {
        let dataset = dataset(41, 4, 4);
        let epoch = dataset.shuffled(2, 123, 0);
        assert_eq!(epoch.len(), 5);
        let mut seen = epoch.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(epoch, dataset.shuffled(2, 123, 0));
        assert_ne!(epoch, dataset.shuffled(2, 123, 1));
        assert_ne!(epoch, dataset.shuffled(2, 124, 0));
    }

    #[test]
    fn an_incomplete_training_batch_is_dropped_and_a_validation_batch_is_not() {
        let dataset = dataset(13, 4, 4);
        assert_eq!(dataset.windows(), 3);
        assert_eq!(dataset.shuffled(2, 0, 0).len(), 1);
        assert_eq!(dataset.full_batches(2), 1);
        assert_eq!(dataset.in_order(2), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn splits_by_characters_and_refuses_a_text_without_a_window() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let text = "é ".repeat(100);
        let (train, validation) = split(&text, &tokenizer, 0.5, 4, 4, 2).unwrap();
        assert_eq!(train.ids, tokenizer.encode(&"é ".repeat(50)));
        assert_eq!(validation.ids, tokenizer.encode(&"é ".repeat(50)));

        let error = split("too short", &tokenizer, 0.9, 256, 256, 2).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("training part has") && message.contains("at least 513"), "{message}");
        let error = split(&text, &tokenizer, 0.99, 4, 4, 2).unwrap_err();
        assert!(error.to_string().contains("validation part"), "{error}");
    }

    /// The seed run: 9 steps an epoch, and one validation batch.
    #[test]
    fn the_verdict_has_nine_batches_an_epoch() {
        let Some(folder) = std::env::var_os("CORPUS_DIR") else {
            eprintln!("CORPUS_DIR is not set: tested on the project's own story");
            let (train, validation) = seed_split(include_str!("../../corpus/the-north-light.txt"));
            assert!(train.full_batches(2) >= 8 && validation.windows() >= 1);
            return;
        };
        // Relative to the root of the checkout, as scripts/test.sh sees it.
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = std::fs::read_to_string(root.join(folder).join("the-verdict.txt")).unwrap();
        let (train, validation) = seed_split(&text);
        assert_eq!((train.full_batches(2), validation.in_order(2).len()), (9, 1));
        assert_eq!(Tokenizer::gpt2().unwrap().encode(&text).len(), 5145);
    }

    fn seed_split(text: &str) -> (Dataset, Dataset) {
        split(text, &Tokenizer::gpt2().unwrap(), 0.9, 256, 256, 2).unwrap()
    }
}
