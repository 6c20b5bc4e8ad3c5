//! `gpt import`: weights from elsewhere, published as a version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifact::manifest::ImportSummary;
use artifact::{GptConfig, Sha256Hex, Tokenizer};
use burn::module::Module;
use clap::{Args, ValueEnum};
use gpt::corpus::Corpus;
use gpt::device;
use gpt::release::export::write_exports;
use gpt::release::source::tokenizer_of;
use gpt::release::{Judgement, Outcome, Promotion, Release};
use gpt::weights::{self, Format, Imported};
use store::Store;

use super::corpus_arguments::TextArguments;
use super::model_argument::ShapeArguments;
use super::store_arguments::{GateArguments, StoreArgument};

/// Arguments of `gpt import`.
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
    /// Tokenizer of the model [default: gpt2 if the vocabulary has exactly its 50257 ids, else none].
    #[arg(long, value_enum)]
    pub tokenizer: Option<TokenizerChoice>,
    /// Texts to evaluate the model on and to calibrate its quantization with; without them, its loss stays
    /// unknown.
    #[command(flatten)]
    pub text: TextArguments,
    /// Publish no example prompts: the served page shows them, and they are phrases of the texts.
    #[arg(long)]
    pub no_example_prompts: bool,
    /// Channel to promote the new version to, if it passes the gate.
    #[arg(long, value_name = "CHANNEL")]
    pub promote: Option<String>,
    #[command(flatten)]
    pub gate: GateArguments,
}

/// The tokenizer of an imported model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenizerChoice {
    /// GPT-2's byte-pair encoding; ids beyond its 50257 are padding and are never sampled.
    Gpt2,
    /// Another one: the model is published, but takes no text.
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
    let judgement = Judgement::of(&model, exports, text.as_ref())?;
    println!("{judgement}");
    let release = Release {
        name: &arguments.name,
        model: &model,
        tokenizer: tokenizer.as_ref(),
        judgement: &judgement,
        training: None,
        imported_from: Some(summary(&file, source)?),
        example_prompts: corpus
            .as_ref()
            .filter(|_| !arguments.no_example_prompts)
            .map_or(&[], Corpus::example_prompts),
        parent: None,
    };
    let published = release.publish(staged, None).await?;
    Ok(Outcome::of(published, promotion, &store, &judgement, text.as_ref()).await?)
}

fn summary(file: &Path, format: Format) -> Result<ImportSummary> {
    let (sha256, _) = Sha256Hex::of_file(file).with_context(|| file.display().to_string())?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ImportSummary { file: name, sha256, format: format.to_string() })
}

/// The tokenizer that was asked for, or that the size of the vocabulary suggests.
fn choose(choice: Option<TokenizerChoice>, config: &GptConfig) -> Result<Option<Tokenizer>> {
    match choice {
        None => Ok(tokenizer_of(config.vocab_size)?),
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
