//! Data set of windows: token ids in batches of inputs and targets.
//!
//! LLMs-from-scratch, chapter 2. The ids of a split are cut into windows. The model sees a window and learns to predict, at each
//! position, the id that follows. The ids stay on disk: what takes memory is a batch.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::batch::Batch;
use super::conversations::Examples;
use super::corpus::Corpus;
use super::permutation::Permutation;
use super::tokens::Tokens;

/// Windows of one split of a corpus, or its conversations: what batches are made of.
#[derive(Clone, Debug)]
pub struct Dataset(Units);

#[derive(Clone, Debug)]
enum Units {
    Windows { tokens: Tokens, window: usize, stride: usize },
    Conversations(Examples),
}

/// A text that is too short to train on.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TooShort {
    /// It has not enough tokens.
    #[error(
        "the corpus is too short: its {split} part has {found} tokens, at least {needed} are needed \
         (windows of {window} tokens, {windows} at least); use a longer text, or a smaller context_length or \
         training.window"
    )]
    Text {
        /// Its split.
        split: &'static str,
        /// Tokens that it has.
        found: usize,
        /// Tokens that it needs.
        needed: usize,
        /// Length of a window.
        window: usize,
        /// Windows that are needed.
        windows: usize,
    },
    /// It has not enough conversations that fit the context.
    #[error(
        "the corpus has too few conversations: {found} of its {split} part fit a context of {context_length} tokens \
         ({left_out} are longer), at least {needed} are needed; use more of them or shorter ones, or a model with a longer \
         context"
    )]
    Conversations {
        /// Their split.
        split: &'static str,
        /// Those that fit.
        found: usize,
        /// Those that do not.
        left_out: usize,
        /// Those that are needed.
        needed: usize,
        /// Length of the context.
        context_length: usize,
    },
}

/// The training and the validation set of a corpus. Conversations that are longer than the window are left out.
///
/// # Errors
/// If the training part does not fill one batch, or the validation part is not one window or conversation.
pub fn split(
    corpus: &Corpus,
    window: usize,
    stride: usize,
    batch_size: usize,
) -> Result<(Dataset, Dataset), TooShort> {
    if let Some([training, validation]) = corpus.conversations() {
        return Ok((
            Dataset::of_conversations(training, window, "training", batch_size)?,
            Dataset::of_conversations(validation, window, "validation", 1)?,
        ));
    }
    Ok((
        Dataset::new(corpus.training().clone(), window, stride, batch_size)?,
        Dataset::new(corpus.validation().clone(), window, stride, 1)?,
    ))
}

impl Dataset {
    /// Windows of `window` ids, each beginning `stride` ids after the one before it.
    ///
    /// # Errors
    /// If there are fewer than `windows`, of which at least one is asked for.
    pub fn new(tokens: Tokens, window: usize, stride: usize, windows: usize) -> Result<Self, TooShort> {
        // One id more than the inputs: the last target.
        let needed = window + windows.saturating_sub(1) * stride + 1;
        let found = tokens.count();
        if found < needed {
            return Err(TooShort::Text { split: tokens.split().name(), found, needed, window, windows });
        }
        Ok(Self(Units::Windows { tokens, window, stride }))
    }

    /// The conversations that fit a context.
    ///
    /// # Errors
    /// If there are fewer than `needed`, or none.
    pub fn of_conversations(
        examples: &Examples,
        context_length: usize,
        split: &'static str,
        needed: usize,
    ) -> Result<Self, TooShort> {
        let (examples, left_out) = examples.fitting(context_length);
        let (found, needed) = (examples.count(), needed.max(1));
        if found < needed {
            return Err(TooShort::Conversations { split, found, left_out, needed, context_length });
        }
        Ok(Self(Units::Conversations(examples)))
    }

    /// Number of ids in all.
    pub fn tokens(&self) -> usize {
        match &self.0 {
            Units::Windows { tokens, .. } => tokens.count(),
            Units::Conversations(examples) => examples.tokens(),
        }
    }

    /// Number of windows or conversations, at least 1.
    pub fn windows(&self) -> usize {
        match &self.0 {
            Units::Windows { tokens, window, stride } => (tokens.count() - window).div_ceil(*stride),
            Units::Conversations(examples) => examples.count(),
        }
    }

    /// Number of full batches in an epoch.
    pub fn full_batches(&self, batch_size: usize) -> usize {
        self.windows() / batch_size
    }

    /// The windows of one epoch in full batches, shuffled as the seed and the epoch's number say.
    /// Windows that fill no batch are dropped: a smaller batch would weigh its windows more.
    pub fn shuffled(
        &self,
        batch_size: usize,
        seed: u64,
        epoch: usize,
    ) -> impl ExactSizeIterator<Item = Vec<usize>> + use<'_> {
        (0..self.full_batches(batch_size))
            .map(move |batch| self.shuffled_batch(batch, batch_size, seed, epoch))
    }

    /// One of these batches.
    pub fn shuffled_batch(&self, batch: usize, batch_size: usize, seed: u64, epoch: usize) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(epoch as u64);
        let order = Permutation::draw(self.windows(), &mut random);
        (batch * batch_size..(batch + 1) * batch_size).map(|place| order.at(place)).collect()
    }

    /// All windows in order; the last batch may be smaller.
    pub fn in_order(&self, batch_size: usize) -> impl ExactSizeIterator<Item = Vec<usize>> + use<> {
        let windows = self.windows();
        (0..windows.div_ceil(batch_size))
            .map(move |batch| (batch * batch_size..windows.min((batch + 1) * batch_size)).collect())
    }

    /// The tensors of a batch of windows, or of conversations one behind the other.
    pub fn batch(&self, numbers: &[usize], device: &Device) -> Batch {
        match &self.0 {
            Units::Windows { tokens, window, stride } => {
                let starts = numbers.iter().map(|number| number * stride);
                batch_at(tokens, starts, numbers.len(), *window, device)
            }
            Units::Conversations(examples) => examples.batch(numbers, device),
        }
    }

    /// Every window or conversation in order, in batches of one, and at last the ids that fill no window: where
    /// windows do not overlap, each id but the first is a target once.
    pub fn whole(&self, device: &Device) -> impl Iterator<Item = Batch> {
        let rest = match &self.0 {
            Units::Windows { tokens, window, stride } => {
                let end = (self.windows() - 1) * stride + window;
                let rest = tokens.count() - 1 - end;
                (rest > 0).then(|| batch_at(tokens, [end].into_iter(), 1, rest, device))
            }
            Units::Conversations(_) => None,
        };
        (0..self.windows()).map(|number| self.batch(&[number], device)).chain(rest)
    }

    /// At most `most` windows, taken at equal distances, in batches of at most `batch_size`.
    pub fn spread(&self, most: usize, batch_size: usize, device: &Device) -> Vec<Batch> {
        let count = self.windows().min(most);
        let windows: Vec<usize> = (0..count).map(|i| i * self.windows() / count).collect();
        windows.chunks(batch_size).map(|windows| self.batch(windows, device)).collect()
    }
}

/// As many windows of a length as there are starts.
fn batch_at(
    tokens: &Tokens,
    starts: impl Iterator<Item = usize>,
    count: usize,
    length: usize,
    device: &Device,
) -> Batch {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for start in starts {
        let ids = tokens.read(start, length + 1);
        inputs.extend_from_slice(&ids[..length]);
        targets.extend_from_slice(&ids[1..]);
    }
    let target_bytes = tokens.bytes(&targets);
    let tensor = |ids: Vec<i64>| Tensor::from_data(TensorData::new(ids, [count, length]), device);
    Batch { inputs: tensor(inputs), targets: tensor(targets), target_bytes, packing: None }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use artifact::Tokenizer;
    use burn::tensor::Int;

    use super::*;
    use crate::corpus::tokens::ids::tests::tokens;
    use crate::corpus::{Loader, Source};
    use crate::device;

    /// The ids from 0 on.
    fn dataset(count: u16, window: usize, stride: usize) -> Dataset {
        Dataset::new(tokens(count), window, stride, 1).unwrap()
    }

    fn ids(tensor: Tensor<2, Int>) -> Vec<i64> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_whole_text_is_predicted_once() {
        for count in 5..16 {
            let dataset = dataset(count, 4, 4);
            let device = device::cpu();
            let targets: Vec<i64> = dataset.whole(&device).flat_map(|batch| ids(batch.targets)).collect();
            assert_eq!(targets, (1..i64::from(count)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn targets_follow_inputs() {
        let batch = dataset(10, 4, 4).batch(&[0, 1], &device::cpu());
        assert_eq!(ids(batch.inputs), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(ids(batch.targets), [1, 2, 3, 4, 5, 6, 7, 8]);
        // Each id stands for as many bytes as it says: 1 + 2 + … + 8.
        assert_eq!(batch.target_bytes, 36);
    }

    #[test]
    fn spread_windows_reach_from_the_first_to_the_last_part() {
        let spread = |most, batch_size| {
            let batches = dataset(41, 4, 4).spread(most, batch_size, &device::cpu());
            batches.into_iter().map(|batch| ids(batch.inputs)).collect::<Vec<_>>()
        };
        // Of ten windows, those from 0, 3 and 6.
        assert_eq!(spread(3, 2), [vec![0, 1, 2, 3, 12, 13, 14, 15], vec![24, 25, 26, 27]]);
        assert_eq!(spread(100, 3).concat(), (0..40).collect::<Vec<_>>());
    }

    /// As Python's `range(0, len(ids) - window, stride)`: the last window ends before the last id.
    #[test]
    fn counts_windows_as_llms_from_scratch_does() {
        for (count, window, stride, expected) in [(5, 4, 4, 1), (8, 4, 4, 1), (9, 4, 4, 2), (9, 4, 1, 5)] {
            assert_eq!(dataset(count, window, stride).windows(), expected, "{count} {window} {stride}");
        }
        let last = dataset(9, 4, 1).batch(&[4], &device::cpu());
        assert_eq!(ids(last.targets), [5, 6, 7, 8]);
    }

    #[test]
    fn an_epoch_is_a_permutation_fixed_by_its_seed() {
        let dataset = dataset(41, 4, 4);
        let shuffled = |seed, epoch| dataset.shuffled(2, seed, epoch).collect::<Vec<_>>();
        assert_eq!(dataset.shuffled(2, 123, 0).len(), 5);
        let epoch = shuffled(123, 0);
        let mut seen = epoch.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(epoch, shuffled(123, 0));
        assert_ne!(epoch, shuffled(123, 1));
        assert_ne!(epoch, shuffled(124, 0));
    }

    #[test]
    fn an_incomplete_training_batch_is_dropped_and_a_validation_batch_is_not() {
        let dataset = dataset(13, 4, 4);
        assert_eq!(dataset.windows(), 3);
        assert_eq!(dataset.shuffled(2, 0, 0).len(), 1);
        assert_eq!(dataset.full_batches(2), 1);
        assert_eq!(dataset.in_order(2).collect::<Vec<_>>(), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn splits_by_characters_and_refuses_a_text_without_a_window() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let corpus = |text: &str, train_fraction| {
            let path = folder.path().join("text.txt");
            std::fs::write(&path, text).unwrap();
            load(&path, train_fraction, folder.path())
        };
        let text = "é ".repeat(100);
        let (train, validation) = split(&corpus(&text, 0.5), 4, 4, 2).unwrap();
        let half: Vec<i64> = tokenizer.encode(&"é ".repeat(50)).into_iter().map(i64::from).collect();
        assert_eq!(all(&train), half);
        assert_eq!(all(&validation), half);

        let error = split(&corpus("too short", 0.9), 256, 256, 2).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("training part has") && message.contains("at least 513"), "{message}");
        let error = split(&corpus(&text, 0.99), 4, 4, 2).unwrap_err();
        assert!(error.to_string().contains("validation part"), "{error}");
    }

    /// The run of LLMs-from-scratch, chapter 5: 9 steps an epoch, and one validation batch.
    #[test]
    fn the_verdict_has_nine_batches_an_epoch() {
        let cache = tempfile::tempdir().unwrap();
        let Some(folder) = corpus_folder() else {
            let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/the-north-light.txt");
            let (train, validation) = split(&load(&story, 0.9, cache.path()), 256, 256, 2).unwrap();
            assert!(train.full_batches(2) >= 8 && validation.windows() >= 1);
            return;
        };
        let path = folder.join("the-verdict.txt");
        let corpus = load(&path, 0.9, cache.path());
        let (train, validation) = split(&corpus, 256, 256, 2).unwrap();
        assert_eq!((train.full_batches(2), validation.in_order(2).len()), (9, 1));
        assert_eq!(corpus.entries()[0].tokens, 5145);

        // Id for id those of LLMs-from-scratch.
        let text = std::fs::read_to_string(path).unwrap();
        let (head, tail) = text.split_at((text.chars().count() as f64 * 0.9) as usize);
        let tokenizer = Tokenizer::gpt2().unwrap();
        for (dataset, part) in [(train, head), (validation, tail)] {
            let ids: Vec<i64> = tokenizer.encode(part).into_iter().map(i64::from).collect();
            assert_eq!(all(&dataset), ids);
        }
    }

    #[test]
    fn three_books_are_three_documents() {
        let Some(folder) = corpus_folder() else { return };
        let cache = tempfile::tempdir().unwrap();
        let corpus = load(&folder.join("books"), 0.9, cache.path());
        let tokens: Vec<usize> = corpus.entries().iter().map(|entry| entry.tokens).collect();
        // Alice, Pride and Prejudice, Sherlock Holmes, as Python's tiktoken counts them.
        assert_eq!(tokens, [39_577, 167_280, 145_743]);
        assert_eq!(corpus.tokens(), 352_600);
    }

    fn all(dataset: &Dataset) -> Vec<i64> {
        let Units::Windows { tokens, .. } = &dataset.0 else { panic!("it is of windows") };
        tokens.read(0, tokens.count())
    }

    /// Where the public texts lie, relative to the root of the checkout, as scripts/test.sh sees it.
    fn corpus_folder() -> Option<PathBuf> {
        let folder = std::env::var_os("CORPUS_DIR");
        if folder.is_none() {
            eprintln!("CORPUS_DIR is not set: not tested on the public texts");
        }
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder?))
    }

    fn load(path: &Path, train_fraction: f64, cache: &Path) -> Corpus {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let fetch_s3: &crate::corpus::FetchS3<'_> = &|_, _| Ok(Vec::new());
        let loader = Loader { train_fraction, cache, fetch_s3, notify: &|_| () };
        loader.load(&[Source::Local(path.to_str().unwrap().to_owned())], &tokenizer).unwrap()
    }
}
