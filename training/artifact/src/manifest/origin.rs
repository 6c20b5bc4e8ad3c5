//! Origin and quality of a model: tokenizer, evaluation, training run, import.

use serde::{Deserialize, Serialize};

use crate::hash::Sha256Hex;

/// A tokenizer by name and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerRef {
    /// Name, see [`Tokenizer::from_manifest`](crate::Tokenizer::from_manifest).
    pub name: String,
    /// Digest of everything that its ids depend on, see [`Tokenizer::reference`](crate::Tokenizer::reference).
    pub sha256: Sha256Hex,
}

/// Validation loss of a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// Mean cross-entropy, nats per token.
    pub val_loss: f64,
    /// `exp(val_loss)`.
    pub perplexity: f64,
    /// Tokens predicted: the whole validation text, unless the preset bounds it.
    pub tokens: usize,
    /// The same loss in bits per byte of the text, which models with different tokenizers can be compared by;
    /// versions of earlier builds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Bytes of the text that the predicted tokens stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_bytes: Option<usize>,
}

/// A file of weights from elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportSummary {
    /// Its name, without its folder.
    pub file: String,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
    /// Its format.
    pub format: String,
}

/// Training run of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// The texts.
    pub corpus: Vec<CorpusEntry>,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Optimizer steps.
    pub steps: usize,
    /// Settings of the run, as the preset names them.
    pub hyper_parameters: serde_json::Value,
    /// Last evaluation on training data, nats per token.
    pub final_train_loss: f64,
    /// Last evaluation on validation data, nats per token.
    pub final_val_loss: f64,
    /// Duration of the training loop.
    pub wall_seconds: f64,
    /// Device that it ran on.
    pub device: String,
    /// The most memory that the process had at once, to the end of the training loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// One text of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusEntry {
    /// File name, without its folder.
    pub name: String,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
    /// Length in tokens, training and validation together.
    pub tokens: usize,
}
