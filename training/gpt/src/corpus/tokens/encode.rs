//! Tokenization of documents on all cores, in memory that does not depend on their length.

use artifact::Tokenizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chunks::{Chunk, Chunks};
use super::ids::{SHARD_TOKENS, TokensWriter, Written};
use super::shelf::{Shelf, Split};
use crate::corpus::error::CorpusError;
use crate::corpus::text::Document;

/// Chunks that are in memory for each core: so many that no core waits long for the slowest.
const CHUNKS_PER_CORE: usize = 8;

/// Index of an encoded corpus: lengths of documents and splits.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Length of each document in ids, without separators.
    pub document_tokens: Vec<u64>,
    /// To train on.
    pub training: Written,
    /// To validate with.
    pub validation: Written,
}

/// Encodes `documents` into shards: the first `train_fraction` of each document's characters for
/// training, the rest for validation.
///
/// # Errors
/// If a document cannot be read or a shard cannot be written.
pub fn encode(
    documents: &[Document],
    tokenizer: &Tokenizer,
    train_fraction: f64,
    shelf: &Shelf,
) -> Result<Index, CorpusError> {
    let mut encoder = Encoder {
        tokenizer,
        shelf,
        training: TokensWriter::new(shelf, Split::Training, SHARD_TOKENS),
        validation: TokensWriter::new(shelf, Split::Validation, SHARD_TOKENS),
        document_tokens: vec![0; documents.len()],
    };
    // Chunks of different documents share a batch, so that many small files keep all cores busy too.
    let mut batch = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        for chunk in Chunks::open(index, document, train_fraction)? {
            batch.push(chunk?);
            if batch.len() == CHUNKS_PER_CORE * rayon::current_num_threads() {
                encoder.encode(&batch)?;
                batch.clear();
            }
        }
    }
    encoder.encode(&batch)?;
    encoder.finish()
}

struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    shelf: &'a Shelf,
    training: TokensWriter<'a>,
    validation: TokensWriter<'a>,
    document_tokens: Vec<u64>,
}

impl Encoder<'_> {
    /// Encodes chunks side by side and writes their ids in order.
    fn encode(&mut self, batch: &[Chunk]) -> Result<(), CorpusError> {
        let ids: Vec<ChunkIds> = batch.par_iter().map(|chunk| ChunkIds::of(chunk, self.tokenizer)).collect();
        for (chunk, ids) in batch.iter().zip(ids) {
            if chunk.is_first {
                self.training.begin_document();
                self.validation.begin_document();
            }
            self.document_tokens[chunk.document] += ids.whole;
            self.training
                .push(&ids.training)
                .and_then(|()| self.validation.push(&ids.validation))
                .map_err(CorpusError::cache(&self.shelf.folder))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Index, CorpusError> {
        Ok(Index {
            document_tokens: self.document_tokens,
            training: self.training.finish().map_err(CorpusError::cache(&self.shelf.folder))?,
            validation: self.validation.finish().map_err(CorpusError::cache(&self.shelf.folder))?,
        })
    }
}

/// The ids of a chunk.
struct ChunkIds {
    training: Vec<u16>,
    validation: Vec<u16>,
    /// Number of ids of the chunk as a whole: the border may lie inside a word.
    whole: u64,
}

impl ChunkIds {
    fn of(chunk: &Chunk, tokenizer: &Tokenizer) -> Self {
        // All ids are below END_OF_TEXT, which fits.
        let encode =
            |text: &str| -> Vec<u16> { tokenizer.encode(text).into_iter().map(|id| id as u16).collect() };
        let (training, validation) = chunk.text.split_at(chunk.border);
        let (training, validation) = (encode(training), encode(validation));
        let whole = if training.is_empty() || validation.is_empty() {
            training.len() + validation.len()
        } else {
            tokenizer.encode(&chunk.text).len()
        };
        Self { training, validation, whole: whole as u64 }
    }
}
