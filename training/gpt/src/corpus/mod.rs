//! From files, folders and addresses to token ids on disk.
//!
//! - [`source`]: where texts lie, with `download` for public addresses and [`s3`] for buckets;
//! - `text`, `gutenberg` and `document`: a file as normalised text, and which part of it is read;
//! - `chunks` and `encode`: a text cut where that changes no id, encoded on all cores;
//! - `shard`, [`tokens`] and `cache`: the ids as files, written once and mapped into memory.
//!
//! Each document is split by characters: its first part is for training, the rest for validation.
//! So every document is in both, and one document alone is split as it always was. In each split,
//! documents are separated by the id of `<|endoftext|>`. Nothing here takes memory that grows with
//! the length of a text.

use std::path::{Path, PathBuf};

use artifact::manifest::CorpusEntry;
use artifact::{Sha256Hex, Tokenizer};
use rayon::prelude::*;

use cache::Encoded;
use document::Document;

mod cache;
mod chunks;
mod document;
mod download;
mod encode;
mod error;
mod gutenberg;
mod prompts;
pub mod s3;
mod shard;
pub mod source;
mod text;
pub mod tokens;

pub use error::CorpusError;
pub use source::Source;
pub use tokens::Tokens;

/// More documents than this are one entry of a manifest, which has to stay small.
const MAX_ENTRIES: usize = 1_000;

/// Gets the objects `.txt` under an address `s3://bucket/prefix` into a folder, and names the files
/// in an order that does not change.
pub type FetchS3<'a> =
    dyn Fn(&str, &Path) -> Result<Vec<PathBuf>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// What is needed to load a corpus.
pub struct Loader<'a> {
    /// Encodes the texts.
    pub tokenizer: &'a Tokenizer,
    /// Share of each document's characters to train on; the rest validates.
    pub train_fraction: f64,
    /// The folder for downloads and token ids; it is made if it does not exist.
    pub cache: &'a Path,
    /// Gets texts from S3.
    pub fetch_s3: &'a FetchS3<'a>,
    /// Takes notes for the person who waits.
    pub notify: &'a dyn Fn(&str),
}

/// Texts to train on, and their token ids.
#[derive(Debug)]
pub struct Corpus {
    sha256: Sha256Hex,
    documents: Vec<Document>,
    encoded: Encoded,
    example_prompts: Vec<String>,
}

impl Loader<'_> {
    /// Reads all texts of `sources`, in this order, and encodes them unless the cache has their ids.
    ///
    /// # Errors
    /// If there is no text, one cannot be read or is not UTF-8, or the cache cannot be written.
    pub fn load(&self, sources: &[Source]) -> Result<Corpus, CorpusError> {
        if sources.is_empty() {
            return Err(CorpusError::NoSources);
        }
        let mut files = Vec::new();
        for source in sources {
            files.extend(source.files(self)?);
        }
        let documents: Vec<Document> =
            files.par_iter().map(|file| Document::scan(file)).collect::<Result<_, _>>()?;
        let example_prompts = prompts::examples(&documents)?;
        let (sha256, encoded) = cache::encoded(self, &documents)?;
        Ok(Corpus { sha256, documents, encoded, example_prompts })
    }
}

impl Corpus {
    /// The name of the only document, or how many there are.
    pub fn name(&self) -> String {
        match &self.documents[..] {
            [document] => document.name(),
            documents => format!("{} documents", documents.len()),
        }
    }

    /// Digest of everything that the token ids depend on: texts, tokenizer and split.
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// Number of ids of all documents, training and validation together, without separators.
    pub fn tokens(&self) -> u64 {
        self.encoded.document_tokens.iter().sum()
    }

    /// How a manifest records it: each document, or all as one where there are very many.
    pub fn entries(&self) -> Vec<CorpusEntry> {
        if self.documents.len() > MAX_ENTRIES {
            let (name, sha256) = (self.name(), self.sha256.clone());
            return vec![CorpusEntry { name, sha256, tokens: self.tokens() as usize }];
        }
        let entry = |(document, &tokens): (&Document, &u64)| CorpusEntry {
            name: document.name(),
            sha256: document.sha256().clone(),
            tokens: tokens as usize,
        };
        self.documents.iter().zip(&self.encoded.document_tokens).map(entry).collect()
    }

    /// The first words of a few paragraphs from all over the corpus: prompts that a model trained on
    /// it can be expected to continue.
    pub fn example_prompts(&self) -> &[String] {
        &self.example_prompts
    }

    /// The ids to train on.
    pub fn training(&self) -> &Tokens {
        &self.encoded.training
    }

    /// The ids to validate with.
    pub fn validation(&self) -> &Tokens {
        &self.encoded.validation
    }
}

/// The folder for the cache where none is given: `troelsllm/corpora` in the user's cache folder.
///
/// # Errors
/// If the environment names none.
pub fn default_cache() -> Result<PathBuf, CorpusError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|folder| folder.join("troelsllm/corpora"))
        .ok_or(CorpusError::NoCacheFolder)
}
