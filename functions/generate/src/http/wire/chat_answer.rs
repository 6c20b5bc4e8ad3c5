//! Response of `POST /v1/chat/completions`, as in OpenAI's chat API.

use serde::Serialize;
use utoipa::ToSchema;

use super::usage::Usage;

/// Answers, as in OpenAI's API.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChatCompletion {
    /// Id of the response.
    pub id: String,
    /// `chat.completion`
    pub object: &'static str,
    /// Time of the response, in seconds since 1970.
    pub created: u64,
    /// Name and version of the model.
    pub model: String,
    /// The chat template that the messages were written with, as `chat-template-` and its name: `plain` if the model has none
    /// of its own, `custom` if that is none of ours.
    pub system_fingerprint: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// Numbers of tokens, of all answers.
    pub usage: Usage,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChatChoice {
    /// Its index.
    pub index: usize,
    /// What the model says.
    pub message: AssistantMessage,
    /// Log-probabilities of its tokens; null if the request does not ask for them.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ends: `stop`, or `length` if it reached the most tokens, a limit of the server, or its time limit.
    pub finish_reason: Option<&'static str>,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AssistantMessage {
    /// `assistant`
    pub role: &'static str,
    /// The text.
    pub content: String,
    /// Always null.
    #[schema(value_type = Option<String>)]
    pub refusal: (),
}

/// The next piece of an answer, in a stream.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChatChunk {
    /// Id of the response.
    pub id: String,
    /// `chat.completion.chunk`
    pub object: &'static str,
    /// Time of the response, in seconds since 1970.
    pub created: u64,
    /// Name and version of the model.
    pub model: String,
    /// As in a [`ChatCompletion`].
    pub system_fingerprint: String,
    /// The piece; none in the last event, which has the numbers of tokens.
    pub choices: Vec<ChunkChoice>,
    /// Numbers of tokens, in the last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChunkChoice {
    /// Index of the answer.
    pub index: usize,
    /// What is new.
    pub delta: Delta,
    /// Log-probabilities of its tokens.
    pub logprobs: Option<ChatLogprobs>,
    /// Why the answer ends; null before its end.
    pub finish_reason: Option<&'static str>,
}

/// What is new in a piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Delta {
    /// `assistant`, in the first piece of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The next text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Log-probabilities by position, at temperature 1 and among all tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ChatLogprobs {
    /// Those of the answer's tokens, with the one that ends it.
    pub content: Vec<TokenLogprob>,
    /// Always null.
    #[schema(value_type = Option<Vec<TokenLogprob>>)]
    pub refusal: (),
}

/// A token, and what else was likely.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenLogprob {
    /// The token. One that is not valid UTF-8 by itself is written as `bytes:` and its bytes as `\x00`.
    pub token: String,
    /// Its log-probability.
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The most likely tokens at its position.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A likely token.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TopLogprob {
    /// The token.
    pub token: String,
    /// Its log-probability.
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A server-sent event of `POST /v1/chat/completions`: the JSON of a [`ChatChunk`] or of an `ErrorBody`, or `[DONE]`.
#[derive(ToSchema)]
#[allow(dead_code)] // For the schema alone.
pub struct ChatEvent {
    data: String,
}
