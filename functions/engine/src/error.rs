//! What can go wrong between a model file and its next token.

use std::path::PathBuf;

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// ONNX Runtime would report on its users.
    #[error("the environment variable ORT_DISABLE_TELEMETRY must be 1 before ONNX Runtime is loaded")]
    Telemetry,
    /// There is no ONNX Runtime.
    #[error(
        "there is no ONNX Runtime: ORT_DYLIB_PATH is not set and {beside_executable} does not exist; \
         run scripts/setup.sh, then set ORT_DYLIB_PATH=target/native/onnxruntime/libonnxruntime.so"
    )]
    NoLibrary {
        /// Where else it was looked for.
        beside_executable: PathBuf,
    },
    /// The ONNX Runtime library does not load.
    #[error("loading ONNX Runtime from {path}: {reason}")]
    Library {
        /// The library.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// ONNX Runtime refuses a model.
    #[error("loading the model {path}: {source}")]
    Load {
        /// The ONNX file.
        path: PathBuf,
        /// What it says.
        #[source]
        source: ort::Error,
    },
    /// A model with other inputs or outputs than the exporter writes.
    #[error("the model {path} has no {what} `{name}`; export it again with this version of gpt")]
    Interface {
        /// The ONNX file.
        path: PathBuf,
        /// `input` or `output`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More positions than the model has.
    #[error("{positions} positions do not fit into the model's context of {context_length}")]
    ContextOverflow {
        /// How many there would be.
        positions: usize,
        /// How many there can be.
        context_length: usize,
    },
    /// ONNX Runtime failed to run the model.
    #[error("running the model: {0}")]
    Run(#[from] ort::Error),
    /// There is nothing to continue.
    #[error("the prompt is empty: a model needs at least one token to continue")]
    EmptyPrompt,
    /// The prompt was made with another vocabulary.
    #[error("token id {id} is not in the model's vocabulary of {vocab_size}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Ids are below it.
        vocab_size: usize,
    },
}
