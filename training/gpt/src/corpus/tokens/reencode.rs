//! Ids of the same text for another tokenizer: models with different tokenizers are compared on one text.
//!
//! The text is decoded from its ids, so it is what one model was judged by, wherever the texts have gone since.

use std::io;
use std::path::Path;

use artifact::Tokenizer;
use artifact::tokenizer::Pattern;

use super::chunks::Chunker;
use super::encode::Encoder;
use super::ids::Tokens;
use super::shelf::{IdBytes, Shelf, Split};
use super::surveyed::ChunkSink;
use super::token_bytes::TokenBytes;
use crate::corpus::error::CorpusError;
use crate::corpus::outline::Placement;

/// Ids that are read at a time, for about 64 KiB of text.
const BLOCK_TOKENS: usize = 1 << 14;

/// The text of `tokens`, which are ids of the tokenizer `from`, as ids of the tokenizer `to`, document by document.
/// Its shards are in a temporary folder, and go when they are no longer read.
///
/// # Errors
/// If the ids stand for no text, or the folder cannot be written.
pub fn reencode(tokens: &Tokens, from: &Tokenizer, to: &Tokenizer) -> Result<Tokens, CorpusError> {
    // Open files stay readable when their folder is gone.
    let folder = tempfile::tempdir().map_err(CorpusError::io(&std::env::temp_dir()))?;
    let sha256 = to.reference().sha256;
    let id_bytes = IdBytes::of_vocabulary(to.vocab_size());
    let shelf =
        Shelf { folder: folder.path().to_owned(), tokenizer: sha256.clone(), corpus: sha256, id_bytes };
    let mut encoder = Encoder::new(to, &shelf, 1);
    let begin = || Document::new(folder.path(), to.pattern());
    let end_of_text = from.end_of_text().map(i64::from);
    let mut document = begin();
    for start in (0..tokens.count()).step_by(BLOCK_TOKENS) {
        let ids = tokens.read(start, BLOCK_TOKENS);
        for (index, ids) in ids.split(|&id| Some(id) == end_of_text).enumerate() {
            if index > 0 {
                std::mem::replace(&mut document, begin()).finish(&mut encoder)?;
            }
            document.push(ids, from, &mut encoder)?;
        }
    }
    document.finish(&mut encoder)?;
    let (_, _, written) = encoder.finish()?;
    let damaged = |damage: super::shelf::Damage| CorpusError::Damaged {
        path: folder.path().to_owned(),
        damage: damage.to_string(),
    };
    Tokens::open(&shelf, Split::Validation, written, TokenBytes::of(to)).map_err(damaged)
}

/// A document that is decoded piece by piece.
struct Document<'a> {
    folder: &'a Path,
    chunker: Chunker,
    /// Bytes of a character that has begun but not ended.
    begun: Vec<u8>,
}

impl<'a> Document<'a> {
    fn new(folder: &'a Path, pattern: Option<Pattern>) -> Self {
        let chunker = Chunker::new(0, folder, Placement::Validation, pattern);
        Self { folder, chunker, begun: Vec::new() }
    }

    /// Goes on with some ids.
    fn push(&mut self, ids: &[i64], from: &Tokenizer, encoder: &mut Encoder<'_>) -> Result<(), CorpusError> {
        let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
        self.begun.extend(from.decode_bytes(&ids).map_err(|error| self.no_text(error))?);
        let complete = match std::str::from_utf8(&self.begun) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.begun.len(),
        };
        let begun = self.begun.split_off(complete);
        let text = String::from_utf8(std::mem::replace(&mut self.begun, begun));
        let chunk = self.chunker.push(&text.map_err(|error| self.no_text(error))?)?;
        chunk.map_or(Ok(()), |chunk| encoder.push(chunk))
    }

    fn finish(self, encoder: &mut Encoder<'_>) -> Result<(), CorpusError> {
        if !self.begun.is_empty() {
            return Err(self.no_text("a character is incomplete at the end of a document"));
        }
        let (last, _) = self.chunker.finish()?;
        last.map_or(Ok(()), |chunk| encoder.push(chunk))
    }

    fn no_text(&self, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CorpusError {
        CorpusError::io(self.folder)(io::Error::new(io::ErrorKind::InvalidData, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::text::documents::tests::file;
    use crate::corpus::tokens::encoded;
    use crate::corpus::{CorpusSettings, Loader};

    /// Short documents, and one of many blocks, whose ends cut characters.
    #[test]
    fn the_text_is_the_same_document_by_document() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let texts = ["One.", &"字 🎨 é, and so on. ".repeat(20_000), "Three.\n"];
        let folder = tempfile::tempdir().unwrap();
        let files = texts.iter().enumerate();
        let files: Vec<_> =
            files.map(|(index, text)| file(folder.path(), &index.to_string(), text.as_bytes())).collect();
        let loader = Loader {
            train_fraction: 0.0,
            cache: folder.path(),
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|_| (),
        };
        let (_, encoded) = encoded(&loader, &tokenizer, &files, &CorpusSettings::default()).unwrap();
        let before = encoded.validation;
        assert!(before.count() > 4 * BLOCK_TOKENS);
        let after = reencode(&before, &tokenizer, &tokenizer).unwrap();
        let ids = |tokens: &Tokens| tokens.read(0, tokens.count());
        assert!(ids(&after) == ids(&before));
        assert_eq!(after.bytes(&ids(&after)), texts.iter().map(|text| text.len()).sum::<usize>());
    }

    #[test]
    fn ids_that_stand_for_no_text_are_an_error() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        // The first ids of GPT-2 are single bytes: those of ASCII, then such as only continue a character.
        let tokens = crate::corpus::tokens::ids::tests::tokens(200);
        let error = reencode(&tokens, &tokenizer, &tokenizer).unwrap_err();
        assert!(error.to_string().contains("utf-8"), "{error}");
    }
}
