//! Errors of loading a corpus.

use std::io;
use std::path::{Path, PathBuf};

use artifact::Sha256Hex;
use store::PathError;

use super::format::unreadable::Unreadable;

/// Why a corpus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file could not be read.
    #[error("corpus {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is no text in UTF-8.
    #[error(
        "corpus {path}: byte {offset} is not valid UTF-8; find out the encoding of the text (file --mime-encoding FILE) \
         and convert it: iconv -f ENCODING -t utf8 FILE"
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Position of the wrong byte in the file.
        offset: u64,
    },
    /// A file has a zero, which no text has.
    #[error(
        "corpus {path}: byte {offset} is zero; is it a text? If so, remove its zeros (tr -d '\\000'), or leave it out"
    )]
    Zero {
        /// The file.
        path: PathBuf,
        /// Position of the zero in the file.
        offset: u64,
    },
    /// A file that was given is of a kind that is not read.
    #[error("corpus {path}: it is {kind}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The kind, and a remedy.
        kind: Unreadable,
    },
    /// A record of a file has no text.
    #[error("corpus {path}: {place}: {reason}")]
    Record {
        /// The file.
        path: PathBuf,
        /// The line or row.
        place: String,
        /// What was expected, what was found, and a remedy.
        reason: String,
    },
    /// A Parquet file cannot be read.
    #[error(
        "corpus {path}: it cannot be read as Parquet ({reason}); if it is damaged or incomplete, get it again"
    )]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The split pattern of a tokenizer gave up on a text.
    #[error("splitting the corpus into words: {0}")]
    Words(#[source] Box<fancy_regex::Error>),
    /// A stretch of text in which no word ends cannot be encoded in constant memory.
    #[error(
        "corpus {path}: no word or sentence ends in the {length} bytes after byte {offset} of a document; \
         is it a text? Break its lines, or leave it out"
    )]
    NoWordEnds {
        /// The file.
        path: PathBuf,
        /// Beginning of the stretch, in bytes of the document's normalized text.
        offset: u64,
        /// Its length at least, in bytes.
        length: usize,
    },
    /// A file is not the one that was looked at a moment ago.
    #[error("corpus {path}: it changed while it was read; try again when nothing writes to it")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Nothing was asked for.
    #[error("no corpus is given; pass files, folders or addresses: --corpus FILES")]
    NoSources,
    /// One of the splits would be empty.
    #[error(
        "the corpus has too few conversations: {found}, expected at least one to train on and one to validate with; use more, \
         or give some to --validation"
    )]
    FewConversations {
        /// All that there are.
        found: usize,
    },
    /// A source without a text.
    #[error("corpus {source_text}: there is no text in it; {expected}")]
    Nothing {
        /// The source.
        source_text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A file name pattern that is none.
    #[error("corpus {pattern}: not a pattern of file names: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The mistake in it.
        reason: &'static str,
    },
    /// An address could not be read.
    #[error(
        "corpus {url}: {reason}; where there is no network, pass the texts as files instead: --corpus FILES"
    )]
    Download {
        /// The address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// An address holds something else than was expected.
    #[error("corpus {url}: expected SHA-256 {expected}, found {found}; the text there has changed")]
    Digest {
        /// The address.
        url: String,
        /// The digest in the address.
        expected: Sha256Hex,
        /// The digest of what came.
        found: Sha256Hex,
    },
    /// Objects could not be fetched from S3.
    #[error("corpus {address}: {source}")]
    S3 {
        /// `s3://bucket/prefix`
        address: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The token cache could not be written or read.
    #[error("token cache {path}: {source}; pass a folder that can be written and has room: --cache DIR")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A token cache that was just written reads differently.
    #[error("token cache {path}: {damage}, right after it was written; is the disk sound?")]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// The difference.
        damage: String,
    },
    /// The environment names no folder for the cache.
    #[error("neither XDG_CACHE_HOME nor HOME names a folder for the token cache; pass one: --cache DIR")]
    NoCacheFolder,
}

impl CorpusError {
    /// Names the file that an I/O error is about.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Names the cache file that an I/O error is about.
    pub(super) fn cache(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Cache { path: path.to_owned(), source }
    }

    /// The same for an error that names its file already.
    pub(super) fn cache_path(PathError { path, source }: PathError) -> Self {
        Self::Cache { path, source }
    }

    /// The error of a split pattern.
    pub(super) fn words(error: fancy_regex::Error) -> Self {
        Self::Words(Box::new(error))
    }
}
