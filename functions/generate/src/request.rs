//! What routes take, and what of it is valid. Bounds stand in the schema too, as numbers.

use std::fmt::Display;
use std::ops::RangeInclusive;

use artifact::Sampling;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::json::{Object, optional_whole, whole, wholes};
use crate::settings::{
    MAX_CHOICES, MAX_LOGPROBS, MAX_PROMPT_CHARS, MAX_STOP_CHARS, MAX_STOPS, MAX_TEMPERATURE, MAX_TOKENS,
    MAX_TOP_K,
};

/// A request to continue a text. Field names and defaults are those of the page that this API
/// replaces.
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
    /// 0 is greedy; higher is more varied.
    #[serde(default = "default_temperature")]
    #[schema(minimum = 0, maximum = 100)]
    pub temperature: f64,
    /// How many of the most likely tokens are in the draw.
    #[serde(default = "default_top_k", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub top_k: usize,
    /// Of these, as many of the most likely as together have at least this probability.
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Fixes what is drawn; random if it is left out.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub seed: Option<u64>,
    /// Texts that end the continuation and are not part of it: one, or up to four.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Whether to send the text as it is written, as server-sent events: `token` for each piece of it,
    /// then `done`, or `error`.
    #[serde(default)]
    pub stream: bool,
}

/// One text that ends a continuation, or several.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Stop {
    /// One.
    One(StopText),
    /// Several.
    Many(StopTexts),
}

/// Texts that end a continuation.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(max_items = 4)]
pub struct StopTexts(pub Vec<StopText>);

/// A text that ends a continuation.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 64)]
pub struct StopText(pub String);

/// A request of OpenAI's API, `POST /v1/completions`
/// (<https://platform.openai.com/docs/api-reference/completions>), with `top_k` besides.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// The name of the model that is served, or its name and version as `GET /v1/models` says.
    #[schema(max_length = 256, example = "the-verdict")]
    pub model: String,
    /// A text to continue, or its token ids.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// The most tokens to generate.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 1000, default = 16)]
    pub max_tokens: Option<usize>,
    /// 0 is greedy; higher is more varied.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100, default = 1)]
    pub temperature: Option<f64>,
    /// As many of the most likely tokens are in the draw as together have at least this probability.
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1, default = 1)]
    pub top_p: Option<f64>,
    /// How many of the most likely tokens are in the draw; all of them if it is left out.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub top_k: Option<usize>,
    /// How many continuations.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 1, maximum = 8, default = 1)]
    pub n: Option<usize>,
    /// Whether to send the texts as they are written.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What to send besides.
    #[serde(default)]
    #[schema(value_type = Option<StreamOptions>)]
    pub stream_options: Option<Object<StreamOptions>>,
    /// How many of the most likely tokens to tell at each position, besides the one that was chosen.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 20)]
    pub logprobs: Option<usize>,
    /// Whether the text begins with the prompt.
    #[serde(default)]
    pub echo: Option<bool>,
    /// Texts that end a continuation and are not part of it: one, or up to four.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Fixes what is drawn; of several continuations, the first has this seed and the next the one after.
    #[serde(default, deserialize_with = "optional_whole")]
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub seed: Option<u64>,
}

/// A text, or token ids.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text, token ids, or a list of one text")]
pub enum Prompt {
    /// A text.
    Text(PromptText),
    /// Token ids.
    Ids(PromptIds),
    /// A list of one text.
    Texts(PromptTexts),
}

/// A text to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(max_length = 16384)]
pub struct PromptText(pub String);

/// Token ids to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 16384)]
pub struct PromptIds(#[serde(deserialize_with = "wholes")] pub Vec<u32>);

/// A list of one text to continue.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 1)]
pub struct PromptTexts(pub Vec<PromptText>);

/// What to send besides the text.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether a last event says how many tokens there were.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// A request to look into the model.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The text to look at, at most 64 tokens long.
    #[schema(min_length = 1, max_length = 16384, example = "The painting")]
    pub prompt: String,
    /// How many of the most likely next tokens to tell.
    #[serde(default = "default_inspected_top_k", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 100)]
    pub top_k: usize,
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

fn default_inspected_top_k() -> usize {
    10
}

impl GenerateRequest {
    /// Checks the range of every field but `seed`, which is one as soon as it is a number.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("prompt", &self.prompt, 1, MAX_PROMPT_CHARS)?;
        check("max_tokens", self.max_tokens, 1..=MAX_TOKENS)?;
        check("temperature", self.temperature, 0.0..=MAX_TEMPERATURE)?;
        check("top_k", self.top_k, 1..=MAX_TOP_K)?;
        check_top_p(self.top_p)?;
        check_stop(self.stop.as_ref())
    }

    /// How tokens are chosen.
    pub fn sampling(&self) -> Sampling {
        sampling(self.temperature, Some(self.top_k), self.top_p)
    }
}

impl CompletionRequest {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("model", &self.model, 0, 256)?;
        match &self.prompt {
            None => {}
            Some(Prompt::Text(text)) => check_text("prompt", &text.0, 0, MAX_PROMPT_CHARS)?,
            Some(Prompt::Ids(ids)) => check("prompt", ids.0.len(), 1..=MAX_PROMPT_CHARS)?,
            Some(Prompt::Texts(PromptTexts(texts))) => {
                check("prompt", texts.len(), 1..=1)?;
                texts.iter().try_for_each(|text| check_text("prompt", &text.0, 0, MAX_PROMPT_CHARS))?;
            }
        }
        check("max_tokens", self.max_tokens(), 0..=MAX_TOKENS)?;
        check("temperature", self.temperature.unwrap_or(1.0), 0.0..=MAX_TEMPERATURE)?;
        check_top_p(self.top_p)?;
        self.top_k.map_or(Ok(()), |top_k| check("top_k", top_k, 1..=MAX_TOP_K))?;
        check("n", self.choices(), 1..=MAX_CHOICES)?;
        self.logprobs.map_or(Ok(()), |count| check("logprobs", count, 0..=MAX_LOGPROBS))?;
        check_stop(self.stop.as_ref())
    }

    /// How tokens are chosen.
    pub fn sampling(&self) -> Sampling {
        sampling(self.temperature.unwrap_or(1.0), self.top_k, self.top_p)
    }

    /// The most tokens of a continuation.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens.unwrap_or(16)
    }

    /// How many continuations.
    pub fn choices(&self) -> usize {
        self.n.unwrap_or(1)
    }
}

impl InspectRequest {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_text("prompt", &self.prompt, 1, MAX_PROMPT_CHARS)?;
        check("top_k", self.top_k, 1..=100)
    }
}

/// The rule of valid fields. They are checked before they are rounded; a `top_p` next to nothing stays more.
fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
    let top_p = top_p.map(|top_p| (top_p as f32).max(f32::MIN_POSITIVE));
    Sampling::new(temperature as f32, top_k).with_top_p(top_p)
}

/// The texts of a field `stop`.
pub fn stop_texts(stop: Option<&Stop>) -> Vec<String> {
    let texts = match stop {
        None => &[][..],
        Some(Stop::One(text)) => std::slice::from_ref(text),
        Some(Stop::Many(texts)) => &texts.0,
    };
    texts.iter().map(|text| text.0.clone()).collect()
}

/// A field that is out of range.
pub fn invalid(field: &str, found: impl Display, expected: impl Display) -> ApiError {
    let message = format!("`{field}` is {found}, expected {expected}");
    ApiError::InvalidField { field: field.to_owned(), message }
}

fn check<T: PartialOrd + Display>(field: &str, found: T, range: RangeInclusive<T>) -> Result<(), ApiError> {
    if range.contains(&found) {
        return Ok(());
    }
    Err(invalid(field, found, format_args!("{} to {}", range.start(), range.end())))
}

fn check_text(field: &str, text: &str, shortest: usize, longest: usize) -> Result<(), ApiError> {
    let chars = text.chars().count();
    if (shortest..=longest).contains(&chars) {
        return Ok(());
    }
    Err(invalid(field, format_args!("{chars} characters long"), format_args!("{shortest} to {longest}")))
}

fn check_top_p(top_p: Option<f64>) -> Result<(), ApiError> {
    match top_p {
        Some(top_p) if !(top_p > 0.0 && top_p <= 1.0) => {
            Err(invalid("top_p", top_p, "more than 0, at most 1"))
        }
        _ => Ok(()),
    }
}

fn check_stop(stop: Option<&Stop>) -> Result<(), ApiError> {
    let texts = stop_texts(stop);
    if texts.len() > MAX_STOPS {
        return Err(invalid(
            "stop",
            format_args!("{} texts", texts.len()),
            format_args!("at most {MAX_STOPS}"),
        ));
    }
    texts.iter().try_for_each(|text| check_text("stop", text, 1, MAX_STOP_CHARS))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(request(r#"{"prompt": "x", "temperature": 0}"#).sampling(), Sampling::Greedy);
    }

    fn assert_names(error: ApiError, name: &str) {
        match error {
            ApiError::InvalidField { field, message } => {
                assert_eq!(field, name);
                assert!(message.contains("expected"), "{message}");
            }
            other => panic!("{other:?}"),
        }
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
            assert_names(request(json).validate().unwrap_err(), name);
        }
        for (field, value) in
            [("n", "0"), ("n", "9"), ("logprobs", "21"), ("max_tokens", "1001"), ("prompt", "[]")]
        {
            let json = format!(r#"{{"model": "m", "{field}": {value}}}"#);
            let request: CompletionRequest = serde_json::from_str(&json).unwrap();
            assert_names(request.validate().unwrap_err(), field);
        }
    }

    #[test]
    fn one_stop_and_several_are_lists() {
        let stops = |json: &str| stop_texts(request(json).stop.as_ref());
        assert_eq!(stops(r#"{"prompt": "x"}"#), Vec::<String>::new());
        assert_eq!(stops(r#"{"prompt": "x", "stop": "a"}"#), ["a"]);
        assert_eq!(stops(r#"{"prompt": "x", "stop": ["a", "b"]}"#), ["a", "b"]);
    }
}
