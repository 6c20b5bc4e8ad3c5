//! `gpt evaluate`: loss of a model and its exports on a text.

use anyhow::{Context, Result};
use clap::Args;
use gpt::release::Judgement;
use gpt::release::source::downloads;
use serde_json::{Value, json};

use super::corpus_arguments::TextArguments;
use super::device_argument::DeviceArgument;
use super::model_argument::ModelArgument;

/// Arguments of `gpt evaluate`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    #[command(flatten)]
    pub text: TextArguments,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Prints loss, bits per byte and perplexity of the model and of each of its exports, and how far each export is
/// from the model.
///
/// # Errors
/// If the model or the text cannot be read.
pub async fn run(arguments: Arguments) -> Result<()> {
    let device = arguments.device.open()?;
    let source = arguments.model.find(&device).await?;
    let text = arguments.text.load(source.tokenizer().await?.as_ref())?;
    let (corpus, text) = text.context("there is no text to evaluate the model on: pass --corpus")?;
    let downloads = downloads()?;
    let model = source.gpt(&device, downloads.path()).await?;
    let exports = source.exports(Some(&corpus), downloads.path()).await?;
    let judgement = Judgement::of(&model, exports, Some(&text))?;
    if arguments.json {
        let mut json = as_json(&judgement);
        json["model"] = source.identity()?.into();
        json["corpus"] = json!(corpus.entries());
        println!("{json:#}");
    } else {
        println!("{}\n{judgement}", source.identity()?);
    }
    Ok(())
}

fn as_json(judgement: &Judgement) -> Value {
    let exports: Vec<_> = judgement
        .exports
        .iter()
        .map(|export| {
            json!({
                "precision": export.precision,
                "file": export.file,
                "val_loss": export.comparison.score.loss,
                "perplexity": export.comparison.score.perplexity(),
                "bits_per_byte": export.comparison.score.bits_per_byte(),
                "kl_divergence": export.comparison.kl_divergence,
                "top_1_agreement": export.comparison.top_1_agreement,
                "largest_logit_difference": export.comparison.largest_logit_difference,
            })
        })
        .collect();
    json!({"evaluation": judgement.evaluation_summary(), "exports": exports})
}
