//! `POST /inspect`: request and response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{ModelInfo, ModelRef};
use super::validate::{check_given, check_text};
use crate::http::error::ApiError;
use crate::http::json::{Fields, RequestBody};
use crate::http::limits::{MAX_CANDIDATES, MAX_PROMPT_CHARS};
use crate::http::strict::optional_integer;

/// A request to inspect the model on a prompt.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The prompt, at most 64 tokens long.
    #[schema(min_length = 1, max_length = 16384, example = "The painting")]
    pub prompt: String,
    /// Number of most likely next tokens to report.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    pub top_k: Option<i64>,
}

impl RequestBody for InspectRequest {
    const IGNORES_UNKNOWN: bool = false;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        fields.read()
    }
}

impl InspectRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("prompt", &self.prompt, 1..=MAX_PROMPT_CHARS)?;
        check_given("top_k", self.top_k, 1..=MAX_CANDIDATES)
    }

    /// Number of most likely next tokens to report.
    pub fn top_k(&self) -> usize {
        self.top_k.and_then(|top_k| top_k.try_into().ok()).unwrap_or(10)
    }
}

/// Embeddings, attention weights and next-token probabilities of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InspectResponse {
    /// Tokens of the prompt.
    pub tokens: Vec<InspectedToken>,
    /// Attention weights: `attention[layer][head][token]` has a weight for each token up to that one; they
    /// sum to 1.
    pub attention: Vec<Vec<Vec<Vec<f32>>>>,
    /// Candidates for the next token, the most likely first.
    pub next: Vec<Candidate>,
    /// Shape of the model.
    pub model_info: ModelInfo,
    /// The model that was inspected.
    pub model: ModelRef,
}

/// A token of the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InspectedToken {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// First components of its token embedding.
    pub token_embedding: Vec<f32>,
    /// Norm of its token embedding.
    pub token_norm: f32,
    /// First components of its position embedding.
    pub position_embedding: Vec<f32>,
    /// Norm of its position embedding.
    pub position_norm: f32,
}

/// A candidate for the next token.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Candidate {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// Its logit.
    pub logit: f32,
    /// Its probability, at temperature 1 and among all tokens.
    pub probability: f64,
}
