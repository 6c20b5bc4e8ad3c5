//! `gpt import`: a model from elsewhere, published.

use std::path::PathBuf;

use anyhow::Result;
use artifact::manifest::ImportSummary;
use artifact::{GptConfig, Sha256Hex, Tokenizer};
use burn::module::Module;
use clap::{Args, ValueEnum};
use gpt::corpus::Corpus;
use gpt::device;
use gpt::weights::{self, Imported};
use store::Store;

use super::corpus_arguments::TextArguments;
use super::model_argument::{ShapeArguments, tokenizer_of};
use super::release::{Outcome, Promotion, Release, judge, write_exports};
use crate::cli::{GateArguments, StoreArgument};

/// What `gpt import` can be told.
#[derive(Args)]
pub struct Arguments {
    /// The weights: model.pth of LLMs-from-scratch, safetensors under the same names, or the folder
    /// of a Hugging Face GPT-2.
    pub path: PathBuf,
    /// Name of the model in the store.
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub shape: ShapeArguments,
    /// How text becomes ids [default: gpt2 if the vocabulary has exactly its 50257 ids, else none].
    #[arg(long, value_enum)]
    pub tokenizer: Option<TokenizerChoice>,
    /// Texts to evaluate the model on, and to round its weights for; without them its losses are not known.
    #[command(flatten)]
    pub text: TextArguments,
    /// The channel that is to name the new version, if it passes the gate.
    #[arg(long, value_name = "CHANNEL")]
    pub promote: Option<String>,
    #[command(flatten)]
    pub gate: GateArguments,
}

/// How text becomes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenizerChoice {
    /// GPT-2's byte-pair encoding; ids beyond its 50257 are padding and are never sampled.
    Gpt2,
    /// One that is not known here: the model is published, but cannot be asked with text.
    None,
}

/// Publishes a model from elsewhere with its ONNX files.
///
/// # Errors
/// If the weights cannot be read or the store cannot be written; then no version is visible.
pub async fn run(arguments: Arguments) -> Result<Outcome> {
    engine::runtime::environment()?;
    let store = Store::open(&arguments.store.location).await?;
    let staged = store.stage(&arguments.name).await?;
    let Imported { model, config, source, file } =
        weights::import(&arguments.path, &(&arguments.shape).into(), &device::cpu())?;
    let model = model.valid();
    let tokenizer = choose(arguments.tokenizer, &config)?;
    let (corpus, text) = arguments.text.load(tokenizer.as_ref())?.unzip();
    let promotion = arguments.promote.map(|channel| Promotion { channel, gate: arguments.gate.gate() });
    if let Some(promotion) = &promotion {
        promotion.check(&store, text.as_ref()).await?;
    }
    println!("read {} ({} parameters) as {source}", file.display(), model.num_params());
    let exports = write_exports(&model, corpus.as_ref(), &staged.path(""))?;
    let judged = judge(&model, exports, text.as_ref())?;
    println!("{judged}");
    let (sha256, _) = Sha256Hex::of_file(&file)?;
    let release = Release {
        name: &arguments.name,
        model: &model,
        tokenizer: tokenizer.as_ref(),
        judged: &judged,
        training: None,
        imported_from: Some(ImportSummary {
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256,
            format: source.to_string(),
        }),
        example_prompts: corpus.as_ref().map_or(&[], Corpus::example_prompts),
        parent: None,
        page: None,
    };
    let published = release.publish(staged).await?;
    let promotion = match promotion {
        Some(promotion) => {
            let held_back = promotion.promote(&store, &published, &judged, text.as_ref()).await?;
            Some((promotion.channel, held_back))
        }
        None => None,
    };
    Ok(Outcome { published, promotion })
}

/// The tokenizer that was asked for, or that the size of the vocabulary suggests.
fn choose(choice: Option<TokenizerChoice>, config: &GptConfig) -> Result<Option<Tokenizer>> {
    match choice {
        None => tokenizer_of(config.vocab_size),
        Some(TokenizerChoice::None) => Ok(None),
        Some(TokenizerChoice::Gpt2) => {
            let gpt2 = Tokenizer::gpt2()?;
            anyhow::ensure!(
                config.vocab_size >= gpt2.vocab_size(),
                "the model has {} ids, fewer than the {} of gpt2; pass --tokenizer none",
                config.vocab_size,
                gpt2.vocab_size(),
            );
            Ok(Some(gpt2))
        }
    }
}
