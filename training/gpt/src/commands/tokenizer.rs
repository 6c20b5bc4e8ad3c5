//! `gpt tokenizer`: tokenizers without a model.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use artifact::tokenizer::Pattern;
use artifact::tokenizer::json::tokenizer_json;
use clap::{Args, Subcommand};
use gpt::corpus::CorpusSettings;
use gpt::tokenizer::source::{MAX_VOCAB_SIZE, MIN_VOCAB_SIZE};
use store::AtomicFile;

use super::corpus_arguments::CorpusArguments;

/// Arguments of `gpt tokenizer`.
#[derive(Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenizerCommand,
}

/// What can be done with tokenizers.
#[derive(Subcommand)]
pub enum TokenizerCommand {
    /// Train a byte-pair encoding on texts, and write it as Hugging Face's tokenizer.json.
    ///
    /// All texts count: for a model, `gpt train --tokenizer train` trains one on the part that the model is trained on.
    Train(TrainArguments),
}

/// Arguments of `gpt tokenizer train`.
#[derive(Args)]
pub struct TrainArguments {
    /// The texts.
    #[command(flatten)]
    pub texts: CorpusArguments,
    /// Number of ids, with the 256 bytes and the token between documents; fewer if the texts do not have as many pairs
    /// [default: a power of two, 512 to 32768, so that there are 256 bytes of text for each].
    #[arg(long, value_parser = vocab_size)]
    pub vocab_size: Option<usize>,
    /// How texts are split into words before: as for gpt2, cl100k (GPT-4, Llama 3), qwen2 or o200k (GPT-4o).
    #[arg(long, default_value_t)]
    pub pattern: Pattern,
    /// The file to write; it must not exist yet.
    #[arg(long)]
    pub to: PathBuf,
}

/// Trains a tokenizer and writes it.
///
/// # Errors
/// If the texts cannot be read, or the file exists or cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let TokenizerCommand::Train(TrainArguments { texts, vocab_size, pattern, to }) = &arguments.command;
    anyhow::ensure!(!to.exists(), "{} exists already; give a path that does not", to.display());
    let settings = texts.settings(CorpusSettings::default());
    let tokenizer = texts.train_tokenizer(&settings, 1.0, *pattern, *vocab_size)?;
    let mut file = AtomicFile::create(to)?;
    file.write_all(&tokenizer_json(&tokenizer)).with_context(|| to.display().to_string())?;
    file.commit()?;
    println!("wrote {tokenizer} to {}", to.display());
    Ok(())
}

fn vocab_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (MIN_VOCAB_SIZE..=MAX_VOCAB_SIZE).contains(&size) => Ok(size),
        _ => Err(format!("expected {MIN_VOCAB_SIZE} to {MAX_VOCAB_SIZE} ids")),
    }
}
