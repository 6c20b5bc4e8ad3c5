//! What the routes give.

use artifact::manifest::Precision;
use serde::Serialize;

/// A continuation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GenerateResponse {
    /// The new text, without the prompt.
    pub response: String,
    /// The prompt.
    pub prompt: String,
    /// How many tokens the new text has.
    pub tokens_generated: usize,
    /// The model's shape, in the words of the page that this API replaces.
    pub model_info: ModelInfo,
    /// Why the text ends: `length` or `stop`.
    pub finish_reason: &'static str,
    /// With this seed the same request gives the same text.
    pub seed: u64,
    /// Tokens in and out.
    pub usage: Usage,
    /// How long it took.
    pub timing: Timing,
    /// Which model it was.
    pub model: ModelRef,
}

/// A model's shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads in each.
    pub heads: usize,
    /// Width of the residual stream.
    pub embedding_dim: usize,
    /// Positions that attention can see.
    pub context_length: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Trainable parameters.
    pub parameters: usize,
}

/// Tokens in and out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: usize,
    /// Of the new text.
    pub completion_tokens: usize,
    /// Of both.
    pub total_tokens: usize,
}

/// How long a generation took, without the wait for the one before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// From the start to the first token.
    pub first_token_ms: f64,
    /// From the start to the last token.
    pub total_ms: f64,
    /// All tokens over all of the time.
    pub tokens_per_second: f64,
}

/// Which model answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How its weights are stored.
    pub precision: Precision,
}

/// The answer of `GET /`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// `ready`
    pub status: &'static str,
    /// Which model answers.
    pub model: ModelRef,
    /// Its shape.
    pub model_info: ModelInfo,
    /// Prompts that show what it can do.
    pub example_prompts: Vec<String>,
}
