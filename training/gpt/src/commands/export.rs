//! `gpt export`: a model in another format.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use gpt::{device, weights};

use super::model_argument::ModelArgument;
use super::release::WEIGHTS;

/// What `gpt export` can be told.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    /// What to write.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The folder to write, which must not exist yet.
    #[arg(long)]
    pub to: PathBuf,
}

/// A format of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A folder that Hugging Face's transformers loads: GPT2LMHeadModel.from_pretrained(FOLDER).
    Hf,
    /// ONNX graphs: those of a published version; of weights, each of them rounded for itself.
    Onnx,
    /// Safetensors under the names of LLMs-from-scratch, and their configuration.
    Safetensors,
}

/// Writes a model in another format; all of it or nothing.
///
/// # Errors
/// If the model cannot be read, or the folder exists or cannot be written.
pub async fn run(arguments: Arguments) -> Result<()> {
    let to = &arguments.to;
    anyhow::ensure!(!to.exists(), "{} exists already; give a folder that does not", to.display());
    let device = device::cpu();
    let opened = arguments.model.open(&device).await?;
    let downloads = tempfile::tempdir()?;
    let model = opened.gpt(&device, downloads.path());
    match arguments.format {
        Format::Hf => weights::export_hf(&model.await?, to)?,
        Format::Onnx => {
            let exports = opened.exports(None, downloads.path()).await?;
            write_folder(to, |folder| {
                for export in exports {
                    let path = folder.join(&export.file);
                    std::fs::copy(&export.path, &path).with_context(|| path.display().to_string())?;
                }
                Ok(())
            })?;
        }
        Format::Safetensors => {
            let model = model.await?;
            write_folder(to, |folder| {
                weights::save(&model, &folder.join(WEIGHTS))?;
                let config = serde_json::to_vec_pretty(model.config())?;
                Ok(std::fs::write(folder.join("config.json"), config)?)
            })?;
        }
    }
    println!("wrote {} to {}", opened.identity()?, to.display());
    Ok(())
}

/// Writes a folder beside its place and renames it when it is complete.
fn write_folder(folder: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let at = || folder.display().to_string();
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).with_context(at)?;
    let staged = tempfile::Builder::new().prefix(".export-").tempdir_in(parent).with_context(at)?;
    let inner = staged.path().join("export");
    std::fs::create_dir(&inner).with_context(at)?;
    write(&inner)?;
    std::fs::rename(&inner, folder).with_context(at)
}
