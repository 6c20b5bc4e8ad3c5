//! Files of a model version.

use serde::{Deserialize, Serialize};

use crate::hash::Sha256Hex;

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// File name inside the version's folder.
    pub path: String,
    /// Its purpose.
    pub role: FileRole,
    /// Length in bytes.
    pub bytes: u64,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
}

/// Purpose of a file of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// An ONNX graph with its weights, or with an [`OnnxData`](Self::OnnxData) beside it.
    Onnx,
    /// External data of an ONNX graph: the weights of one that would be beyond protobuf's 2 GB. Its name is the
    /// graph's with `.data` after it.
    OnnxData,
    /// The weights as safetensors, under PyTorch's names.
    Weights,
    /// One JSON object per evaluation.
    Metrics,
    /// Texts sampled during training.
    Samples,
    /// Plot of the loss.
    Plot,
    /// The effective settings of the training run, as a preset.
    Preset,
    /// A page about the training run.
    Report,
    /// An index of the training corpus, see [`draft`](crate::draft).
    Draft,
    /// The tokenizer, in the format of Hugging Face's `tokenizer.json`; GPT-2's needs none.
    Tokenizer,
    /// How a conversation becomes a text, see [`chat`](crate::chat); a model with it answers.
    ChatTemplate,
    /// Low-rank changes of a base model's weights, which the weights of this version have in them, in the format of
    /// Hugging Face's peft.
    Adapter,
    /// A role of a newer writer; readers ignore it.
    #[serde(other)]
    Other,
}
