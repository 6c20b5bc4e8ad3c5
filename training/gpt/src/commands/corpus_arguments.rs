//! Arguments for texts to train on or to judge models by.

use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::tokenizer::Pattern;
use artifact::{ChatTemplate, Tokenizer};
use clap::Args;
use gpt::corpus::s3::download_texts;
use gpt::corpus::{Corpus, CorpusSettings, Loader, Source, default_cache};
use gpt::preset::Preset;
use gpt::release::ValidationText;
use gpt::tokenizer::train_tokenizer;

/// Texts, and the cache for their token ids.
#[derive(Args)]
pub struct CorpusArguments {
    /// The texts: files, folders with those below, patterns such as `texts/*.txt`, s3://BUCKET/PREFIX
    /// for one object or all texts in a folder and those below, or https://ADDRESS with an optional #sha256=DIGEST.
    ///
    /// Read are plain texts in UTF-8, UTF-16 or UTF-32 (.txt, .md and others), JSON Lines (.jsonl, .ndjson, .json) and
    /// Parquet, also compressed with gzip or Zstandard (.gz, .zst). What is left out of a folder is named with the reason.
    #[arg(long, num_args = 1..)]
    pub corpus: Vec<Source>,
    /// Field of JSON Lines or column of Parquet that holds the text [default: text].
    #[arg(long, value_name = "NAME")]
    pub text_field: Option<String>,
    /// Folder for token ids and downloads [default: troelsllm/corpora in the user's cache folder].
    #[arg(long, env = "GPT_CACHE")]
    pub cache: Option<PathBuf>,
    /// What was said of the texts.
    #[arg(skip)]
    said: RefCell<HashSet<String>>,
}

/// Texts to train on.
#[derive(Args)]
pub struct TrainingTextArguments {
    #[command(flatten)]
    pub texts: CorpusArguments,
    /// Texts to validate with, in the same forms; the whole corpus is then for training.
    ///
    /// Without it, `training.train_fraction` divides the corpus: by whole documents where there are many, and
    /// documents that are long beside the rest by their text.
    #[arg(long, num_args = 1.., value_name = "TEXTS")]
    pub validation: Vec<Source>,
    /// Leave out each document that is identical to an earlier one.
    #[arg(long)]
    pub deduplicate: bool,
}

/// Texts to judge models by.
#[derive(Args)]
pub struct TextArguments {
    #[command(flatten)]
    pub texts: CorpusArguments,
    /// Share of the texts that is for training, and for calibrating the quantization of exports that have to
    /// be written. The rest is the validation text [default: 0.9 for gpt import; otherwise all is validation text].
    #[arg(long, value_parser = share)]
    pub train_fraction: Option<f64>,
    /// Most windows of the validation text to evaluate on [default: all].
    #[arg(long)]
    pub windows: Option<usize>,
}

impl CorpusArguments {
    /// The settings with what these arguments say instead.
    pub fn settings(&self, mut settings: CorpusSettings) -> CorpusSettings {
        if !self.corpus.is_empty() {
            settings.sources.clone_from(&self.corpus);
        }
        if let Some(field) = &self.text_field {
            settings.text_field.clone_from(field);
        }
        settings
    }

    /// Reads and encodes a corpus.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn load(
        &self,
        settings: &CorpusSettings,
        tokenizer: &Tokenizer,
        train_fraction: f64,
    ) -> Result<Corpus> {
        self.with_loader(train_fraction, |loader| Ok(loader.load_corpus(settings, tokenizer)?))
    }

    /// Reads conversations and writes them by a chat template.
    ///
    /// # Errors
    /// If one cannot be read or written.
    pub fn load_conversations(
        &self,
        settings: &CorpusSettings,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        train_fraction: f64,
    ) -> Result<Corpus> {
        self.with_loader(train_fraction, |loader| {
            Ok(loader.load_conversations(settings, template, tokenizer)?)
        })
    }

    /// Trains a tokenizer on a share of a corpus, with a vocabulary of this size or one that fits the texts.
    ///
    /// # Errors
    /// If a text cannot be read, or there is none.
    pub fn train_tokenizer(
        &self,
        settings: &CorpusSettings,
        train_fraction: f64,
        pattern: Pattern,
        vocab_size: Option<usize>,
    ) -> Result<Tokenizer> {
        self.with_loader(train_fraction, |loader| Ok(train_tokenizer(loader, settings, pattern, vocab_size)?))
    }

    /// Reads a corpus; what is said of it is said once, though it may be read twice.
    fn with_loader<T>(&self, train_fraction: f64, read: impl FnOnce(&Loader<'_>) -> Result<T>) -> Result<T> {
        let cache = self.cache.clone().map_or_else(default_cache, Ok)?;
        let notify = |note: &str| {
            if self.said.borrow_mut().insert(note.to_owned()) {
                notify(note);
            }
        };
        read(&Loader { train_fraction, cache: &cache, fetch_s3: &fetch_s3, notify: &notify })
    }
}

impl TrainingTextArguments {
    /// The corpus of a preset, with what these arguments say instead.
    pub fn settings(&self, of_preset: CorpusSettings) -> CorpusSettings {
        let mut settings = self.texts.settings(of_preset);
        if !self.validation.is_empty() {
            settings.validation.clone_from(&self.validation);
        }
        settings.deduplicate |= self.deduplicate;
        settings
    }

    /// Reads and encodes a corpus for a preset.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn load(&self, settings: &CorpusSettings, preset: &Preset, tokenizer: &Tokenizer) -> Result<Corpus> {
        let corpus = self.texts.load(settings, tokenizer, preset.training.train_fraction)?;
        Ok(corpus.with_example_prompts(&preset.sample.prompts))
    }
}

impl TextArguments {
    /// Reads and encodes the texts, if any were given, for a model with this tokenizer. All of it is validation text,
    /// unless it is to be divided.
    ///
    /// # Errors
    /// If a text cannot be read, or the model has no tokenizer.
    pub fn load(&self, tokenizer: Option<&Tokenizer>) -> Result<Option<(Corpus, ValidationText)>> {
        self.load_divided(tokenizer, 0.0)
    }

    /// The same with this share for training, unless another is asked for.
    ///
    /// # Errors
    /// If a text cannot be read, or the model has no tokenizer.
    pub fn load_divided(
        &self,
        tokenizer: Option<&Tokenizer>,
        train_fraction: f64,
    ) -> Result<Option<(Corpus, ValidationText)>> {
        if self.texts.corpus.is_empty() {
            return Ok(None);
        }
        let Some(tokenizer) = tokenizer else {
            anyhow::bail!("the model has no tokenizer, so it can predict no text; leave out --corpus");
        };
        let settings = self.texts.settings(CorpusSettings::default());
        let corpus = self.texts.load(&settings, tokenizer, self.train_fraction.unwrap_or(train_fraction))?;
        let text = ValidationText::new(&corpus, tokenizer, self.windows);
        Ok(Some((corpus, text)))
    }
}

fn notify(note: &str) {
    eprintln!("{note}");
}

/// Gets texts from S3, on a thread of its own: some commands are inside of a runtime already, which
/// cannot wait for another.
fn fetch_s3(address: &str, downloads: &Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>> {
    let fetch = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(download_texts(address, downloads, &notify))?)
    };
    std::thread::scope(|scope| scope.spawn(fetch).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a share between 0 and 1".to_owned()),
    }
}
