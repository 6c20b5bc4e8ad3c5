//! Chunks of a text whose ids, one after the other, are the ids of the whole text.
//!
//! GPT-2 first splits a text into pieces and then encodes each piece by itself. The pieces are the
//! matches of
//!
//! ```text
//! '(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s
//! ```
//!
//! White space that follows another character always begins a new piece: a piece has white space
//! only as its first character, or consists of nothing else. So a text may be cut there. Before the
//! cut, no match changes: none reaches beyond it, and the two that look ahead (`$` and `(?!\S)`) look
//! at what follows white space, which is still there, as the chunk ends in another character. After
//! the cut, none changes either, since the expression never looks back.

use crate::corpus::error::CorpusError;
use crate::corpus::text::{BodyReader, Document};

/// A chunk is cut as soon as it is this long. Cores work on several at a time.
const CHUNK_BYTES: usize = 1 << 17;

/// A text that cannot be cut for so long is refused: memory is bounded, and the matcher of the
/// expression above gives up at a million characters of white space.
const MAX_CHUNK_BYTES: usize = 1 << 19;

/// A part of a document.
#[derive(Debug, PartialEq)]
pub struct Chunk {
    /// The document's place in the corpus.
    pub document: usize,
    /// Whether the document begins with it.
    pub is_first: bool,
    /// The text.
    pub text: String,
    /// Border between training and validation in `text`, in bytes.
    pub border: usize,
}

/// The chunks of a document.
pub struct Chunks<'a> {
    index: usize,
    document: &'a Document,
    body: BodyReader,
    /// Text that has been read and not handed out.
    text: String,
    /// Bytes that have been handed out.
    bytes: u64,
    /// Characters that have been handed out.
    characters: u64,
    /// Characters to train on.
    train_characters: u64,
}

impl<'a> Chunks<'a> {
    /// The chunks of the document at `index`, whose first `train_fraction` of characters is for
    /// training.
    ///
    /// # Errors
    /// If the document cannot be opened.
    pub fn open(index: usize, document: &'a Document, train_fraction: f64) -> Result<Self, CorpusError> {
        Ok(Self {
            index,
            document,
            body: document.open()?,
            text: String::new(),
            bytes: 0,
            characters: 0,
            train_characters: (document.characters() as f64 * train_fraction) as u64,
        })
    }

    /// The next chunk, or none at the end of the document.
    fn read(&mut self) -> Result<Option<Chunk>, CorpusError> {
        while self.body.read_block(&mut self.text)? {
            if self.text.len() < CHUNK_BYTES {
                continue;
            }
            if let Some(cut) = last_cut(&self.text) {
                let rest = self.text.split_off(cut);
                return Ok(Some(self.hand_out(rest)));
            }
            self.check_length()?;
        }
        self.check_length()?;
        if !self.text.is_empty() {
            return Ok(Some(self.hand_out(String::new())));
        }
        if self.characters != self.document.characters() {
            return Err(CorpusError::Changed { path: self.document.path().to_owned() });
        }
        Ok(None)
    }

    /// Hands out the text that has been read, and goes on with `rest`.
    fn hand_out(&mut self, rest: String) -> Chunk {
        let text = std::mem::replace(&mut self.text, rest);
        let train_characters = self.train_characters.saturating_sub(self.characters) as usize;
        let is_first = self.bytes == 0;
        let border = text.char_indices().nth(train_characters).map_or(text.len(), |(offset, _)| offset);
        self.bytes += text.len() as u64;
        self.characters += text.chars().count() as u64;
        Chunk { document: self.index, is_first, text, border }
    }

    fn check_length(&self) -> Result<(), CorpusError> {
        if self.text.len() <= MAX_CHUNK_BYTES {
            return Ok(());
        }
        Err(CorpusError::NoWordEnds {
            path: self.document.path().to_owned(),
            offset: self.bytes,
            length: MAX_CHUNK_BYTES,
        })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<Chunk, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The last place where `text` may be cut: before white space that follows another character.
fn last_cut(text: &str) -> Option<usize> {
    let mut before_white_space = false;
    for (offset, character) in text.char_indices().rev() {
        if before_white_space && !character.is_whitespace() {
            return Some(offset + character.len_utf8());
        }
        before_white_space = character.is_whitespace();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use artifact::Tokenizer;
    use proptest::prelude::*;

    use super::*;

    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::gpt2().unwrap());

    fn document(text: &str) -> (tempfile::NamedTempFile, Document) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let document = Document::scan(file.path()).unwrap();
        (file, document)
    }

    #[test]
    fn cuts_before_white_space_only() {
        for (text, expected) in [
            ("one two", Some("one")),
            ("one  \n two  ", Some("one  \n two")),
            ("one", None),
            ("  \n one", None),
            ("  \n ", None),
            ("", None),
            ("été\u{3000}", Some("été")),
        ] {
            assert_eq!(last_cut(text).map(|cut| &text[..cut]), expected, "{text:?}");
        }
    }

    #[test]
    fn chunks_are_the_text_and_meet_the_border_between_training_and_validation() {
        let text = "é word's 12  \n\n".repeat(40_000);
        let (_file, document) = document(&text);
        let chunks: Vec<Chunk> = Chunks::open(7, &document, 0.9).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(chunks.len() >= 4, "{}", chunks.len());
        assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
        let train: String = chunks.iter().map(|chunk| &chunk.text[..chunk.border]).collect();
        // 15 characters, of which 9 in 10 are in the first 36,000 repetitions.
        assert_eq!(train, "é word's 12  \n\n".repeat(36_000));
        let ids: Vec<u32> = chunks.iter().flat_map(|chunk| TOKENIZER.encode(&chunk.text)).collect();
        assert_eq!(ids, TOKENIZER.encode(&text));
    }

    #[test]
    fn a_text_in_which_no_word_ends_is_refused() {
        for character in [" ", "a", "\n"] {
            let (_file, document) = document(&format!("word {}", character.repeat(1_100_000)));
            let result: Result<Vec<_>, _> = Chunks::open(0, &document, 0.9).unwrap().collect();
            let error = result.unwrap_err();
            assert!(matches!(error, CorpusError::NoWordEnds { .. }), "{error}");
        }
        // The longest that is accepted encodes.
        let longest = " ".repeat(MAX_CHUNK_BYTES - 1) + "a";
        let (_file, document) = document(&longest);
        let chunks: Vec<Chunk> = Chunks::open(0, &document, 0.9).unwrap().map(Result::unwrap).collect();
        assert_eq!(TOKENIZER.encode(&chunks[0].text).len(), MAX_CHUNK_BYTES - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Wherever a text may be cut, cutting it changes no id. White space of all kinds, contractions,
        /// letters, numbers, signs, and characters that look like white space and are none.
        #[test]
        fn cutting_changes_no_id(
            text in "([ \n\t\r\u{b}\u{a0}\u{85}\u{3000}\u{2028}\u{200b}\u{180e}']|[a-zé字]{1,3}|'(s|ll|ve|t)|[0-9½]{1,3}|[.,!-]){0,24}"
        ) {
            let whole = TOKENIZER.encode(&text);
            let mut head = text.as_str();
            while let Some(cut) = last_cut(head) {
                head = &head[..cut];
                let ids = [TOKENIZER.encode(head), TOKENIZER.encode(&text[cut..])].concat();
                prop_assert_eq!(&ids, &whole, "{:?} cut at {}", text, cut);
            }
        }

        #[test]
        fn cutting_any_text_changes_no_id(text in any::<String>()) {
            if let Some(cut) = last_cut(&text) {
                let ids = [TOKENIZER.encode(&text[..cut]), TOKENIZER.encode(&text[cut..])].concat();
                prop_assert_eq!(ids, TOKENIZER.encode(&text));
            }
        }
    }
}
