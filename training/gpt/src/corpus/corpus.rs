//! Corpus: documents and their token ids, in two splits.

use artifact::Sha256Hex;
use artifact::manifest::CorpusEntry;
use rayon::prelude::*;

use super::error::CorpusError;
use super::loader::Loader;
use super::report::report;
use super::settings::CorpusSettings;
use super::source::{Source, SourceFile, local_files};
use super::text::{TextFile, example_prompts};
use super::tokens::{Encoded, Tokens, encoded};

/// More files than this are one entry of a manifest, which has to stay small.
const MAX_ENTRIES: usize = 1_000;

/// Texts to train on, and their token ids.
#[derive(Debug)]
pub struct Corpus {
    sha256: Sha256Hex,
    files: Vec<TextFile>,
    encoded: Encoded,
    example_prompts: Vec<String>,
}

impl Loader<'_> {
    /// Reads all texts of `sources` as [`load_corpus`](Self::load_corpus) does, with the default settings.
    ///
    /// # Errors
    /// If there is no text, one cannot be read, or the cache cannot be written.
    pub fn load(&self, sources: &[Source]) -> Result<Corpus, CorpusError> {
        self.load_corpus(&CorpusSettings { sources: sources.to_vec(), ..CorpusSettings::default() })
    }

    /// Reads all texts of a corpus, in order, and encodes them unless the cache has their ids. Tells what was read and
    /// what was not.
    ///
    /// # Errors
    /// If there is no text, one cannot be read, or the cache cannot be written.
    pub fn load_corpus(&self, settings: &CorpusSettings) -> Result<Corpus, CorpusError> {
        if settings.sources.is_empty() {
            return Err(CorpusError::NoSources);
        }
        let mut found: Vec<(SourceFile, bool)> = Vec::new();
        for (sources, is_validation) in [(&settings.sources, false), (&settings.validation, true)] {
            for source in sources {
                found.extend(local_files(source, self)?.into_iter().map(|file| (file, is_validation)));
            }
        }
        let open = |(file, is_validation): &(SourceFile, bool)| {
            TextFile::open(&file.path, file.format, *is_validation)
        };
        let files: Vec<TextFile> = found.par_iter().map(open).collect::<Result<_, _>>()?;
        let (sha256, encoded) = encoded(self, &files, settings)?;
        report(&files, settings, &encoded.index).iter().for_each(|line| (self.notify)(line));
        let bodies = encoded.index.contents.iter().map(|contents| contents.bodies.as_deref());
        let to_train_on: Vec<_> =
            files.iter().zip(bodies).filter(|(file, _)| !file.is_validation()).collect();
        let example_prompts = example_prompts(&to_train_on, settings, self.tokenizer)?;
        Ok(Corpus { sha256, files, encoded, example_prompts })
    }
}

impl Corpus {
    /// The name of the only file, or how many documents there are.
    pub fn name(&self) -> String {
        match &self.files[..] {
            [file] => file.name(),
            _ => format!("{} documents", self.documents()),
        }
    }

    /// Digest of everything that the token ids depend on: texts, how they are read, tokenizer and split.
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// Number of documents: a file has one or more.
    pub fn documents(&self) -> u64 {
        self.encoded.index.contents.iter().map(|contents| contents.documents).sum()
    }

    /// Number of ids of all documents, training and validation together, without separators.
    pub fn tokens(&self) -> u64 {
        self.encoded.index.lengths.file_tokens.iter().sum()
    }

    /// Its entries in a manifest: one for each file, or one for all where there are very many.
    pub fn entries(&self) -> Vec<CorpusEntry> {
        if self.files.len() > MAX_ENTRIES {
            let (name, sha256) = (self.name(), self.sha256.clone());
            return vec![CorpusEntry { name, sha256, tokens: self.tokens() as usize }];
        }
        let entry = |(file, &tokens): (&TextFile, &u64)| CorpusEntry {
            name: file.name(),
            sha256: file.sha256().clone(),
            tokens: tokens as usize,
        };
        self.files.iter().zip(&self.encoded.index.lengths.file_tokens).map(entry).collect()
    }

    /// The beginnings of a few paragraphs from all over the corpus: prompts that a model trained on
    /// it can be expected to continue.
    pub fn example_prompts(&self) -> &[String] {
        &self.example_prompts
    }

    /// The same corpus with other example prompts, if there are any.
    #[must_use]
    pub fn with_example_prompts(mut self, prompts: &[String]) -> Self {
        if !prompts.is_empty() {
            self.example_prompts = prompts.to_vec();
        }
        self
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
