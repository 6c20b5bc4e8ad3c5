//! Request of `POST /v1/chat/completions`, OpenAI's chat API
//! (<https://platform.openai.com/docs/api-reference/chat>), with the fields of its relatives in addition.

use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::chat_message::{ChatMessage, conversation};
use super::max_tokens::{MaxTokens, check_max_tokens};
use super::merged::merged;
use super::openai::{StreamOptions, check_model};
use super::sampling::{Defaults, SamplingFields};
use super::unsupported::check_unsupported;
use super::validate::{check_given, check_list};
use crate::domain::continuation;
use crate::domain::prompt::Prompt;
use crate::http::context::Bounds;
use crate::http::error::ApiError;
use crate::http::json::{Fields, RequestBody};
use crate::http::limits::{MAX_CHOICES, MAX_LOGPROBS, MAX_MESSAGES};
use crate::http::strict::{Object, optional_integer};

/// A request of OpenAI's chat API, with fields of its relatives in addition.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// What is particular to this route.
    pub fields: ChatFields,
    /// How tokens are chosen.
    pub sampling: SamplingFields,
}

/// Fields of a chat request, without those that say how tokens are chosen.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ChatFields {
    /// Name of the served model, or its name and version as in `GET /v1/models`; any if it is left out.
    #[serde(default)]
    #[schema(max_length = 256, example = "the-verdict")]
    pub model: Option<String>,
    /// The conversation so far. If it does not fit into the context beside the answer, or beside a quarter of the context
    /// for it, the oldest turns are left out: the header `x-dropped-messages` has their number of messages.
    #[schema(min_items = 1, max_items = 1024)]
    pub messages: Vec<ChatMessage>,
    /// The most tokens to generate. By default, and at -1, as many as fit into the context. The server has a limit of
    /// its own, at which a text ends as it does here.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = -1)]
    pub max_completion_tokens: Option<i64>,
    /// The same by its former name; the other one counts if there are both.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = -1)]
    pub max_tokens: Option<i64>,
    /// Number of answers.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 1, maximum = 128, default = 1)]
    pub n: Option<i64>,
    /// Whether to stream the answers as server-sent events.
    #[serde(default)]
    #[schema(default = false)]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[serde(default)]
    #[schema(value_type = Option<StreamOptions>)]
    pub stream_options: Option<Object<StreamOptions>>,
    /// Whether to report log-probabilities.
    #[serde(default)]
    #[schema(default = false)]
    pub logprobs: Option<bool>,
    /// Number of most likely tokens to report with their log-probabilities, if `logprobs` is true.
    #[serde(default, deserialize_with = "optional_integer")]
    #[schema(minimum = 0, maximum = 20, default = 0)]
    pub top_logprobs: Option<i64>,
}

impl RequestBody for ChatRequest {
    const IGNORES_UNKNOWN: bool = true;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        if fields.get("prompt").is_some() && fields.get("messages").is_none() {
            let message = "`prompt` is for POST /v1/completions; this route answers `messages`";
            return Err(ApiError::InvalidField { field: "prompt".to_owned(), message: message.to_owned() });
        }
        check_unsupported(fields)?;
        Ok(Self { fields: fields.read()?, sampling: fields.read()? })
    }
}

impl PartialSchema for ChatRequest {
    fn schema() -> RefOr<Schema> {
        merged::<ChatFields, SamplingFields>(true)
    }
}

impl ToSchema for ChatRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ChatFields::schemas(schemas);
        SamplingFields::schemas(schemas);
    }
}

impl ChatRequest {
    /// Checks the range of every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        let fields = &self.fields;
        check_model(fields.model.as_deref())?;
        check_list("messages", &fields.messages, 1..=MAX_MESSAGES)?;
        conversation(&fields.messages)?;
        check_max_tokens("max_completion_tokens", fields.max_completion_tokens, 0)?;
        check_max_tokens("max_tokens", fields.max_tokens, 0)?;
        check_given("n", fields.n, 1..=MAX_CHOICES as i64)?;
        check_given("top_logprobs", fields.top_logprobs, 0..=MAX_LOGPROBS)?;
        self.sampling.check()?;
        self.sampling.check_min_tokens(self.max_tokens())
    }

    /// The request to the pipeline.
    ///
    /// # Errors
    /// As of [`validate`](Self::validate).
    pub fn continuation(&self, bounds: Bounds) -> Result<continuation::Request, ApiError> {
        let prompts = vec![Prompt::Chat(conversation(&self.fields.messages)?)];
        Ok(continuation::Request {
            model: self.fields.model.clone(),
            choices: self.n(),
            log_probs: self.logprobs(),
            ..self.sampling.continuation(prompts, self.max_tokens(), Defaults::OPENAI, bounds)
        })
    }

    /// Number of answers.
    pub fn n(&self) -> usize {
        self.fields.n.and_then(|n| n.try_into().ok()).unwrap_or(1)
    }

    /// Number of most likely tokens to report; `None` for no log-probabilities.
    pub fn logprobs(&self) -> Option<usize> {
        let count = self.fields.top_logprobs.and_then(|count| count.try_into().ok()).unwrap_or(0);
        (self.fields.logprobs == Some(true)).then_some(count)
    }

    /// Whether to stream the answers.
    pub fn stream(&self) -> bool {
        self.fields.stream == Some(true)
    }

    /// Whether a stream ends with the numbers of tokens.
    pub fn include_usage(&self) -> bool {
        StreamOptions::include_usage(self.fields.stream_options.as_ref())
    }

    fn max_tokens(&self) -> MaxTokens {
        let given = self.fields.max_completion_tokens.or(self.fields.max_tokens);
        given.map_or(MaxTokens::Fitting, MaxTokens::of_field)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::http::json::parse;

    fn request(json: &str) -> Result<continuation::Request, ApiError> {
        let (request, _) = parse::<ChatRequest>(json.as_bytes())?;
        request.validate()?;
        request.continuation(Bounds { deadline: Instant::now(), max_tokens: 1000 })
    }

    #[test]
    fn lengths_stops_and_scores_are_those_of_the_request() {
        let found = request(r#"{"messages": [{"role": "user", "content": "Hi"}], "stop": ["x"]}"#).unwrap();
        assert_eq!((found.fits_context, found.max_tokens, found.log_probs), (true, 1000, None));
        assert_eq!(found.stop, ["x"]);
        let found = request(
            r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "max_completion_tokens": 7,
                "logprobs": true, "top_logprobs": 4, "n": 2}"#,
        )
        .unwrap();
        assert_eq!((found.fits_context, found.max_tokens), (false, 7));
        assert_eq!((found.choices, found.log_probs), (2, Some(4)));
    }

    #[test]
    fn a_body_of_the_other_route_is_told_so() {
        let error = request(r#"{"prompt": "x"}"#).unwrap_err();
        assert!(
            matches!(error, ApiError::InvalidField { message, .. } if message.contains("/v1/completions"))
        );
        let error = request(r#"{"messages": []}"#).unwrap_err();
        assert!(matches!(error, ApiError::InvalidField { field, .. } if field == "messages"));
    }
}
