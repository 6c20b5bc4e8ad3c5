//! Corpus: documents and their token ids, in two splits.

use artifact::manifest::CorpusEntry;
use artifact::tokenizer::Pattern;
use artifact::{ChatTemplate, Sha256Hex, Tokenizer};
use rayon::prelude::*;

use super::conversations::{Examples, Loaded, load_conversations};
use super::error::CorpusError;
use super::loader::Loader;
use super::report::report;
use super::settings::CorpusSettings;
use super::source::{Source, SourceFile, local_files};
use super::text::{TextFile, example_prompts};
use super::tokens::{Encoded, Tokens, WordCounts, count_words, encoded};

/// More files than this are one entry of a manifest, which has to stay small.
const MAX_ENTRIES: usize = 1_000;

/// Texts to train on, and their token ids.
#[derive(Debug)]
pub struct Corpus {
    sha256: Sha256Hex,
    files: Vec<TextFile>,
    encoded: Encoded,
    example_prompts: Vec<String>,
    /// Those to train on and to validate with, if it is of conversations.
    conversations: Option<[Examples; 2]>,
}

impl Loader<'_> {
    /// Reads all texts of `sources` as [`load_corpus`](Self::load_corpus) does, with the default settings.
    ///
    /// # Errors
    /// If there is no text, one cannot be read, or the cache cannot be written.
    pub fn load(&self, sources: &[Source], tokenizer: &Tokenizer) -> Result<Corpus, CorpusError> {
        let settings = CorpusSettings { sources: sources.to_vec(), ..CorpusSettings::default() };
        self.load_corpus(&settings, tokenizer)
    }

    /// Reads all texts of a corpus, in order, and encodes them unless the cache has their ids. Tells what was read and
    /// what was not.
    ///
    /// # Errors
    /// If there is no text, one cannot be read, or the cache cannot be written.
    pub fn load_corpus(
        &self,
        settings: &CorpusSettings,
        tokenizer: &Tokenizer,
    ) -> Result<Corpus, CorpusError> {
        let files = self.open(settings)?;
        let (sha256, encoded) = encoded(self, tokenizer, &files, settings)?;
        report(&files, settings, &encoded.index).iter().for_each(|line| (self.notify)(line));
        let bodies = encoded.index.contents.iter().map(|contents| contents.bodies.as_deref());
        let to_train_on: Vec<_> =
            files.iter().zip(bodies).filter(|(file, _)| !file.is_validation()).collect();
        let example_prompts = example_prompts(&to_train_on, settings, tokenizer)?;
        Ok(Corpus { sha256, files, encoded, example_prompts, conversations: None })
    }

    /// Reads all conversations of a corpus, in order, and writes them by a chat template.
    ///
    /// # Errors
    /// If one cannot be read, or the template cannot write it.
    pub fn load_conversations(
        &self,
        settings: &CorpusSettings,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
    ) -> Result<Corpus, CorpusError> {
        let Loaded { sha256, files, encoded, example_prompts, splits } =
            load_conversations(self, settings, template, tokenizer)?;
        Ok(Corpus { sha256, files, encoded, example_prompts, conversations: Some(splits) })
    }

    /// Counts the words of the training part of a corpus, as a split pattern cuts them: what a tokenizer is trained
    /// on.
    ///
    /// # Errors
    /// As of [`load_corpus`](Self::load_corpus).
    pub fn count_words(
        &self,
        settings: &CorpusSettings,
        pattern: Pattern,
    ) -> Result<WordCounts, CorpusError> {
        count_words(self, &self.open(settings)?, settings, pattern)
    }

    /// Opens all files of a corpus, in order.
    fn open(&self, settings: &CorpusSettings) -> Result<Vec<TextFile>, CorpusError> {
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
        found.par_iter().map(open).collect()
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

    /// The conversations to train on and to validate with, if it is of such.
    pub fn conversations(&self) -> Option<&[Examples; 2]> {
        self.conversations.as_ref()
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::corpus::format::parquet::tests as parquet;

    /// Reads files in a folder, and what is said meanwhile with the folder's name left out.
    fn load(
        folder: &Path,
        names: &[&str],
        settings: CorpusSettings,
    ) -> (Result<Corpus, CorpusError>, String) {
        let (cache, said) = (tempfile::tempdir().unwrap(), RefCell::new(String::new()));
        let loader = Loader {
            train_fraction: 0.9,
            cache: cache.path(),
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|line| said.borrow_mut().push_str(&format!("{line}\n")),
        };
        let source = |name: &&str| Source::Local(folder.join(name).to_str().unwrap().to_owned());
        let sources = names.iter().map(source).collect();
        let tokenizer = Tokenizer::gpt2().unwrap();
        let corpus = loader.load_corpus(&CorpusSettings { sources, ..settings }, &tokenizer);
        let said = said.into_inner().replace(&format!("{}/", folder.display()), "");
        (corpus, said)
    }

    fn ids(tokens: &Tokens) -> Vec<i64> {
        tokens.read(0, tokens.count())
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_same_documents_have_the_same_ids_in_every_format() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, contents: &[u8]| fs::write(folder.path().join(name), contents).unwrap();
        let documents: Vec<String> =
            (0..40).map(|number| format!("Document {number} is é 字.\nIt ends.")).collect();
        let texts: Vec<Option<&str>> = documents.iter().map(|text| Some(text.as_str())).collect();
        let lines: String = documents
            .iter()
            .map(|text| format!("{}\n", serde_json::json!({"id": 1, "content": text})))
            .collect();
        let plain = documents.join("\n<|endoftext|>\n");
        let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
        write("a.txt", plain.as_bytes());
        write("b.txt.gz", &gzip(plain.as_bytes()));
        write("c.txt.zst", &zstd::encode_all(&utf16[..], 1).unwrap());
        write("d.jsonl", lines.as_bytes());
        write("e.json.gz", &gzip(lines.as_bytes()));
        parquet::write(&folder.path().join("f.parquet"), &texts);
        let read = |name| {
            let settings = CorpusSettings { text_field: "content".to_owned(), ..CorpusSettings::default() };
            let (corpus, said) = load(folder.path(), &[name], settings);
            (corpus.unwrap(), said)
        };
        let (first, _) = read("a.txt");
        assert_eq!(first.documents(), 40);
        for (name, expected) in [
            ("a.txt", "corpus a.txt: 40 documents, separated by \"<|endoftext|>\"\n"),
            ("b.txt.gz", "corpus b.txt.gz: gzip; 40 documents, separated"),
            ("c.txt.zst", "corpus c.txt.zst: UTF-16 (big endian), Zstandard; 40 documents, separated"),
            ("d.jsonl", "corpus d.jsonl: JSON Lines; 40 documents in `content`\n"),
            ("e.json.gz", "corpus e.json.gz: JSON Lines, gzip; 40 documents in `content`\n"),
            ("f.parquet", "corpus f.parquet: Parquet; 40 documents in `content`\n"),
        ] {
            let (corpus, said) = read(name);
            assert!(said.starts_with(expected), "{said}");
            assert!(
                said.ends_with("corpus: 40 documents in 1 file: 36 to train on, 4 to validate with\n"),
                "{said}"
            );
            assert_eq!(ids(corpus.training()), ids(first.training()), "{name}");
            assert_eq!(ids(corpus.validation()), ids(first.validation()), "{name}");
            assert_eq!(corpus.tokens(), first.tokens());
            assert_eq!(corpus.entries().len(), 1);
        }
    }

    #[test]
    fn identical_documents_are_reported_and_left_out_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let lines: String =
            (0..30).map(|number| format!("{{\"text\": \"Document {}.\"}}\n", number % 25)).collect();
        fs::write(folder.path().join("a.jsonl"), lines).unwrap();
        fs::write(folder.path().join("b.txt"), "Document 7.").unwrap();
        let read = |deduplicate| {
            let settings = CorpusSettings { deduplicate, ..CorpusSettings::default() };
            let (corpus, said) = load(folder.path(), &["a.jsonl", "b.txt"], settings);
            (corpus.unwrap(), said)
        };
        let (all, said) = read(false);
        let expected = "corpus: 6 documents are identical to earlier ones (66 characters), such as document 26 of a.jsonl \
                        to document 1 of a.jsonl; --deduplicate leaves them out\n";
        assert!(said.ends_with(expected), "{said}");
        let (fewer, said) = read(true);
        assert!(
            said.contains(", 6 left out as identical to others\n") && !said.contains("--deduplicate"),
            "{said}"
        );
        assert!(all.tokens() > fewer.tokens() && all.sha256() != fewer.sha256());
        assert_eq!(fewer.entries()[1].tokens, 0);
    }

    #[test]
    fn a_plain_text_is_read_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "A text that has nothing to it but its words.").unwrap();
        let (corpus, said) = load(folder.path(), &["a.txt"], CorpusSettings::default());
        assert_eq!((corpus.unwrap().name(), said), ("a.txt".to_owned(), String::new()));
    }

    #[test]
    fn without_a_separator_its_usual_spelling_is_text() {
        let folder = tempfile::tempdir().unwrap();
        let text = "one<|endoftext|>\ntwo<|endoftext|>\n".repeat(50);
        fs::write(folder.path().join("a.txt"), &text).unwrap();
        let settings = CorpusSettings { separator: String::new(), ..CorpusSettings::default() };
        let corpus = load(folder.path(), &["a.txt"], settings).0.unwrap();
        let head = &text[..text.len() * 9 / 10];
        let expected: Vec<i64> = Tokenizer::gpt2().unwrap().encode(head).into_iter().map(i64::from).collect();
        assert_eq!((corpus.documents(), ids(corpus.training())), (1, expected));
    }

    #[test]
    fn texts_to_validate_with_are_not_trained_on() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a.txt", "to train on"), ("b.txt", "to validate with")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let validation = vec![Source::Local(folder.path().join("b.txt").to_str().unwrap().to_owned())];
        let settings = CorpusSettings { validation, ..CorpusSettings::default() };
        let corpus = load(folder.path(), &["a.txt"], settings).0.unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        for (tokens, text) in [(corpus.training(), "to train on"), (corpus.validation(), "to validate with")]
        {
            let expected: Vec<i64> = tokenizer.encode(text).into_iter().map(i64::from).collect();
            assert_eq!(ids(tokens), expected);
        }
        assert_eq!(corpus.name(), "2 documents");
        assert_eq!(corpus.example_prompts(), ["to train on"]);
    }
}
