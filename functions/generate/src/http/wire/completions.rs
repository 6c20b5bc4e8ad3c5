//! `POST /v1/completions`: request and response of OpenAI's completions API
//! (<https://platform.openai.com/docs/api-reference/completions>), with `top_k` in addition.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::prompt::Prompt;
use super::stop::Stop;
use super::usage::Usage;
use super::validate::{check, check_sampling, check_text, sampling};
use crate::domain::continuation;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_CHOICES, MAX_LOGPROBS, MAX_TOKENS};
use crate::http::strict::{Object, optional_whole};

/// A request of OpenAI's completions API, with `top_k` in addition.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// Name of the served model, or its name and version as in `GET /v1/models`.
    #[schema(max_length = 256, example = "the-verdict")]
    pub model: String,
    /// The text to continue, or its token ids.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// The most tokens to generate.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 1000, default = 16)]
    pub max_tokens: Option<usize>,
    /// Sampling temperature: 0 is greedy decoding, higher values are more varied.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100, default = 1)]
    pub temperature: Option<f64>,
    /// Nucleus (top-p) sampling: the most likely tokens whose probabilities add up to at least this.
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1, default = 1)]
    pub top_p: Option<f64>,
    /// Top-k sampling: number of most likely tokens to sample from; all if it is left out.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub top_k: Option<usize>,
    /// Number of continuations.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 1, maximum = 8, default = 1)]
    pub n: Option<usize>,
    /// Whether to stream the texts as server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[serde(default)]
    #[schema(value_type = Option<StreamOptions>)]
    pub stream_options: Option<Object<StreamOptions>>,
    /// Number of most likely tokens to report with their log-probabilities, beside the chosen one.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 20)]
    pub logprobs: Option<usize>,
    /// Whether the text begins with the prompt.
    #[serde(default)]
    pub echo: Option<bool>,
    /// Stop strings, which end a continuation and are not part of it: one, or up to four.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Random seed of the first continuation; each further one has the next seed.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub seed: Option<u64>,
}

/// Options of a stream.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether a last event has the numbers of tokens.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

impl CompletionRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("model", &self.model, 0..=256)?;
        self.prompt.as_ref().map_or(Ok(()), Prompt::check)?;
        check("max_tokens", self.max_tokens(), 0..=MAX_TOKENS)?;
        check_sampling(self.temperature(), self.top_k, self.top_p)?;
        check("n", self.choices(), 1..=MAX_CHOICES)?;
        self.logprobs.map_or(Ok(()), |count| check("logprobs", count, 0..=MAX_LOGPROBS))?;
        Stop::check(self.stop.as_ref())
    }

    /// The request to the pipeline.
    pub fn continuation(&self, deadline: Instant) -> continuation::Request {
        continuation::Request {
            model: Some(self.model.clone()),
            prompt: self.prompt.as_ref().into(),
            choices: self.choices(),
            max_tokens: self.max_tokens(),
            sampling: sampling(self.temperature(), self.top_k, self.top_p),
            seed: self.seed,
            stop: Stop::texts(self.stop.as_ref()),
            log_probs: self.logprobs,
            scores_prompt: self.echo(),
            deadline,
        }
    }

    /// Whether the text begins with the prompt.
    pub fn echo(&self) -> bool {
        self.echo == Some(true)
    }

    /// Whether to stream the texts.
    pub fn stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether a stream ends with the numbers of tokens.
    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.0.include_usage == Some(true))
    }

    fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens.unwrap_or(16)
    }

    fn choices(&self) -> usize {
        self.n.unwrap_or(1)
    }
}

/// Continuations, as in OpenAI's API.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Completion {
    /// Id of the response.
    pub id: String,
    /// `text_completion`
    pub object: &'static str,
    /// Time of the response, in seconds since 1970.
    pub created: u64,
    /// Name and version of the model.
    pub model: String,
    /// The continuations; in a stream, the next piece of one.
    pub choices: Vec<Choice>,
    /// Numbers of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A continuation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Choice {
    /// Its text; in a stream, the next piece of it.
    pub text: String,
    /// Index of the continuation.
    pub index: usize,
    /// Log-probabilities of its tokens.
    pub logprobs: Option<Logprobs>,
    /// Why it ends: `length`, `stop`, or `deadline` if the time limit was reached. Null in a stream before
    /// the end.
    pub finish_reason: Option<&'static str>,
}

/// Log-probabilities by position, at temperature 1 and among all tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Logprobs {
    /// The tokens. One that is not valid UTF-8 by itself is written as `bytes:` and its bytes as `\x00`.
    pub tokens: Vec<String>,
    /// Their log-probabilities; null for the first token of a prompt.
    pub token_logprobs: Vec<Option<f64>>,
    /// Log-probabilities of the most likely tokens.
    #[schema(value_type = Vec<Option<std::collections::HashMap<String, f64>>>)]
    pub top_logprobs: Vec<Option<serde_json::Map<String, serde_json::Value>>>,
    /// Offsets of the tokens in the text, in characters.
    pub text_offset: Vec<usize>,
}

impl Logprobs {
    /// Appends the log-probabilities of the following tokens.
    pub fn extend(&mut self, next: Self) {
        self.tokens.extend(next.tokens);
        self.token_logprobs.extend(next.token_logprobs);
        self.top_logprobs.extend(next.top_logprobs);
        self.text_offset.extend(next.text_offset);
    }
}

/// A server-sent event of `POST /v1/completions`: the JSON of a [`Completion`] or of an `ErrorBody`, or
/// `[DONE]`.
#[derive(ToSchema)]
#[allow(dead_code)] // For the schema alone.
pub struct DataEvent {
    data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        for (name, value) in
            [("n", "0"), ("n", "9"), ("logprobs", "21"), ("max_tokens", "1001"), ("prompt", "[]")]
        {
            let json = format!(r#"{{"model": "m", "{name}": {value}}}"#);
            let request: CompletionRequest = serde_json::from_str(&json).unwrap();
            match request.validate().unwrap_err() {
                ApiError::InvalidField { field, message } => {
                    assert_eq!(field, name);
                    assert!(message.contains("expected"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
