//! Tokenization of documents on all cores, in memory that does not depend on their length.

use artifact::Tokenizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chunks::{CHUNK_BYTES, Chunk};
use super::ids::{SHARD_TOKENS, TokensWriter, Written};
use super::shelf::{Shelf, Split};
use super::surveyed::{ChunkSink, Placed, Surveyed};
use crate::corpus::error::CorpusError;
use crate::corpus::settings::CorpusSettings;

/// Text that is in memory for each core: so many chunks that no core waits long for the slowest.
pub(super) const BYTES_PER_CORE: usize = 8 * CHUNK_BYTES;
/// Chunks that are in memory, where they are short.
pub(super) const MAX_CHUNKS: usize = 1 << 14;

/// Lengths of what was encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    /// Length of each file in ids, without separators.
    pub file_tokens: Vec<u64>,
    /// Where the documents went.
    pub placed: Placed,
    /// To train on.
    pub training: Written,
    /// To validate with.
    pub validation: Written,
}

/// Encodes the documents of a corpus into shards.
///
/// # Errors
/// If a file cannot be read or is no longer what it was, or a shard cannot be written.
pub fn encode(
    corpus: &Surveyed<'_>,
    settings: &CorpusSettings,
    tokenizer: &Tokenizer,
    shelf: &Shelf,
) -> Result<Lengths, CorpusError> {
    let mut encoder = Encoder::new(tokenizer, shelf, corpus.n_files());
    let placed = corpus.read_chunks(settings, tokenizer.pattern(), &mut encoder)?;
    let (file_tokens, training, validation) = encoder.finish()?;
    Ok(Lengths { file_tokens, placed, training, validation })
}

/// Encodes chunks. Those of different documents share a batch, so that many small files keep all cores busy too.
pub(super) struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    shelf: &'a Shelf,
    training: TokensWriter<'a>,
    validation: TokensWriter<'a>,
    file_tokens: Vec<u64>,
    batch: Vec<Chunk>,
    batch_bytes: usize,
}

impl<'a> Encoder<'a> {
    /// Encodes chunks of so many files into shards.
    pub(super) fn new(tokenizer: &'a Tokenizer, shelf: &'a Shelf, files: usize) -> Self {
        let writer = |split| TokensWriter::new(shelf, split, SHARD_TOKENS, tokenizer.end_of_text());
        Self {
            tokenizer,
            shelf,
            training: writer(Split::Training),
            validation: writer(Split::Validation),
            file_tokens: vec![0; files],
            batch: Vec::new(),
            batch_bytes: 0,
        }
    }
}

impl ChunkSink for Encoder<'_> {
    fn push(&mut self, chunk: Chunk) -> Result<(), CorpusError> {
        self.batch_bytes += chunk.text.len();
        self.batch.push(chunk);
        let is_full = self.batch_bytes >= BYTES_PER_CORE * rayon::current_num_threads();
        if is_full || self.batch.len() == MAX_CHUNKS { self.encode_batch() } else { Ok(()) }
    }
}

impl Encoder<'_> {
    /// Encodes the chunks of a batch side by side and writes their ids in order.
    fn encode_batch(&mut self) -> Result<(), CorpusError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let ids: Vec<ChunkIds> = batch.par_iter().map(|chunk| ChunkIds::of(chunk, self.tokenizer)).collect();
        for (chunk, ids) in batch.iter().zip(ids) {
            if chunk.is_first {
                self.training.begin_document();
                self.validation.begin_document();
            }
            self.file_tokens[chunk.file] += ids.whole;
            self.training
                .push(&ids.training)
                .and_then(|()| self.validation.push(&ids.validation))
                .map_err(CorpusError::cache(&self.shelf.folder))?;
        }
        Ok(())
    }

    /// Encodes what is left, and gives the length of each file in ids and the lengths of both splits.
    pub(super) fn finish(mut self) -> Result<(Vec<u64>, Written, Written), CorpusError> {
        self.encode_batch()?;
        let training = self.training.finish().map_err(CorpusError::cache(&self.shelf.folder))?;
        let validation = self.validation.finish().map_err(CorpusError::cache(&self.shelf.folder))?;
        Ok((self.file_tokens, training, validation))
    }
}

/// The ids of a chunk.
struct ChunkIds {
    training: Vec<u32>,
    validation: Vec<u32>,
    /// Number of ids of the chunk as a whole: the border may lie inside a word.
    whole: u64,
}

impl ChunkIds {
    fn of(chunk: &Chunk, tokenizer: &Tokenizer) -> Self {
        let (training, validation) = chunk.text.split_at(chunk.border);
        let begins = chunk.is_first;
        let validation = tokenizer.encode_part(validation, begins && training.is_empty());
        let training = tokenizer.encode_part(training, begins);
        let whole = if training.is_empty() || validation.is_empty() {
            training.len() + validation.len()
        } else {
            tokenizer.encode_part(&chunk.text, begins).len()
        };
        Self { training, validation, whole: whole as u64 }
    }
}
