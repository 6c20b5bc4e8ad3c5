//! What `POST /generate` takes.

use artifact::Sampling;
use serde::Deserialize;

use crate::error::ApiError;

/// The most tokens that one request can ask for.
pub const MAX_TOKENS: usize = 1000;
/// The longest prompt.
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;
/// Beyond this a distribution is flat already.
const MAX_TEMPERATURE: f32 = 100.0;

/// A request to continue a text. Field names and defaults are those of the page that this API
/// replaces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateRequest {
    /// The text to continue.
    pub prompt: String,
    /// The most tokens to generate.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: usize,
    /// 0 is greedy; higher is more varied.
    #[serde(default = "default_temperature")]
    pub temperature: f32,
    /// How many of the most likely tokens are in the draw.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
    /// Fixes what is drawn; random if it is left out.
    pub seed: Option<u64>,
}

fn default_max_tokens() -> usize {
    50
}

fn default_temperature() -> f32 {
    0.7
}

fn default_top_k() -> usize {
    50
}

impl GenerateRequest {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        let invalid = |field: &str, found: String, expected: String| {
            let message = format!("`{field}` is {found}, expected {expected}");
            Err(ApiError::InvalidField { field: field.to_owned(), message })
        };
        if self.prompt.is_empty() {
            return invalid("prompt", "empty".to_owned(), "a text to continue".to_owned());
        }
        if self.prompt.len() > MAX_PROMPT_BYTES {
            let found = format!("{} bytes long", self.prompt.len());
            return invalid("prompt", found, format!("at most {MAX_PROMPT_BYTES}"));
        }
        if !(1..=MAX_TOKENS).contains(&self.max_tokens) {
            return invalid("max_tokens", self.max_tokens.to_string(), format!("1 to {MAX_TOKENS}"));
        }
        if !(0.0..=MAX_TEMPERATURE).contains(&self.temperature) {
            return invalid("temperature", self.temperature.to_string(), format!("0 to {MAX_TEMPERATURE}"));
        }
        if self.top_k == 0 {
            return invalid("top_k", "0".to_owned(), "at least 1".to_owned());
        }
        Ok(())
    }

    /// How tokens are chosen.
    pub fn sampling(&self) -> Sampling {
        Sampling::new(self.temperature, Some(self.top_k))
    }
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

    #[test]
    fn what_is_out_of_range_is_named() {
        let long = format!(r#"{{"prompt": "{}"}}"#, "x".repeat(MAX_PROMPT_BYTES + 1));
        for (json, name) in [
            (r#"{"prompt": ""}"#, "prompt"),
            (&long, "prompt"),
            (r#"{"prompt": "x", "max_tokens": 0}"#, "max_tokens"),
            (r#"{"prompt": "x", "max_tokens": 1001}"#, "max_tokens"),
            (r#"{"prompt": "x", "temperature": -0.1}"#, "temperature"),
            (r#"{"prompt": "x", "temperature": 1e30}"#, "temperature"),
            (r#"{"prompt": "x", "top_k": 0}"#, "top_k"),
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
}
