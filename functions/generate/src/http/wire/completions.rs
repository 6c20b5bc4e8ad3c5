//! Request of `POST /v1/completions`, OpenAI's completions API
//! (<https://platform.openai.com/docs/api-reference/completions>), with the fields of its relatives in addition.

use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::max_tokens::{MaxTokens, check_max_tokens};
use super::merged::merged;
use super::openai::{StreamOptions, check_model, check_texts};
use super::prompt::Prompt;
use super::sampling::{Defaults, SamplingFields};
use super::unsupported::check_unsupported;
use super::validate::{check, check_given};
use crate::domain::continuation;
use crate::http::context::Bounds;
use crate::http::error::ApiError;
use crate::http::json::{Fields, RequestBody};
use crate::http::limits::{MAX_CHOICES, MAX_LOGPROBS};
use crate::http::strict::{Object, optional_integer};

/// Tokens of a text when the request does not say.
const DEFAULT_MAX_TOKENS: usize = 16;

/// A request of OpenAI's completions API, with fields of its relatives in addition.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// What is particular to this route.
    pub fields: CompletionFields,
    /// How tokens are chosen.
    pub sampling: SamplingFields,
}

/// Fields of a completion request, without those that say how tokens are chosen.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct CompletionFields {
    /// Name of the served model, or its name and version as in `GET /v1/models`; any if it is left out.
    #[serde(default)]
    #[schema(max_length = 256, example = "the-verdict")]
    pub model: Option<String>,
    /// The text to continue, or its token ids, or a list of either.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// Whether the spelling of a special token in a prompt, such as `<|endoftext|>`, is that token. Otherwise it is
    /// text.
    #[serde(default, alias = "parse_special")]
    #[schema(default = false)]
    pub add_special_tokens: Option<bool>,
    /// The most tokens to generate; -1 for as many as fit into the context. The server has a limit of its own, at which
    /// a text ends as it does here.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = -1, default = 16)]
    pub max_tokens: Option<i64>,
    /// Number of continuations of each prompt; at most 128 of all prompts together.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 1, maximum = 128, default = 1)]
    pub n: Option<i64>,
    /// Number of continuations of each prompt that are generated, of which the `n` with the highest log-probability per
    /// token are returned. Not together with `stream`.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 1, maximum = 128)]
    pub best_of: Option<i64>,
    /// Whether to stream the texts as server-sent events.
    #[serde(default)]
    #[schema(default = false)]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[serde(default)]
    #[schema(value_type = Option<StreamOptions>)]
    pub stream_options: Option<Object<StreamOptions>>,
    /// Number of most likely tokens to report with their log-probabilities, beside the chosen one. With `echo`, a prompt
    /// that is longer than the context is scored in windows of that length.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 0, maximum = 20)]
    pub logprobs: Option<i64>,
    /// Whether the text begins with the prompt.
    #[serde(default)]
    #[schema(default = false)]
    pub echo: Option<bool>,
}

impl RequestBody for CompletionRequest {
    const IGNORES_UNKNOWN: bool = true;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        if fields.get("messages").is_some() && fields.get("prompt").is_none() {
            let message = "`messages` are for POST /v1/chat/completions; this route continues a `prompt`";
            return Err(ApiError::InvalidField { field: "messages".to_owned(), message: message.to_owned() });
        }
        check_unsupported(fields)?;
        Ok(Self { fields: fields.read()?, sampling: fields.read()? })
    }
}

impl PartialSchema for CompletionRequest {
    fn schema() -> RefOr<Schema> {
        merged::<CompletionFields, SamplingFields>(true)
    }
}

impl ToSchema for CompletionRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        CompletionFields::schemas(schemas);
        SamplingFields::schemas(schemas);
    }
}

impl CompletionRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        let fields = &self.fields;
        check_model(fields.model.as_deref())?;
        fields.prompt.as_ref().map_or(Ok(()), Prompt::check)?;
        check_max_tokens("max_tokens", fields.max_tokens, 0)?;
        check_given("n", fields.n, 1..=MAX_CHOICES as i64)?;
        check_given("best_of", fields.best_of, 1..=MAX_CHOICES as i64)?;
        check_given("logprobs", fields.logprobs, 0..=MAX_LOGPROBS)?;
        self.sampling.check()?;
        self.sampling.check_min_tokens(self.max_tokens())?;
        let prompts = Prompt::all(fields.prompt.as_ref(), false).len();
        if let Some(best_of) = fields.best_of {
            check("best_of", best_of, self.n() as i64..=MAX_CHOICES as i64)?;
        }
        if self.generated() > self.n() && self.stream() {
            let expected = format_args!("{} together with `stream`", self.n());
            return Err(ApiError::out_of_range("best_of", self.generated(), expected));
        }
        check_texts(if fields.best_of.is_some() { "best_of" } else { "n" }, prompts, self.generated())
    }

    /// The request to the pipeline.
    pub fn continuation(&self, bounds: Bounds) -> continuation::Request {
        let prompts = Prompt::all(self.fields.prompt.as_ref(), self.fields.add_special_tokens == Some(true));
        // The best are known by their log-probabilities.
        let ranked = (self.generated() > self.n()).then_some(0);
        continuation::Request {
            model: self.fields.model.clone(),
            choices: self.generated(),
            log_probs: self.logprobs().or(ranked),
            scores_prompt: self.echo() && self.logprobs().is_some(),
            ..self.sampling.continuation(prompts, self.max_tokens(), Defaults::OPENAI, bounds)
        }
    }

    /// Number of continuations of each prompt that are returned.
    pub fn n(&self) -> usize {
        count(self.fields.n).unwrap_or(1)
    }

    /// Number of continuations of each prompt that are generated.
    pub fn generated(&self) -> usize {
        count(self.fields.best_of).unwrap_or(1).max(self.n())
    }

    /// Number of most likely tokens to report; `None` for no log-probabilities.
    pub fn logprobs(&self) -> Option<usize> {
        count(self.fields.logprobs)
    }

    /// Whether the text begins with the prompt.
    pub fn echo(&self) -> bool {
        self.fields.echo == Some(true)
    }

    /// Whether to stream the texts.
    pub fn stream(&self) -> bool {
        self.fields.stream == Some(true)
    }

    /// Whether a stream ends with the numbers of tokens.
    pub fn include_usage(&self) -> bool {
        StreamOptions::include_usage(self.fields.stream_options.as_ref())
    }

    fn max_tokens(&self) -> MaxTokens {
        self.fields.max_tokens.map_or(MaxTokens::Tokens(DEFAULT_MAX_TOKENS), MaxTokens::of_field)
    }
}

/// A number that has been checked.
fn count(number: Option<i64>) -> Option<usize> {
    number.and_then(|number| number.try_into().ok())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::http::json::parse;

    const BOUNDS: fn() -> Bounds = || Bounds { deadline: Instant::now(), max_tokens: 1000 };

    fn request(json: &str) -> CompletionRequest {
        parse(json.as_bytes()).unwrap().0
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (json, name) in [
            (r#"{"n": 0}"#, "n"),
            (r#"{"n": 129}"#, "n"),
            (r#"{"n": 65, "prompt": ["a", "b"]}"#, "n"),
            (r#"{"n": 2, "best_of": 1}"#, "best_of"),
            (r#"{"best_of": 2, "stream": true}"#, "best_of"),
            (r#"{"logprobs": 21}"#, "logprobs"),
            (r#"{"max_tokens": -2}"#, "max_tokens"),
            (r#"{"max_tokens": 2, "min_tokens": 3}"#, "min_tokens"),
            (r#"{"prompt": []}"#, "prompt"),
            (r#"{"temperature": -1}"#, "temperature"),
        ] {
            match request(json).validate().unwrap_err() {
                ApiError::InvalidField { field, message } => {
                    assert_eq!(field, name);
                    assert!(message.contains("expected"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        let chat = parse::<CompletionRequest>(br#"{"messages": []}"#.as_slice()).unwrap_err();
        assert!(
            matches!(chat, ApiError::InvalidField { message, .. } if message.contains("/v1/chat/completions"))
        );
    }

    #[test]
    fn lengths_are_those_of_the_request_or_of_the_server() {
        let length = |json: &str| {
            let request = request(json);
            assert_eq!(request.validate(), Ok(()));
            let continuation = request.continuation(BOUNDS());
            (continuation.max_tokens, continuation.fits_context)
        };
        assert_eq!(length("{}"), (16, false));
        assert_eq!(length(r#"{"max_tokens": 0}"#), (0, false));
        assert_eq!(length(r#"{"max_tokens": 1e300}"#), (1000, false));
        assert_eq!(length(r#"{"max_tokens": -1}"#), (1000, true));
        assert_eq!(length(r#"{"max_tokens": null}"#), (16, false));
    }

    #[test]
    fn the_best_are_known_by_their_log_probabilities() {
        let wanted = |json: &str| {
            let request = request(json);
            let continuation = request.continuation(BOUNDS());
            (continuation.choices, continuation.log_probs, continuation.scores_prompt)
        };
        assert_eq!(wanted(r#"{"n": 2}"#), (2, None, false));
        assert_eq!(wanted(r#"{"best_of": 3, "echo": true}"#), (3, Some(0), false));
        assert_eq!(wanted(r#"{"best_of": 3, "logprobs": 2, "echo": true}"#), (3, Some(2), true));
    }
}
