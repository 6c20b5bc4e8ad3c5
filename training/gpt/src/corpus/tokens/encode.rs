//! Tokenization of documents on all cores, in memory that does not depend on their length.

use std::io;

use artifact::Tokenizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chunks::{CHUNK_BYTES, Chunk, Chunker};
use super::ids::{SHARD_TOKENS, TokensWriter, Written};
use super::shelf::{Shelf, Split};
use crate::corpus::error::CorpusError;
use crate::corpus::outline::{Contents, Entry, Outline, Placement, SplitRule};
use crate::corpus::settings::CorpusSettings;
use crate::corpus::text::{DocumentSink, Documents, TextFile};

/// Text that is in memory for each core: so many chunks that no core waits long for the slowest.
const BYTES_PER_CORE: usize = 8 * CHUNK_BYTES;
/// Chunks that are in memory, where they are short.
const MAX_CHUNKS: usize = 1 << 14;

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

/// Numbers of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Whole ones to train on.
    pub training: u64,
    /// Whole ones to validate with.
    pub validation: u64,
    /// In both.
    pub cut: u64,
    /// In none.
    pub left_out: u64,
}

/// Encodes the documents of `files` into shards, each where `rule` says.
///
/// # Errors
/// If a file cannot be read or is no longer what `outline` says, or a shard cannot be written.
pub fn encode(
    files: &[(&TextFile, &Contents)],
    settings: &CorpusSettings,
    outline: &Outline,
    rule: &SplitRule,
    tokenizer: &Tokenizer,
    shelf: &Shelf,
) -> Result<Lengths, CorpusError> {
    let mut encoder = Encoder::new(tokenizer, shelf, files.len());
    let mut entries = outline.entries().map_err(CorpusError::cache(&shelf.folder))?;
    let mut placed = Placed::default();
    for (index, (file, contents)) in files.iter().enumerate() {
        let mut documents = Documents::open(file, settings, contents.bodies.as_deref())?;
        let mut reader = DocumentReader {
            index,
            file,
            rule,
            entries: &mut entries,
            placed: &mut placed,
            encoder: &mut encoder,
            current: None,
        };
        while documents.read(&mut reader, None)? {}
        file.check_unchanged()?;
    }
    let (file_tokens, training, validation) = encoder.finish()?;
    Ok(Lengths { file_tokens, placed, training, validation })
}

/// Cuts the documents of a file into chunks.
struct DocumentReader<'a, 'b> {
    index: usize,
    file: &'a TextFile,
    rule: &'a SplitRule,
    entries: &'a mut dyn Iterator<Item = io::Result<Entry>>,
    placed: &'a mut Placed,
    encoder: &'a mut Encoder<'b>,
    /// The document that is being read, and where it goes.
    current: Option<(Entry, Placement, Chunker)>,
}

impl DocumentReader<'_, '_> {
    /// Begins the document that comes next in the outline.
    fn begin(&mut self) -> Result<(Entry, Placement, Chunker), CorpusError> {
        let entry = self.entries.next().ok_or_else(|| self.file.changed())?;
        let entry = entry.map_err(CorpusError::cache(&self.encoder.shelf.folder))?;
        let placement = self.rule.place(entry, self.file.is_validation());
        *match placement {
            Placement::Training => &mut self.placed.training,
            Placement::Validation => &mut self.placed.validation,
            Placement::Cut { .. } => &mut self.placed.cut,
            Placement::LeftOut => &mut self.placed.left_out,
        } += 1;
        Ok((entry, placement, Chunker::new(self.index, self.file.path(), placement)))
    }
}

impl DocumentSink for DocumentReader<'_, '_> {
    fn text(&mut self, text: &str) -> Result<(), CorpusError> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        let (_, placement, chunker) = &mut current;
        if *placement != Placement::LeftOut
            && let Some(chunk) = chunker.push(text)?
        {
            self.encoder.push(chunk)?;
        }
        self.current = Some(current);
        Ok(())
    }

    fn end(&mut self) -> Result<(), CorpusError> {
        let Some((entry, placement, chunker)) = self.current.take() else { return Ok(()) };
        if placement == Placement::LeftOut {
            return Ok(());
        }
        let (last, characters) = chunker.finish()?;
        if characters != entry.characters {
            return Err(self.file.changed());
        }
        last.map_or(Ok(()), |chunk| self.encoder.push(chunk))
    }
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
        Self {
            tokenizer,
            shelf,
            training: TokensWriter::new(shelf, Split::Training, SHARD_TOKENS),
            validation: TokensWriter::new(shelf, Split::Validation, SHARD_TOKENS),
            file_tokens: vec![0; files],
            batch: Vec::new(),
            batch_bytes: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: Chunk) -> Result<(), CorpusError> {
        self.batch_bytes += chunk.text.len();
        self.batch.push(chunk);
        let is_full = self.batch_bytes >= BYTES_PER_CORE * rayon::current_num_threads();
        if is_full || self.batch.len() == MAX_CHUNKS { self.encode_batch() } else { Ok(()) }
    }

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
