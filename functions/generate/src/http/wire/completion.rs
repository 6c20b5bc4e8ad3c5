//! Response of `POST /v1/completions`, as in OpenAI's completions API.

use serde::Serialize;
use utoipa::ToSchema;

use super::usage::Usage;

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
    /// The continuations, those of the first prompt first; in a stream, the next piece of one.
    pub choices: Vec<Choice>,
    /// Numbers of tokens, of all prompts and continuations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A continuation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Choice {
    /// Its text; in a stream, the next piece of it.
    pub text: String,
    /// Index of the continuation: that of its prompt times `n`, and that among those of the prompt.
    pub index: usize,
    /// Log-probabilities of its tokens, with the one that ends it; null if the request does not ask for them.
    pub logprobs: Option<Logprobs>,
    /// Why it ends: `stop`, or `length` if it reached `max_tokens`, a limit of the server, or its time limit. Null in a
    /// stream before the end.
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
    /// Offsets of the tokens in the text, in characters. Tokens that share a character have its offset.
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
