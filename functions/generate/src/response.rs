//! What routes give.

use artifact::Manifest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A continuation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GenerateResponse {
    /// The new text, without the prompt.
    pub response: String,
    /// The prompt.
    pub prompt: String,
    /// How many tokens were generated.
    pub tokens_generated: usize,
    /// The model's shape, in the words of the page that this API replaces.
    pub model_info: ModelInfo,
    /// Why the text ends: `length`, `stop`, or `deadline` where time was up.
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
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: usize,
    /// Of the new text.
    pub completion_tokens: usize,
    /// Of both.
    pub total_tokens: usize,
}

impl Usage {
    /// Of a prompt and what was generated.
    pub fn new(prompt_tokens: usize, completion_tokens: usize) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }
}

/// How long a generation took, without the wait for its turn.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Timing {
    /// From the start to the first token.
    pub first_token_ms: f64,
    /// From the start to the last token.
    pub total_ms: f64,
    /// All tokens over all of the time.
    pub tokens_per_second: f64,
}

/// Which model answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How its weights are stored: `w4`, `w8` or `float32`.
    pub precision: String,
}

/// The answer of `GET /`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Status {
    /// `ready`, `loading`, or `unavailable` if no model can be loaded.
    pub status: &'static str,
    /// Which model answers.
    pub model: Option<ModelRef>,
    /// Its shape.
    pub model_info: Option<ModelInfo>,
    /// Prompts that show what it can do.
    pub example_prompts: Vec<String>,
}

/// The answer of `GET /model`: all that is known about the model, and how it came to be served.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelDetails {
    /// `ready`, `loading`, or `unavailable` if no model can be loaded.
    pub status: &'static str,
    /// Why it is unavailable.
    pub reason: Option<&'static str>,
    /// What loading does at the moment, while there is no model yet.
    pub loading: Option<Loading>,
    /// Which model answers.
    pub model: Option<ModelRef>,
    /// Its shape.
    pub model_info: Option<ModelInfo>,
    /// Its manifest, as it lies in the store.
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Manifest>,
    /// Its losses while it was trained.
    pub curve: Vec<CurvePoint>,
    /// How the process that answers started.
    pub start: Option<StartTimes>,
}

/// What loading does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Loading {
    /// What is done.
    pub step: LoadStep,
    /// Since it began.
    pub seconds: f64,
}

/// What is done to load a model, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoadStep {
    /// Reading which version to serve.
    #[default]
    Channel,
    /// Downloading and verifying its files.
    Files,
    /// Laying out its weights.
    Weights,
}

/// An evaluation while a model was trained: a line of `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CurvePoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens that these steps have trained on.
    pub tokens_seen: usize,
    /// Loss on training data, nats per token.
    pub train_loss: f64,
    /// Loss on validation data, nats per token.
    pub val_loss: f64,
    /// Spent on training so far.
    pub seconds: f64,
}

/// How long it took to start. The runtime and the tokenizer are loaded while files come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct StartTimes {
    /// Downloading and verifying files.
    pub files_ms: f64,
    /// Loading ONNX Runtime.
    pub runtime_ms: f64,
    /// Making the tokenizer.
    pub tokenizer_ms: f64,
    /// Laying out the weights.
    pub session_ms: f64,
    /// From the start of the process to this model; none if another was served before it, or none was there.
    pub ready_ms: Option<f64>,
}

/// The answer of `GET /health`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`: the program runs, whether its model is loaded or not.
    pub status: &'static str,
}

/// A piece of a text that is being written: the event `token`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TextPiece {
    /// What follows the text so far.
    pub text: String,
}

/// Continuations, as OpenAI's API gives them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Completion {
    /// Of this answer.
    pub id: String,
    /// `text_completion`
    pub object: &'static str,
    /// When, in seconds since 1970.
    pub created: u64,
    /// Name and version of the model.
    pub model: String,
    /// The continuations; of a stream, the next piece of one.
    pub choices: Vec<Choice>,
    /// Tokens in and out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A continuation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Choice {
    /// Its text, or the next piece of it.
    pub text: String,
    /// Which of the continuations.
    pub index: usize,
    /// How likely its tokens were.
    pub logprobs: Option<Logprobs>,
    /// Why it ends: `length`, `stop`, or `deadline` where time was up. Null while it does not.
    pub finish_reason: Option<&'static str>,
}

/// How likely tokens were, by position. Probabilities are those of the model, whatever the temperature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Logprobs {
    /// The tokens. One that is no text by itself is `bytes:` and its bytes as `\x00`.
    pub tokens: Vec<String>,
    /// Logarithms of their probabilities; null for the first of a prompt.
    pub token_logprobs: Vec<Option<f64>>,
    /// Of the most likely tokens.
    #[schema(value_type = Vec<Option<std::collections::HashMap<String, f64>>>)]
    pub top_logprobs: Vec<Option<serde_json::Map<String, serde_json::Value>>>,
    /// Where in the text they begin, in characters.
    pub text_offset: Vec<usize>,
}

/// The answer of `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelList {
    /// `list`
    pub object: &'static str,
    /// The one that is served.
    pub data: Vec<Model>,
}

/// A model, as OpenAI's API describes it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Model {
    /// Name and version.
    pub id: String,
    /// `model`
    pub object: &'static str,
    /// When it was trained, in seconds since 1970.
    pub created: u64,
    /// `troelsllm`
    pub owned_by: &'static str,
}

/// The answer of `POST /inspect`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InspectResponse {
    /// The prompt's tokens.
    pub tokens: Vec<InspectedToken>,
    /// How much tokens attend to each other: `attention[layer][head][token]` has a weight for each token up to
    /// that one, and they sum to 1.
    pub attention: Vec<Vec<Vec<Vec<f32>>>>,
    /// What may come next, the most likely first.
    pub next: Vec<Candidate>,
    /// The model's shape.
    pub model_info: ModelInfo,
    /// Which model it was.
    pub model: ModelRef,
}

/// A token of the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InspectedToken {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// The first numbers of its vector.
    pub token_embedding: Vec<f32>,
    /// The length of its vector.
    pub token_norm: f32,
    /// The first numbers of its position's vector.
    pub position_embedding: Vec<f32>,
    /// The length of its position's vector.
    pub position_norm: f32,
}

/// A token that may come next.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Candidate {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// What the model gives it before the softmax.
    pub logit: f32,
    /// Its probability, at temperature 1 and among all tokens.
    pub probability: f64,
}

/// An event of a stream of `POST /generate`.
#[derive(ToSchema)]
#[allow(dead_code)] // It stands in the schema alone.
pub struct NamedEvent {
    /// What it is.
    event: EventName,
    /// JSON: of `token` a [`TextPiece`], of `done` a [`GenerateResponse`], of `error` an `ErrorBody`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// What an event is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)]
pub enum EventName {
    /// A piece of the text.
    Token,
    /// The whole answer; nothing follows.
    Done,
    /// What went wrong; nothing follows.
    Error,
}

/// An event of a stream of `POST /v1/completions`: the JSON of a [`Completion`], of an `ErrorBody`, or `[DONE]`.
#[derive(ToSchema)]
#[allow(dead_code)] // It stands in the schema alone.
pub struct DataEvent {
    data: String,
}
