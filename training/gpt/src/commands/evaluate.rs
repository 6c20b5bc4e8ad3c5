//! `gpt evaluate`: how well a model and its exports predict a text.

use anyhow::{Context, Result};
use clap::Args;
use gpt::device;
use serde_json::json;

use super::corpus_arguments::TextArguments;
use super::model_argument::ModelArgument;
use super::release::judge;

/// What `gpt evaluate` can be told.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    #[command(flatten)]
    pub text: TextArguments,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Prints loss and perplexity of the model and of each of its exports, and how far each export is
/// from the model.
///
/// # Errors
/// If the model or the text cannot be read.
pub async fn run(arguments: Arguments) -> Result<()> {
    let device = device::cpu();
    let opened = arguments.model.open(&device).await?;
    let text = arguments.text.load(opened.tokenizer()?.as_ref())?;
    let (corpus, text) = text.context("there is no text to evaluate the model on: pass --corpus")?;
    let downloads = tempfile::tempdir()?;
    let model = opened.gpt(&device, downloads.path()).await?;
    let exports = opened.exports(Some(&corpus), downloads.path()).await?;
    let judged = judge(&model, exports, Some(&text))?;
    if !arguments.json {
        println!("{}\n{judged}", opened.identity()?);
        return Ok(());
    }
    let exports: Vec<_> = judged
        .exports
        .iter()
        .map(|(precision, file, comparison)| {
            json!({
                "precision": precision,
                "file": file,
                "val_loss": comparison.score.loss,
                "perplexity": comparison.score.perplexity(),
                "kl_divergence": comparison.kl_divergence,
                "top_1_agreement": comparison.top_1_agreement,
                "largest_logit_difference": comparison.largest_logit_difference,
            })
        })
        .collect();
    let evaluation = judged.score.map(
        |score| json!({"val_loss": score.loss, "perplexity": score.perplexity(), "tokens": score.tokens}),
    );
    let json = json!({
        "model": opened.identity()?,
        "corpus": corpus.entries(),
        "evaluation": evaluation,
        "exports": exports,
    });
    println!("{json:#}");
    Ok(())
}
