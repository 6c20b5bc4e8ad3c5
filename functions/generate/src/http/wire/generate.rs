//! `POST /generate`: request and response. Field names and defaults are a contract with existing clients.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::max_tokens::{MaxTokens, check_max_tokens};
use super::merged::merged;
use super::model::{ModelInfo, ModelRef};
use super::sampling::{Defaults, SamplingFields};
use super::usage::Usage;
use super::validate::check_text;
use crate::domain::continuation;
use crate::domain::prompt::Prompt;
use crate::http::context::Bounds;
use crate::http::error::ApiError;
use crate::http::json::{Fields, RequestBody};
use crate::http::limits::MAX_PROMPT_CHARS;
use crate::http::strict::optional_integer;

/// Tokens of a text when the request does not say.
const DEFAULT_MAX_TOKENS: usize = 50;

/// Sampling when the request does not say.
const DEFAULTS: Defaults = Defaults { temperature: 0.7, top_k: Some(50) };

/// A request to continue a text.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateRequest {
    /// What is particular to this route.
    pub fields: GenerateFields,
    /// How tokens are chosen.
    pub sampling: SamplingFields,
}

/// Fields of a request to continue a text, without those that say how tokens are chosen.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct GenerateFields {
    /// The text to continue.
    #[schema(min_length = 1, max_length = 16384, example = "The painting")]
    pub prompt: String,
    /// The most tokens to generate, by default 50; -1 for as many as fit into the context. The server has a limit of its
    /// own, at which a text ends as it does here.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(schema_with = max_tokens_schema)]
    pub max_tokens: Option<i64>,
    /// Whether to stream the text as server-sent events: `token` for each piece of text, then `done`, or
    /// `error`.
    #[serde(default)]
    #[schema(default = false)]
    pub stream: Option<bool>,
}

/// An integer from 1 on, -1 or null.
fn max_tokens_schema() -> RefOr<Schema> {
    let integer = || ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    OneOfBuilder::new()
        .description(Some(
            "The most tokens to generate, by default 50; -1 for as many as fit into the context. The server has a limit of \
             its own, at which a text ends as it does here.",
        ))
        .item(integer().minimum(Some(1)).examples([serde_json::json!(50)]))
        .item(integer().minimum(Some(-1)).maximum(Some(-1)))
        .item(ObjectBuilder::new().schema_type(SchemaType::new(Type::Null)))
        .into()
}

impl RequestBody for GenerateRequest {
    const IGNORES_UNKNOWN: bool = false;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self { fields: fields.read()?, sampling: fields.read()? })
    }
}

impl PartialSchema for GenerateRequest {
    fn schema() -> RefOr<Schema> {
        merged::<GenerateFields, SamplingFields>(false)
    }
}

impl ToSchema for GenerateRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        GenerateFields::schemas(schemas);
        SamplingFields::schemas(schemas);
    }
}

impl GenerateRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("prompt", &self.fields.prompt, 1..=MAX_PROMPT_CHARS)?;
        check_max_tokens("max_tokens", self.fields.max_tokens, 1)?;
        self.sampling.check()?;
        self.sampling.check_min_tokens(self.max_tokens())
    }

    /// The request to the pipeline.
    pub fn continuation(&self, bounds: Bounds) -> continuation::Request {
        let prompts = vec![Prompt::Text(self.fields.prompt.clone())];
        self.sampling.continuation(prompts, self.max_tokens(), DEFAULTS, bounds)
    }

    /// Whether to stream the text.
    pub fn stream(&self) -> bool {
        self.fields.stream == Some(true)
    }

    fn max_tokens(&self) -> MaxTokens {
        self.fields.max_tokens.map_or(MaxTokens::Tokens(DEFAULT_MAX_TOKENS), MaxTokens::of_field)
    }
}

/// A continuation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GenerateResponse {
    /// The generated text, without the prompt.
    pub response: String,
    /// The prompt.
    pub prompt: String,
    /// Number of generated tokens.
    pub tokens_generated: usize,
    /// Shape of the model.
    pub model_info: ModelInfo,
    /// Why the text ends: `length`, `stop`, or `deadline` if the time limit was reached.
    pub finish_reason: &'static str,
    /// The seed; with it the same request gives the same text.
    pub seed: u64,
    /// Numbers of tokens.
    pub usage: Usage,
    /// Duration of the generation.
    pub timing: Timing,
    /// The model that generated the text.
    pub model: ModelRef,
}

/// Duration of a generation, without the wait in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Timing {
    /// From the start to the first token.
    pub first_token_ms: f64,
    /// From the start to the last token.
    pub total_ms: f64,
    /// Generated tokens per second.
    pub tokens_per_second: f64,
}

/// The next piece of a text: data of the event `token`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TextPiece {
    /// Follows the text so far.
    pub text: String,
}

/// A server-sent event of `POST /generate`.
#[derive(ToSchema)]
#[allow(dead_code)] // For the schema alone.
pub struct NamedEvent {
    /// Name of the event.
    event: EventName,
    /// JSON: a [`TextPiece`] for `token`, a [`GenerateResponse`] for `done`, an `ErrorBody` for `error`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Name of a server-sent event.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)] // For the schema alone.
pub enum EventName {
    /// The next piece of the text.
    Token,
    /// The complete response; the last event.
    Done,
    /// An error; the last event.
    Error,
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use artifact::Sampling;

    use super::*;
    use crate::http::json::parse;

    fn request(json: &str) -> GenerateRequest {
        parse(json.as_bytes()).unwrap().0
    }

    fn wanted(json: &str) -> continuation::Request {
        let request = request(json);
        assert_eq!(request.validate(), Ok(()));
        request.continuation(Bounds { deadline: Instant::now(), max_tokens: 1000 })
    }

    #[test]
    fn only_the_prompt_is_needed() {
        for json in [
            r#"{"prompt": "The painting"}"#,
            r#"{"prompt": "The painting", "max_tokens": null, "temperature": null, "top_k": null, "stream": null}"#,
        ] {
            let found = wanted(json);
            assert_eq!((found.max_tokens, found.fits_context), (50, false));
            assert_eq!(found.sampling, Sampling::new(0.7, Some(50)));
            assert!(!request(json).stream());
        }
        assert_eq!(wanted(r#"{"prompt": "x", "temperature": 0}"#).sampling, Sampling::Greedy);
        assert!(wanted(r#"{"prompt": "x", "max_tokens": -1}"#).fits_context);
        assert_eq!(wanted(r#"{"prompt": "x", "max_tokens": 5000}"#).max_tokens, 1000);
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let long = format!(r#"{{"prompt": "{}"}}"#, "x".repeat(MAX_PROMPT_CHARS + 1));
        for (json, name) in [
            (r#"{"prompt": ""}"#, "prompt"),
            (&long, "prompt"),
            (r#"{"prompt": "x", "max_tokens": 0}"#, "max_tokens"),
            (r#"{"prompt": "x", "max_tokens": -2}"#, "max_tokens"),
            (r#"{"prompt": "x", "top_k": -2}"#, "top_k"),
        ] {
            match request(json).validate().unwrap_err() {
                ApiError::InvalidField { field, message } => {
                    assert_eq!(field, name);
                    assert!(message.contains("expected"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        let unknown = parse::<GenerateRequest>(br#"{"prompt": "x", "best_of": 2}"#.as_slice()).unwrap_err();
        assert!(matches!(unknown, ApiError::InvalidField { field, .. } if field == "best_of"));
    }
}
