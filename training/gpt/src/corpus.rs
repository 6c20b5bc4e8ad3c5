//! A text to train on.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use artifact::{Sha256Hex, Tokenizer, manifest::CorpusEntry};

/// The text is held in memory; a file beyond this is more likely a mistake.
const MAX_CORPUS_BYTES: u64 = 1 << 28;

/// Number of example prompts taken from a text.
const EXAMPLE_PROMPTS: usize = 3;
/// Words in each of them.
const PROMPT_WORDS: usize = 4;

/// A text, its name and its hash.
#[derive(Clone, Debug)]
pub struct Corpus {
    name: String,
    sha256: Sha256Hex,
    text: String,
}

/// Why a text cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// It could not be read.
    #[error("corpus {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is too long.
    #[error("corpus {path}: it is longer than {MAX_CORPUS_BYTES} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is not text, or not in this encoding.
    #[error(
        "corpus {path}: byte {offset} is not valid UTF-8; convert it, for example: iconv -f latin1 -t utf8"
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        offset: usize,
    },
}

impl Corpus {
    /// Reads a text file.
    ///
    /// # Errors
    /// If it cannot be read, is too long or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let at = |source| CorpusError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(at)?;
        let mut bytes = Vec::new();
        file.take(MAX_CORPUS_BYTES + 1).read_to_end(&mut bytes).map_err(at)?;
        if bytes.len() as u64 > MAX_CORPUS_BYTES {
            return Err(CorpusError::TooLong { path: path.to_owned() });
        }
        let sha256 = Sha256Hex::of_bytes(&bytes);
        let text = String::from_utf8(bytes).map_err(|error| CorpusError::NotUtf8 {
            path: path.to_owned(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, sha256, text })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// File name, without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a manifest records it.
    pub fn entry(&self, tokenizer: &Tokenizer) -> CorpusEntry {
        CorpusEntry {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
            tokens: tokenizer.encode(&self.text).len(),
        }
    }

    /// The first words of a few paragraphs from all over the text: prompts that a model trained on
    /// it can be expected to continue.
    pub fn example_prompts(&self) -> Vec<String> {
        let openings: Vec<String> = self
            .text
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().take(PROMPT_WORDS).collect::<Vec<_>>())
            .filter(|words| words.len() == PROMPT_WORDS)
            .map(|words| words.join(" "))
            .collect();
        let step = openings.len().div_ceil(EXAMPLE_PROMPTS).max(1);
        openings.into_iter().step_by(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Corpus, CorpusError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        Corpus::read(file.path())
    }

    #[test]
    fn names_the_byte_that_is_not_utf8() {
        let error = read(b"caf\xe9 noir").unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 3, .. }), "{error}");
    }

    #[test]
    fn names_the_file_that_is_missing() {
        let error = Corpus::read(Path::new("no/such/file.txt")).unwrap_err();
        assert!(error.to_string().contains("no/such/file.txt"), "{error}");
    }

    #[test]
    fn takes_prompts_from_all_over_the_text() {
        let text: String = (0..9).map(|i| format!("Paragraph {i} begins here and\ngoes on.\n\n")).collect();
        let prompts = read(text.as_bytes()).unwrap().example_prompts();
        assert_eq!(
            prompts,
            ["Paragraph 0 begins here", "Paragraph 3 begins here", "Paragraph 6 begins here"]
        );
        assert!(read(b"").unwrap().example_prompts().is_empty());
    }
}
