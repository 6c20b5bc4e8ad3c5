//! `POST /generate`: request and response. Field names and defaults are a contract with existing clients.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{ModelInfo, ModelRef};
use super::stop::Stop;
use super::usage::Usage;
use super::validate::{check, check_sampling, check_text, sampling};
use crate::domain::continuation;
use crate::domain::prompt::Prompt;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_PROMPT_CHARS, MAX_TOKENS};
use crate::http::strict::{optional_whole, whole};

/// A request to continue a text.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateRequest {
    /// The text to continue.
    #[schema(min_length = 1, max_length = 16384, example = "The painting")]
    pub prompt: String,
    /// The most tokens to generate.
    #[serde(default = "default_max_tokens", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1000)]
    pub max_tokens: usize,
    /// Sampling temperature: 0 is greedy decoding, higher values are more varied.
    #[serde(default = "default_temperature")]
    #[schema(minimum = 0, maximum = 100)]
    pub temperature: f64,
    /// Top-k sampling: number of most likely tokens to sample from.
    #[serde(default = "default_top_k", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub top_k: usize,
    /// Nucleus (top-p) sampling, after top-k: the most likely tokens whose probabilities add up to at least
    /// this.
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Random seed: the same seed gives the same text. Random if it is left out.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub seed: Option<u64>,
    /// Stop strings, which end the continuation and are not part of it: one, or up to four.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Whether to stream the text as server-sent events: `token` for each piece of text, then `done`, or
    /// `error`.
    #[serde(default)]
    pub stream: bool,
}

fn default_max_tokens() -> usize {
    50
}

fn default_temperature() -> f64 {
    0.7
}

fn default_top_k() -> usize {
    50
}

impl GenerateRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("prompt", &self.prompt, 1..=MAX_PROMPT_CHARS)?;
        check("max_tokens", self.max_tokens, 1..=MAX_TOKENS)?;
        check_sampling(self.temperature, Some(self.top_k), self.top_p)?;
        Stop::check(self.stop.as_ref())
    }

    /// The request to the pipeline.
    pub fn continuation(&self, deadline: Instant) -> continuation::Request {
        continuation::Request {
            model: None,
            prompt: Prompt::Text(self.prompt.clone()),
            choices: 1,
            max_tokens: self.max_tokens,
            sampling: sampling(self.temperature, Some(self.top_k), self.top_p),
            seed: self.seed,
            stop: Stop::texts(self.stop.as_ref()),
            log_probs: None,
            scores_prompt: false,
            deadline,
        }
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
    use artifact::Sampling;

    use super::*;

    fn request(json: &str) -> GenerateRequest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_the_prompt_is_needed() {
        let request = request(r#"{"prompt": "The painting"}"#);
        assert_eq!((request.max_tokens, request.temperature, request.top_k), (50, 0.7, 50));
        assert_eq!(request.validate(), Ok(()));
    }

    #[test]
    fn temperature_zero_is_greedy() {
        let request = request(r#"{"prompt": "x", "temperature": 0}"#);
        assert_eq!(request.continuation(Instant::now()).sampling, Sampling::Greedy);
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let long = format!(r#"{{"prompt": "{}"}}"#, "x".repeat(MAX_PROMPT_CHARS + 1));
        for (json, name) in [
            (r#"{"prompt": ""}"#, "prompt"),
            (&long, "prompt"),
            (r#"{"prompt": "x", "max_tokens": 0}"#, "max_tokens"),
            (r#"{"prompt": "x", "max_tokens": 1001}"#, "max_tokens"),
            (r#"{"prompt": "x", "temperature": -0.1}"#, "temperature"),
            (r#"{"prompt": "x", "temperature": 1e30}"#, "temperature"),
            (r#"{"prompt": "x", "top_k": 0}"#, "top_k"),
            (r#"{"prompt": "x", "top_p": 0}"#, "top_p"),
            (r#"{"prompt": "x", "top_p": 1.1}"#, "top_p"),
            (r#"{"prompt": "x", "stop": ""}"#, "stop"),
            (r#"{"prompt": "x", "stop": ["a", "b", "c", "d", "e"]}"#, "stop"),
        ] {
            match request(json).validate().unwrap_err() {
                ApiError::InvalidField { field, message } => {
                    assert_eq!(field, name);
                    assert!(message.contains("expected"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn one_stop_and_several_are_lists() {
        let stops = |json: &str| Stop::texts(request(json).stop.as_ref());
        assert_eq!(stops(r#"{"prompt": "x"}"#), Vec::<String>::new());
        assert_eq!(stops(r#"{"prompt": "x", "stop": "a"}"#), ["a"]);
        assert_eq!(stops(r#"{"prompt": "x", "stop": ["a", "b"]}"#), ["a", "b"]);
    }
}
