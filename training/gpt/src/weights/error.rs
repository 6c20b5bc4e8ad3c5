//! Errors of reading and writing weights, by file and tensor.

use std::io;
use std::path::PathBuf;

use artifact::config::ConfigError;
use store::PathError;

/// Why a file of weights cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// A folder without weights.
    #[error("{path}: it holds no file of weights; looked for {looked_for}")]
    NoFile {
        /// The folder.
        path: PathBuf,
        /// The names that were looked for.
        looked_for: String,
    },
    /// It looks like a safetensors file and is none.
    #[error("{path}: it is not a valid safetensors file: {problem}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// It is not a PyTorch checkpoint either.
    #[error("{path}: it is neither a valid safetensors file nor a PyTorch checkpoint: {source}")]
    PyTorch {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pytorch_reader::PytorchError,
    },
    /// Tensors that repeat a few stored numbers, as no file of weights does.
    #[error("{path}: its tensors would take {claimed} bytes, more than twice its {found} bytes")]
    Inflated {
        /// The file.
        path: PathBuf,
        /// Bytes of all tensors.
        claimed: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The names are those of some other model.
    #[error(
        "{path}: it holds no GPT: no tensor is named `tok_emb.weight`, as in LLMs-from-scratch, or \
         `wte.weight`, as in Hugging Face's GPT-2"
    )]
    UnknownModel {
        /// The file.
        path: PathBuf,
    },
    /// A weight of the model is not in the file.
    #[error("{path}: it has no tensor `{name}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A weight of the model has another shape or type in the file.
    #[error("{path}: tensor `{name}` is {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that the configuration asks for.
        expected: String,
    },
    /// The file has a weight that the model has no place for, so the model is another one.
    #[error("{path}: tensor `{name}` has no place in a GPT-2 of this shape")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The configuration beside the weights cannot be read.
    #[error("{path}: it is not a model configuration: {source}")]
    ConfigFile {
        /// The configuration.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration beside the weights contradicts them, or asks for what a [`Gpt`](crate::Gpt)
    /// does not compute.
    #[error("{path}: `{field}` is {found}, expected {expected}")]
    Config {
        /// The configuration.
        path: PathBuf,
        /// The field at fault.
        field: &'static str,
        /// Its value.
        found: String,
        /// Accepted values.
        expected: String,
    },
    /// Tensors have the same shapes whatever the number of heads.
    #[error(
        "{path}: its tensors do not tell the number of attention heads; pass --n-heads, or put a \
         config.json with `n_heads` beside it"
    )]
    UnknownHeads {
        /// The file.
        path: PathBuf,
    },
    /// Tensors and configuration together describe no model.
    #[error("{path}: {source}")]
    InvalidShape {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ConfigError,
    },
}

/// Why weights cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A file or folder could not be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The weights could not be written.
    #[error("{path}: {source}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// An export does not replace what is there.
    #[error("{path}: it exists already; remove it or export to another folder")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
}
