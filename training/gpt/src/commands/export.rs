//! `gpt export`: a model as a folder of another format.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use gpt::release::publication::WEIGHTS;
use gpt::release::source::downloads;
use gpt::{device, weights};
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
    /// The folder to write, which must not exist yet.
    #[arg(long)]
    pub to: PathBuf,
}

/// A format of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A folder that Hugging Face's transformers loads: GPT2LMHeadModel.from_pretrained(FOLDER).
    Hf,
    /// ONNX graphs with float32, int8 and int4 weights: those of a published version; those of a file of
    /// weights are quantized without calibration.
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
    anyhow::ensure!(!to.exists(), "{}", exists(to));
    let device = device::cpu();
    let source = arguments.model.find(&device).await?;
    let downloads = downloads()?;
    let model = source.gpt(&device, downloads.path());
    match arguments.format {
        Format::Hf => weights::export_hf(&model.await?, to)?,
        Format::Onnx => {
            let exports = source.exports(None, downloads.path()).await?;
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
    println!("wrote {} to {}", source.identity()?, to.display());
    Ok(())
}

/// Writes a folder that appears when it is complete.
fn write_folder(to: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = AtomicFolder::beside(to)?;
    write(folder.path())?;
    anyhow::ensure!(folder.commit_new(to)?, "{}", exists(to));
    Ok(())
}

fn exists(to: &Path) -> String {
    format!("{} exists already; give a folder that does not", to.display())
}
