//! `GET /`, `/model`, `/v1/models`, `/health` and `/ready`: the served model and the state of the server.

use std::time::Duration;

use artifact::Manifest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::chat::Chat;
use crate::domain::parts;
use crate::domain::progress::{self, Progress};
use crate::domain::served_model::{self, ServedModel};
use crate::domain::telemetry::milliseconds;

/// Shape of a model.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelInfo {
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads of each block.
    pub heads: usize,
    /// Embedding dimension (`d_model`).
    pub embedding_dim: usize,
    /// Context length, in tokens.
    pub context_length: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Trainable parameters.
    pub parameters: usize,
}

impl From<&ServedModel> for ModelInfo {
    fn from(model: &ServedModel) -> Self {
        let config = &model.manifest().config;
        Self {
            layers: config.n_layers,
            heads: config.n_heads,
            embedding_dim: config.d_model,
            context_length: config.context_length,
            vocab_size: config.vocab_size,
            parameters: config.num_parameters(),
        }
    }
}

/// Identity of a model.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Precision of its weights: `w4` (int4), `w8` (int8) or `float32`.
    pub precision: String,
}

impl From<&ServedModel> for ModelRef {
    fn from(model: &ServedModel) -> Self {
        let reference = model.reference();
        Self {
            name: reference.name.clone(),
            version: reference.version.clone(),
            precision: model.precision().to_string(),
        }
    }
}

/// Response of `GET /`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Status {
    /// `ready`, `loading`, or `unavailable` if no model can be loaded.
    pub status: &'static str,
    /// The served model.
    pub model: Option<ModelRef>,
    /// Shape of the model.
    pub model_info: Option<ModelInfo>,
    /// Name of the model's chat template, `custom` if it is none of ours: then the model answers. Null if it has none and
    /// continues texts.
    pub chat_template: Option<&'static str>,
    /// Example prompts for the model.
    pub example_prompts: Vec<String>,
}

/// Response of `GET /model`: the served model, and how the process loaded it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelDetails {
    /// `ready`, `loading`, or `unavailable` if no model can be loaded.
    pub status: &'static str,
    /// Why it is unavailable.
    pub reason: Option<&'static str>,
    /// Progress of the load, while there is no model yet.
    pub loading: Option<Loading>,
    /// The served model.
    pub model: Option<ModelRef>,
    /// Shape of the model.
    pub model_info: Option<ModelInfo>,
    /// Name of the model's chat template, as in `GET /`.
    pub chat_template: Option<&'static str>,
    /// Manifest of the version, as in the store.
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Manifest>,
    /// Losses during training.
    pub curve: Vec<CurvePoint>,
    /// Start-up times of the process.
    pub start: Option<StartTimes>,
}

/// Progress of loading the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Loading {
    /// The current step.
    pub step: LoadStep,
    /// Since the load began.
    pub seconds: f64,
}

impl From<Progress> for Loading {
    fn from(progress: Progress) -> Self {
        let seconds = (progress.elapsed.as_secs_f64() * 10.0).round() / 10.0;
        Self { step: progress.step.into(), seconds }
    }
}

/// Steps of loading a model, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoadStep {
    /// Reading which version to serve.
    Channel,
    /// Downloading and verifying its files.
    Files,
    /// Creating the ONNX Runtime session.
    Weights,
}

impl From<progress::LoadStep> for LoadStep {
    fn from(step: progress::LoadStep) -> Self {
        match step {
            progress::LoadStep::Channel => Self::Channel,
            progress::LoadStep::Files => Self::Files,
            progress::LoadStep::Weights => Self::Weights,
        }
    }
}

/// An evaluation during training: a line of `metrics.jsonl` that has a `val_loss`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct CurvePoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens of these steps.
    pub tokens_seen: usize,
    /// Training loss, nats per token.
    pub train_loss: f64,
    /// Validation loss, nats per token.
    pub val_loss: f64,
    /// The same in bits per byte of its text; null for versions of earlier builds.
    pub bits_per_byte: Option<f64>,
    /// Training time so far, in seconds.
    pub seconds: f64,
}

impl From<&parts::CurvePoint> for CurvePoint {
    fn from(point: &parts::CurvePoint) -> Self {
        let parts::CurvePoint { epoch, step, tokens_seen, train_loss, val_loss, bits_per_byte, seconds } =
            *point;
        Self { epoch, step, tokens_seen, train_loss, val_loss, bits_per_byte, seconds }
    }
}

/// Start-up times. The runtime and the tokenizer are loaded while files are downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct StartTimes {
    /// Downloading and verifying files.
    pub files_ms: f64,
    /// Loading ONNX Runtime.
    pub runtime_ms: f64,
    /// Building the tokenizer.
    pub tokenizer_ms: f64,
    /// Creating the ONNX Runtime session.
    pub session_ms: f64,
    /// Cold start: from the start of the process to this model; null if the first attempt did not load it.
    pub ready_ms: Option<f64>,
}

impl StartTimes {
    /// The times of loading a model, and of the cold start that it ended.
    pub fn new(times: served_model::LoadTimes, cold_start: Option<Duration>) -> Self {
        let served_model::LoadTimes { files, runtime, tokenizer, session } = times;
        Self {
            files_ms: milliseconds(files),
            runtime_ms: milliseconds(runtime),
            tokenizer_ms: milliseconds(tokenizer),
            session_ms: milliseconds(session),
            ready_ms: cold_start.map(milliseconds),
        }
    }
}

/// Response of `GET /health`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`: the server runs, whether its model is loaded or not.
    pub status: &'static str,
}

/// Response of `GET /ready`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`: a model is loaded.
    pub status: &'static str,
}

/// Response of `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelList {
    /// `list`
    pub object: &'static str,
    /// The served model.
    pub data: Vec<Model>,
}

/// A model, as in OpenAI's API.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Model {
    /// Name and version.
    pub id: String,
    /// `model`
    pub object: &'static str,
    /// Time of its creation, in seconds since 1970.
    pub created: u64,
    /// `troelsllm`
    pub owned_by: &'static str,
    /// Context length, in tokens. A text may grow past it: the window slides.
    pub max_model_len: usize,
    /// Name of the model's chat template, as in `GET /`.
    pub chat_template: Option<&'static str>,
}

/// The name of a model's own chat template.
pub fn chat_template(model: &ServedModel) -> Option<&'static str> {
    model.chat().ok().and_then(Chat::own_name)
}

impl From<&ServedModel> for Model {
    fn from(model: &ServedModel) -> Self {
        let created = model.manifest().created_at.parse::<jiff::Timestamp>();
        Self {
            id: model.id(),
            object: "model",
            created: created.map_or(0, |time| time.as_second().max(0) as u64),
            owned_by: "troelsllm",
            max_model_len: model.manifest().config.context_length,
            chat_template: chat_template(model),
        }
    }
}
