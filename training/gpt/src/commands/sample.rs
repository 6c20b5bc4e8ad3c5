//! `gpt sample`: continuation of a prompt by a model.

use anyhow::{Context, Result};
use artifact::Sampling;
use clap::Args;
use engine::{Engine, GenerationOptions};
use gpt::device;
use gpt::release::source::downloads;

use super::model_argument::ModelArgument;

/// Arguments of `gpt sample`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    /// The text to continue.
    #[arg(long)]
    pub prompt: String,
    /// Most tokens to generate.
    #[arg(long, default_value_t = 50)]
    pub max_tokens: usize,
    /// Divides the logits: 0 is greedy, higher is more varied.
    #[arg(long, default_value_t = 0.7)]
    pub temperature: f32,
    /// Number of most likely tokens to draw from.
    #[arg(long, default_value_t = 50)]
    pub top_k: usize,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Prints the prompt and its continuation by the float32 export, as serving would continue it.
///
/// # Errors
/// If the model cannot be read, or has no tokenizer.
pub async fn run(arguments: Arguments) -> Result<()> {
    anyhow::ensure!(!arguments.prompt.is_empty(), "--prompt is empty, expected a text to continue");
    anyhow::ensure!(arguments.top_k > 0, "--top-k is 0, expected at least 1");
    let source = arguments.model.find(&device::cpu()).await?;
    let tokenizer =
        source.tokenizer().await?.context("the model has no tokenizer, so it cannot continue a text")?;
    let downloads = downloads()?;
    let export = source.float32(downloads.path()).await?;
    let engine = Engine::new(export.model).with_tokenizer_size(tokenizer.vocab_size());
    let sampling = Sampling::new(arguments.temperature, Some(arguments.top_k));
    let options = GenerationOptions {
        stop_ids: tokenizer.end_of_text().into_iter().collect(),
        ..GenerationOptions::new(arguments.max_tokens, sampling, arguments.seed)
    };
    let generation = engine.generate(&tokenizer.encode(&arguments.prompt), &options)?;
    println!("{}{}", arguments.prompt, tokenizer.decode(&generation.ids)?);
    Ok(())
}
