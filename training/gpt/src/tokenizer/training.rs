//! Training of byte-level byte-pair encoding (BPE) by Hugging Face's `tokenizers`.
//!
//! From the bytes on, the most frequent pair of neighbours inside words becomes a token, again and again; of equally
//! frequent pairs the one of lower ids. So the same corpus gives the same tokenizer, on any number of cores.

use std::collections::HashSet;

use artifact::Tokenizer;
use artifact::tokenizer::characters::{BYTES, characters};
use artifact::tokenizer::{Bpe, Pattern, TokenizerError};
use indicatif::DecimalBytes;
use tokenizers::models::bpe::{BPE, BpeTrainer, BpeTrainerBuilder};

use super::source::MIN_VOCAB_SIZE;
use crate::corpus::{CorpusError, CorpusSettings, Loader, WordCounts};

/// A pair that occurs once teaches nothing.
const MIN_FREQUENCY: u64 = 2;
/// The longest token: as GPT-2's. Longer ones would be rows of spaces or signs.
const MAX_TOKEN_BYTES: usize = 128;
/// Training text for each id of a vocabulary, where none is asked for.
const BYTES_PER_ID: u64 = 256;
/// Smallest and largest vocabulary where none is asked for.
const DEFAULT_VOCAB_SIZES: [usize; 2] = [512, 32_768];

/// Why a tokenizer cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The corpus could not be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// There is nothing to train on.
    #[error("the corpus has no text to train a tokenizer on; give it more, or pass --tokenizer bytes")]
    NoText,
    /// The library failed.
    #[error("training the tokenizer: {0}")]
    Library(String),
    /// The result is no tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// The size of a vocabulary for so many bytes of training text: a power of two, the largest that leaves 256 bytes for
/// each id, but at least 512 and at most 32,768.
pub fn default_vocab_size(text_bytes: u64) -> usize {
    let [smallest, largest] = DEFAULT_VOCAB_SIZES;
    let ids = usize::try_from(text_bytes / BYTES_PER_ID).unwrap_or(largest).clamp(smallest, largest);
    1 << ids.ilog2()
}

/// Trains a tokenizer with this pattern on the training part of a corpus. It has `vocab_size` ids, without a number
/// as many as [`default_vocab_size`] says, or fewer if the texts do not have as many pairs.
///
/// # Errors
/// If the corpus cannot be read or has no text.
pub fn train_tokenizer(
    loader: &Loader<'_>,
    settings: &CorpusSettings,
    pattern: Pattern,
    vocab_size: Option<usize>,
) -> Result<Tokenizer, TrainingError> {
    let words = loader.count_words(settings, pattern)?;
    if words.text_bytes() == 0 {
        return Err(TrainingError::NoText);
    }
    let vocab_size = vocab_size.unwrap_or_else(|| default_vocab_size(words.text_bytes()));
    let tokenizer = train_on_words(&words, pattern, vocab_size)?;
    let bytes = DecimalBytes(words.text_bytes());
    (loader.notify)(&format!("tokenizer: {tokenizer}, trained on {bytes} of text"));
    Ok(tokenizer)
}

/// Trains a tokenizer on counted words.
pub(super) fn train_on_words(
    words: &WordCounts,
    pattern: Pattern,
    vocab_size: usize,
) -> Result<Tokenizer, TrainingError> {
    let characters = characters();
    let text = |word: &str| -> String { word.bytes().map(|byte| characters[usize::from(byte)]).collect() };
    // The library counts in 32 bits; a pair occurs at most once for each byte.
    let unit = words.text_bytes() / i32::MAX as u64 + 1;
    let counts = words.iter().map(|(word, count)| (text(word).into(), count.div_ceil(unit))).collect();
    let mut model = BPE::default();
    // The token between documents comes after what is trained.
    let trainer: BpeTrainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .min_frequency(MIN_FREQUENCY)
        .max_token_length(Some(MAX_TOKEN_BYTES))
        .vocab_size(vocab_size.max(MIN_VOCAB_SIZE) - 1)
        .initial_alphabet(characters.into_iter().collect::<HashSet<char>>())
        .build();
    trainer.do_train(&counts, &mut model).map_err(|error| TrainingError::Library(error.to_string()))?;
    let mut tokens: Vec<(u32, String)> =
        model.get_vocab().into_iter().map(|(token, id)| (id, token)).collect();
    tokens.sort_unstable();
    let byte = |character| characters.iter().position(|known| *known == character).map(|byte| byte as u8);
    // The first are the bytes.
    let made = tokens.iter().skip(BYTES).map(|(_, token)| token.chars().filter_map(byte).collect());
    Ok(Tokenizer::new(Bpe::trained(pattern, made.collect()))?)
}
