//! Weights in and out: this project's safetensors, the public code's PyTorch checkpoints, Hugging
//! Face's GPT-2.
//!
//! - `tensor_file`, with `safetensors` and `pytorch`: a file of named tensors, whatever its format;
//! - `names`: where in a file a parameter lies, and how it is laid out there;
//! - `shape` and `config_file`: the model's shape, from the tensors and a configuration beside them;
//! - `load`: the model with those weights;
//! - `hugging_face`: a folder that transformers loads.

mod config_file;
mod error;
mod hugging_face;
mod load;
mod names;
mod pytorch;
mod safetensors;
mod shape;
mod tensor_file;
mod walk;

use std::fmt;
use std::path::{Path, PathBuf};

use artifact::GptConfig;
use burn::tensor::Device;

pub use self::error::{ImportError, SaveError};
pub use self::hugging_face::export_hf;
pub use self::names::pytorch_name;
pub use self::safetensors::save;
pub(crate) use self::walk::{ParameterVisitor, Walk};

use self::config_file::ConfigFile;
use self::names::{Convention, Names};
use self::tensor_file::{Container, TensorFile};
use crate::model::Gpt;

/// Our file of weights, and Hugging Face's.
const SAFETENSORS: &str = "model.safetensors";
/// The configuration beside it.
const CONFIG: &str = "config.json";
/// What a folder is searched for.
const FILES: [&str; 3] = [SAFETENSORS, "model.pth", "pytorch_model.bin"];

/// What the user says about a model that is to be imported; it outweighs a configuration beside the
/// file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Attention heads in each block, which tensors do not tell.
    pub n_heads: Option<usize>,
    /// Dropout in further training; without it and a configuration, 0.
    pub dropout: Option<f64>,
}

/// What a file of weights turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A PyTorch checkpoint of the public code (LLMs-from-scratch), such as the seed's `model.pth`.
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
    /// What it was read from.
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
    let config = shape::infer(&file, &names, beside.as_ref(), options)?;
    let model = load::load(&config, &file, &names, device)?;
    let source = match (names.convention, file.container) {
        (Convention::HuggingFace, _) => Format::HuggingFace,
        (Convention::LlmsFromScratch, Container::Safetensors) => Format::Safetensors,
        (Convention::LlmsFromScratch, Container::PyTorch) => Format::PyTorch,
    };
    Ok(Imported { model, config, source, file: file.path })
}

/// Reads a model of a known, [valid](GptConfig::validate) shape under the public PyTorch code's names.
///
/// # Errors
/// If a weight is missing, has another shape, or has no place in the model.
pub fn load(config: &GptConfig, path: &Path, device: &Device) -> Result<Gpt, ImportError> {
    load::load(config, &TensorFile::open(path)?, &Names::ours(), device)
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

#[cfg(test)]
mod tests;
