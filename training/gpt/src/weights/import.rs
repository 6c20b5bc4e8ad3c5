//! Import of a model from a file of weights whose format and shape are not known.

use std::fmt;
use std::path::{Path, PathBuf};

use artifact::GptConfig;
use burn::tensor::Device;

use super::config_file::ConfigFile;
use super::error::ImportError;
use super::load::load as load_parameters;
use super::names::{Convention, Names};
use super::safetensors::SAFETENSORS;
use super::shape::{ImportOptions, infer};
use super::tensor_file::{Container, TensorFile};
use crate::model::Gpt;

/// File names that are looked for in a folder.
const FILES: [&str; 3] = [SAFETENSORS, "model.pth", "pytorch_model.bin"];

/// Format of a file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A PyTorch checkpoint of LLMs-from-scratch (chapter 5), `model.pth`.
    PyTorch,
    /// Safetensors under the same names, such as this project publishes.
    Safetensors,
    /// Hugging Face's GPT-2, as safetensors or as a PyTorch checkpoint.
    HuggingFace,
}

impl fmt::Display for Format {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::Safetensors => "safetensors",
            Self::HuggingFace => "Hugging Face GPT-2",
        })
    }
}

/// A model from elsewhere.
#[derive(Debug)]
pub struct Imported {
    /// The model.
    pub model: Gpt,
    /// Its shape.
    pub config: GptConfig,
    /// Format of the file.
    pub source: Format,
    /// The file that it was read from.
    pub file: PathBuf,
}

/// Reads a model whose shape is not known: a file of weights, or a folder with one.
///
/// The file is recognised by its contents. What the tensors do not tell is taken from `options`, or
/// from a `config.json` or manifest beside the file in the words of this project, LLMs-from-scratch,
/// nanoGPT or Hugging Face.
///
/// # Errors
/// If it is no GPT-2, or not wholly; names the file and what is wrong with it.
pub fn import(path: &Path, options: &ImportOptions, device: &Device) -> Result<Imported, ImportError> {
    let file = TensorFile::open(&find_file(path)?)?;
    let names =
        Names::detect(file.names()).ok_or_else(|| ImportError::UnknownModel { path: file.path.clone() })?;
    let beside = ConfigFile::beside(&file.path)?;
    let config = infer(&file, &names, beside.as_ref(), options)?;
    let model = load_parameters(&config, &file, &names, device)?;
    let source = match (names.convention, file.container) {
        (Convention::HuggingFace, _) => Format::HuggingFace,
        (Convention::LlmsFromScratch, Container::Safetensors) => Format::Safetensors,
        (Convention::LlmsFromScratch, Container::PyTorch) => Format::PyTorch,
    };
    Ok(Imported { model, config, source, file: file.path })
}

/// Reads a model of a known, [valid](GptConfig::validate) shape under the names of LLMs-from-scratch.
///
/// # Errors
/// If a weight is missing, has another shape, or has no place in the model.
pub fn load(config: &GptConfig, path: &Path, device: &Device) -> Result<Gpt, ImportError> {
    load_parameters(config, &TensorFile::open(path)?, &Names::ours(), device)
}

/// The file itself, or the first of [`FILES`] in a folder.
fn find_file(path: &Path) -> Result<PathBuf, ImportError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let candidates = FILES.map(|name| path.join(name));
    candidates
        .into_iter()
        .find(|file| file.exists())
        .ok_or_else(|| ImportError::NoFile { path: path.to_owned(), looked_for: FILES.join(", ") })
}
