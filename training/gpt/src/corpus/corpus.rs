//! Corpus: documents and their token ids, in two splits.

use artifact::Sha256Hex;
use artifact::manifest::CorpusEntry;
use rayon::prelude::*;

use super::error::CorpusError;
use super::loader::Loader;
use super::source::{Source, local_files};
use super::text::{Document, example_prompts};
use super::tokens::{Encoded, Tokens, encoded};

/// More documents than this are one entry of a manifest, which has to stay small.
const MAX_ENTRIES: usize = 1_000;

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
            files.extend(local_files(source, self)?);
        }
        let documents: Vec<Document> =
            files.par_iter().map(|file| Document::scan(file)).collect::<Result<_, _>>()?;
        let example_prompts = example_prompts(&documents)?;
        let (sha256, encoded) = encoded(self, &documents)?;
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

    /// Its entries in a manifest: one for each document, or one for all where there are very many.
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
