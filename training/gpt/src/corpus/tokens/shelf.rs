//! Shelf of a corpus: the folder and the header that its shards share.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `GPTTOKEN` |
//! | 4 | version of this format: 1 with ids of two bytes, 2 with ids of four |
//! | 4 | split: 0 training, 1 validation |
//! | 8 | number of the shard in its split, from 0 |
//! | 8 | number of token ids |
//! | 64 | SHA-256 of the tokenizer's vocabulary, as text |
//! | 64 | SHA-256 that names the corpus, as text |
//! | 32 | SHA-256 of the token ids |
//! | 2 or 4 each | token ids |
//!
//! Numbers are unsigned and little endian.

use std::io;
use std::path::{Path, PathBuf};

use artifact::Sha256Hex;

/// Beginning of every shard.
pub(super) const MAGIC: &[u8; 8] = b"GPTTOKEN";
/// Length of the header.
pub(super) const HEADER_BYTES: usize = 192;

/// Part of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// To train on.
    Training,
    /// To validate with.
    Validation,
}

impl Split {
    /// The word for it in messages and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
        }
    }
}

/// Length of an id in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdBytes {
    /// For vocabularies of at most 65,536 ids.
    Two,
    /// For larger ones.
    Four,
}

impl IdBytes {
    /// The shortest for this many ids.
    pub fn of_vocabulary(vocab_size: usize) -> Self {
        if vocab_size <= 1 << 16 { Self::Two } else { Self::Four }
    }

    /// In bytes.
    pub fn count(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Version of the format.
    fn version(self) -> u32 {
        match self {
            Self::Two => 1,
            Self::Four => 2,
        }
    }
}

/// The corpus that shards belong to, and their folder.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The folder of the shards.
    pub folder: PathBuf,
    /// Digest of the tokenizer's vocabulary.
    pub tokenizer: Sha256Hex,
    /// Digest that names the corpus.
    pub corpus: Sha256Hex,
    /// Length of its ids.
    pub id_bytes: IdBytes,
}

impl Shelf {
    /// The file of a shard.
    pub fn path(&self, split: Split, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{number:05}.tokens", split.name()))
    }

    /// The beginning of a shard with so many ids, whose SHA-256 is `digest`.
    pub(super) fn header(&self, split: Split, number: u64, tokens: u64, digest: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend(MAGIC);
        header.extend(self.id_bytes.version().to_le_bytes());
        header.extend((split as u32).to_le_bytes());
        header.extend(number.to_le_bytes());
        header.extend(tokens.to_le_bytes());
        header.extend(self.tokenizer.as_str().as_bytes());
        header.extend(self.corpus.as_str().as_bytes());
        header.extend(digest);
        header
    }
}

/// Why a cached file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its contents are wrong.
    #[error("{path}: expected {expected}, found {found}")]
    Differs {
        /// The file.
        path: PathBuf,
        /// Right contents.
        expected: String,
        /// Contents that were found.
        found: String,
    },
}

impl Damage {
    /// Names the file that an I/O error is about.
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Says how a file differs from what it should be.
    pub fn differs(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Differs { path: path.to_owned(), expected: expected.into(), found: found.into() }
    }
}
