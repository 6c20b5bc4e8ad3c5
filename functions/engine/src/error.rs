//! Errors of loading and running a model.

use std::path::PathBuf;

/// An error of loading or running a model.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Telemetry of ONNX Runtime is not disabled.
    #[error("the environment variable ORT_DISABLE_TELEMETRY must be 1 before ONNX Runtime is loaded")]
    Telemetry,
    /// The ONNX Runtime library is missing.
    #[error(
        "there is no ONNX Runtime: ORT_DYLIB_PATH is not set and {beside_executable} does not exist; \
         run scripts/setup.sh, then set ORT_DYLIB_PATH=target/native/onnxruntime/libonnxruntime.so"
    )]
    NoLibrary {
        /// The other place that was searched.
        beside_executable: PathBuf,
    },
    /// The ONNX Runtime library does not load.
    #[error("loading ONNX Runtime from {path}: {reason}")]
    Library {
        /// The library.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// ONNX Runtime refuses a model.
    #[error("loading the model {path}: {source}")]
    Load {
        /// The ONNX file.
        path: PathBuf,
        /// The error of ONNX Runtime.
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
        /// Their number.
        positions: usize,
        /// The largest number.
        context_length: usize,
    },
    /// ONNX Runtime failed to run the model, or an operator panicked.
    #[error("running the model: {0}")]
    Run(#[from] ort::Error),
    /// The system gave no thread to the model.
    #[error("no thread for the model: {0}")]
    Thread(#[source] std::io::Error),
    /// What takes a text or chooses its tokens panicked; the panic hook has said why.
    #[error("generating the text panicked")]
    Panicked,
    /// The thread of the model has ended before the text.
    #[error("the model's thread has ended")]
    Ended,
    /// A prompt without tokens.
    #[error("the prompt is empty: a model needs at least one token to continue")]
    EmptyPrompt,
    /// A token id of another vocabulary.
    #[error("token id {id} is not in the model's vocabulary of {vocab_size}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Ids are below it.
        vocab_size: usize,
    },
}
