//! `gpt import`: weights from elsewhere, published as a version.

use std::path::PathBuf;

use anyhow::Result;
use artifact::manifest::ImportSummary;
use burn::module::Module;
use clap::Args;
use gpt::corpus::Corpus;
use gpt::release::export::write_exports;
use gpt::release::{Judgement, Outcome, Release};
use gpt::weights::peft::merge_adapter;
use gpt::weights::{self, Imported};

use super::corpus_arguments::TextArguments;
use super::device_argument::DeviceArgument;
use super::model_argument::ShapeArguments;
use super::store_arguments::{GateArguments, SigningArgument, StoreArgument};

/// Share of the texts that quantization is calibrated with; the model is evaluated on the rest.
const CALIBRATION_FRACTION: f64 = 0.9;

/// Arguments of `gpt import`.
#[derive(Args)]
pub struct Arguments {
    /// The weights: model.pth of LLMs-from-scratch, safetensors under the same names, ckpt.pt of nanoGPT, or the
    /// folder of a Hugging Face GPT-2.
    pub path: PathBuf,
    /// Name of the model in the store.
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub signing: SigningArgument,
    #[command(flatten)]
    pub shape: ShapeArguments,
    /// Folder of an adapter of Hugging Face's peft (LoRA), which is worked into the weights.
    #[arg(long, value_name = "FOLDER")]
    pub adapter: Option<PathBuf>,
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
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Publishes a model from elsewhere with its ONNX files.
///
/// # Errors
/// If the weights cannot be read or the store cannot be written; then no version is visible.
pub async fn run(arguments: Arguments) -> Result<Outcome> {
    engine::runtime::environment()?;
    let store = arguments.signing.open(&arguments.store.location).await?;
    let staged = store.stage(&arguments.name).await?;
    let imported = weights::import(&arguments.path, &(&arguments.shape).into(), &arguments.device.open()?)?;
    let tokenizer = imported.tokenizer()?;
    if let Some(note) = imported.tokenizer_note()? {
        eprintln!("{note}");
    }
    let chat_template = imported.chat_template()?;
    let mut model = imported.model.valid();
    if let Some(adapter) = &arguments.adapter {
        model = merge_adapter(model, adapter)?;
    }
    let (corpus, text) = arguments.text.load_divided(tokenizer.as_ref(), CALIBRATION_FRACTION)?.unzip();
    let promotion = arguments.gate.promotion_if(arguments.promote)?;
    if let Some(promotion) = &promotion {
        promotion.check(&store, tokenizer.as_ref(), text.as_ref()).await?;
    }
    let (file, parameters, source) = (imported.file.display(), model.num_params(), imported.source);
    println!("read {file} ({parameters} parameters, {}) as {source}", model.config().activation);
    match &tokenizer {
        Some(tokenizer) => println!("its tokenizer is {tokenizer}"),
        None => println!("it has no tokenizer: it takes no text"),
    }
    if let Some((template, tokenizer)) = chat_template.as_ref().zip(tokenizer.as_ref()) {
        println!("its chat template is {}: it answers", template.name());
        let missing = template.missing_tokens(tokenizer)?;
        if !missing.is_empty() {
            eprintln!(
                "its chat template writes {}, which its tokenizer reads as text like any other",
                missing.join(" and ")
            );
        }
    }
    let exports = write_exports(&model, corpus.as_ref(), &staged.path(""))?;
    let judgement = Judgement::of(&model, exports, text.as_ref())?;
    println!("{judgement}");
    let release = Release {
        name: &arguments.name,
        model: &model,
        tokenizer: tokenizer.as_ref(),
        chat_template: chat_template.as_ref(),
        judgement: &judgement,
        training: None,
        imported_from: Some(summary(&imported)?),
        example_prompts: corpus
            .as_ref()
            .filter(|_| !arguments.no_example_prompts)
            .map_or(&[], Corpus::example_prompts),
        parent: None,
    };
    let published = release.publish(staged, None).await?;
    Ok(Outcome::of(published, promotion, &store, &judgement, text.as_ref()).await?)
}

fn summary(imported: &Imported) -> Result<ImportSummary> {
    let name = imported.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ImportSummary { file: name, sha256: imported.sha256()?, format: imported.source.to_string() })
}
