//! `gpt export`: a model as a folder of another format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifact::GptConfig;
use clap::{Args, ValueEnum};
use gpt::device;
use gpt::onnx::target::data_path;
use gpt::release::ModelSource;
use gpt::release::publication::WEIGHTS;
use gpt::release::source::downloads;
use gpt::weights::{self, Language, gguf};
use store::AtomicFolder;

use super::model_argument::ModelArgument;

/// Arguments of `gpt export`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    /// Format to write.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The folder to write, or the file for gguf; it must not exist yet.
    #[arg(long)]
    pub to: PathBuf,
    /// Precision of the weights in a GGUF file [default: float32]; the other formats have their own.
    #[arg(long, value_enum)]
    pub precision: Option<gguf::Precision>,
}

/// A format of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A folder that Hugging Face's transformers loads, with AutoModelForCausalLM, AutoTokenizer and pipeline; the chat
    /// template of a model that answers is in every format.
    Hf,
    /// ONNX graphs with float32, int8 and int4 weights, configuration and tokenizer: those of a published version;
    /// those of a file of weights are quantized without calibration.
    Onnx,
    /// Safetensors under the names of LLMs-from-scratch, their configuration and tokenizer.
    Safetensors,
    /// A GGUF file, which llama.cpp loads.
    Gguf,
    /// The low-rank change that `gpt finetune --lora` has learned, as a folder of Hugging Face's peft, for the model that it
    /// started from.
    Peft,
}

/// Writes a model in another format; all of it or nothing.
///
/// # Errors
/// If the model cannot be read, or the folder exists or cannot be written.
pub async fn run(arguments: Arguments) -> Result<()> {
    let to = &arguments.to;
    anyhow::ensure!(!to.exists(), "{}", exists(to));
    let is_gguf = arguments.format == Format::Gguf;
    anyhow::ensure!(is_gguf || arguments.precision.is_none(), "--precision is for --format gguf alone");
    let device = device::cpu();
    let source = arguments.model.find(&device).await?;
    let downloads = downloads()?;
    let tokenizer = source.tokenizer().await?;
    if tokenizer.is_none() {
        eprintln!("the model has no tokenizer, so there is none in the export");
    }
    let chat_template = source.chat_template().await?;
    let language =
        tokenizer.as_ref().map(|tokenizer| Language { tokenizer, chat_template: chat_template.as_ref() });
    let model = source.gpt(&device, downloads.path());
    match arguments.format {
        Format::Hf => weights::export_hf(&model.await?, language, to)?,
        Format::Onnx => {
            let exports = source.exports(None, downloads.path()).await?;
            write_folder(to, source.config(), language, |folder| {
                exports.iter().try_for_each(|export| copy_graph(&export.path, folder))
            })?;
        }
        Format::Safetensors => {
            let model = model.await?;
            write_folder(to, source.config(), language, |folder| {
                Ok(weights::save(&model, &folder.join(WEIGHTS))?)
            })?;
        }
        Format::Gguf => {
            let precision = arguments.precision.unwrap_or_default();
            gguf::export(&model.await?, language, &name(&source), precision, to)?;
        }
        Format::Peft => {
            let files = source.adapter(downloads.path()).await?;
            anyhow::ensure!(
                !files.is_empty(),
                "{} has no adapter: expected a version that `gpt finetune --lora` has published; --format hf exports all weights",
                source.identity()?
            );
            let folder = AtomicFolder::beside(to)?;
            files.iter().try_for_each(|file| copy(file, folder.path()))?;
            anyhow::ensure!(folder.commit_new(to)?, "{}", exists(to));
        }
    }
    println!("wrote {} to {}", source.identity()?, to.display());
    Ok(())
}

/// Writes a folder with configuration and language, which appears when it is complete.
fn write_folder(
    to: &Path,
    config: &GptConfig,
    language: Option<Language<'_>>,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder = AtomicFolder::beside(to)?;
    write(folder.path())?;
    let path = folder.path().join("config.json");
    fs::write(&path, serde_json::to_vec_pretty(config)?).with_context(|| path.display().to_string())?;
    if let Some(language) = language {
        weights::write_tokenizer(language, config.context_length, folder.path())?;
    }
    anyhow::ensure!(folder.commit_new(to)?, "{}", exists(to));
    Ok(())
}

/// Copies a graph, with its external data if it has some.
fn copy_graph(graph: &Path, folder: &Path) -> Result<()> {
    let data = data_path(graph);
    let files = [Some(graph), Some(data.as_path()).filter(|data| data.exists())];
    files.into_iter().flatten().try_for_each(|file| copy(file, folder))
}

/// Copies a file under its name.
fn copy(file: &Path, folder: &Path) -> Result<()> {
    let target = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &target).with_context(|| target.display().to_string())?;
    Ok(())
}

/// What a model is called: the name of its version, or of its file.
fn name(source: &ModelSource) -> String {
    match source {
        ModelSource::Version(version, _) => version.reference.name.clone(),
        ModelSource::Weights(imported) => {
            imported.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
        }
    }
}

fn exists(to: &Path) -> String {
    format!("{} exists already; give a path that does not", to.display())
}
