//! Arguments for texts to train on or to judge models by.

use std::error::Error;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::Tokenizer;
use clap::Args;
use gpt::corpus::s3::download_texts;
use gpt::corpus::{Corpus, Loader, Source, default_cache};
use gpt::release::ValidationText;

/// Texts, and the cache for their token ids.
#[derive(Args)]
pub struct CorpusArguments {
    /// The texts: UTF-8 files, folders of .txt files, patterns such as `texts/*.txt`, s3://BUCKET/PREFIX
    /// for one object or all objects .txt in a folder and those below, or https://ADDRESS with an
    /// optional #sha256=DIGEST.
    #[arg(long, num_args = 1..)]
    pub corpus: Vec<Source>,
    /// Folder for token ids and downloads [default: troelsllm/corpora in the user's cache folder].
    #[arg(long, env = "GPT_CACHE")]
    pub cache: Option<PathBuf>,
}

/// Texts to judge models by.
#[derive(Args)]
pub struct TextArguments {
    #[command(flatten)]
    pub texts: CorpusArguments,
    /// Share of each text that is for training, and for calibrating the quantization of exports that have to
    /// be written. The rest is the validation text.
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    pub train_fraction: f64,
    /// Most windows of the validation text to evaluate on [default: all].
    #[arg(long)]
    pub windows: Option<usize>,
}

impl CorpusArguments {
    /// Reads and encodes `sources`.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn load(&self, sources: &[Source], tokenizer: &Tokenizer, train_fraction: f64) -> Result<Corpus> {
        let loader = Loader {
            tokenizer,
            train_fraction,
            cache: &self.cache.clone().map_or_else(default_cache, Ok)?,
            fetch_s3: &fetch_s3,
            notify: &|note| eprintln!("{note}"),
        };
        Ok(loader.load(sources)?)
    }
}

impl TextArguments {
    /// Reads and encodes the texts, if any were given, for a model with this tokenizer.
    ///
    /// # Errors
    /// If a text cannot be read, or the model has no tokenizer.
    pub fn load(&self, tokenizer: Option<&Tokenizer>) -> Result<Option<(Corpus, ValidationText)>> {
        if self.texts.corpus.is_empty() {
            return Ok(None);
        }
        let Some(tokenizer) = tokenizer else {
            anyhow::bail!("the model has no tokenizer, so it can predict no text; leave out --corpus");
        };
        let corpus = self.texts.load(&self.texts.corpus, tokenizer, self.train_fraction)?;
        let text = ValidationText::new(&corpus, tokenizer, self.windows);
        Ok(Some((corpus, text)))
    }
}

/// Gets texts from S3, on a thread of its own: some commands are inside of a runtime already, which
/// cannot wait for another.
fn fetch_s3(address: &str, downloads: &Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>> {
    let fetch = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(download_texts(address, downloads))?)
    };
    std::thread::scope(|scope| scope.spawn(fetch).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a share between 0 and 1".to_owned()),
    }
}
