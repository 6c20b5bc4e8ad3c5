//! `POST /tokenize` and `/detokenize`, in the shapes of llama.cpp's server and of vLLM at once, and vLLM's
//! `GET /tokenizer_info`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chat_message::{ChatMessage, conversation};
use super::openai::check_model;
use super::validate::{check_list, check_text};
use crate::domain::prompt::Prompt;
use crate::http::error::ApiError;
use crate::http::json::{Fields, RequestBody};
use crate::http::limits::{MAX_MESSAGES, MAX_PROMPT_CHARS};
use crate::http::strict::ids;

/// A text or a conversation to encode.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct TokenizeRequest {
    /// Name of the served model, or its name and version; any if it is left out.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub model: Option<String>,
    /// The text.
    #[serde(default, alias = "content")]
    #[schema(max_length = 16384, example = "The painting")]
    pub prompt: Option<String>,
    /// A conversation, which the chat template makes tokens of, if there is no text. All of it is encoded, even what would
    /// not fit into the context.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 1024)]
    pub messages: Option<Vec<ChatMessage>>,
    /// Whether the spelling of a special token in the text, such as `<|endoftext|>`, is that token. Otherwise it is text,
    /// as by default in the prompts of other routes.
    #[serde(default)]
    #[schema(default = true)]
    pub parse_special: Option<bool>,
    /// Whether to add tokens that begin a text: this server's tokenizers have none, so it changes nothing.
    #[serde(default, alias = "add_special")]
    #[allow(dead_code)] // Known, so that it is not named among the ignored fields.
    pub add_special_tokens: Option<bool>,
    /// Whether `tokens` has objects with `id` and `piece` instead of ids.
    #[serde(default)]
    #[schema(default = false)]
    pub with_pieces: Option<bool>,
    /// Whether `token_strs` has the text of each token.
    #[serde(default)]
    #[schema(default = false)]
    pub return_token_strs: Option<bool>,
}

impl RequestBody for TokenizeRequest {
    const IGNORES_UNKNOWN: bool = true;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        fields.read()
    }
}

impl TokenizeRequest {
    /// The text to encode, after a check of its length.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn prompt(&self) -> Result<Prompt, ApiError> {
        check_model(self.model.as_deref())?;
        let text = self.prompt.as_deref().unwrap_or_default();
        check_text("prompt", text, 0..=MAX_PROMPT_CHARS)?;
        if let Some(messages) = self.messages.as_deref() {
            check_list("messages", messages, 1..=MAX_MESSAGES)?;
            let conversation = conversation(messages)?;
            if self.prompt.is_none() {
                return Ok(Prompt::Chat(conversation));
            }
        }
        Ok(Prompt::of_text(text.to_owned(), self.parse_special != Some(false)))
    }
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenizeResponse {
    /// Their ids, or with their pieces.
    pub tokens: Vec<TokenEntry>,
    /// Their number.
    pub count: usize,
    /// Context length of the model, in tokens.
    pub max_model_len: usize,
    /// Their texts, if the request asks for them.
    pub token_strs: Option<Vec<String>>,
}

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum TokenEntry {
    /// Its id.
    Id(u32),
    /// Its id and its piece.
    WithPiece(TokenPiece),
}

/// A token and its piece of the text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenPiece {
    /// Its id.
    pub id: u32,
    /// The text, or its bytes if they are no text by themselves.
    pub piece: Piece,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Piece {
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What is particular to the tokenizer, by the names of Hugging Face's configurations.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenizerInfo {
    /// `byte-level-bpe`
    pub tokenizer_class: &'static str,
    /// The token that a text begins after: the end-of-text token.
    pub bos_token: Option<String>,
    /// The token that ends a text.
    pub eos_token: Option<String>,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Context length of the model, in tokens.
    pub model_max_length: usize,
    /// The chat template, in Jinja: the model's own, or the plain one that it is served with.
    pub chat_template: String,
}

/// Tokens to decode.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct DetokenizeRequest {
    /// Name of the served model, or its name and version; any if it is left out.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub model: Option<String>,
    /// Their ids.
    #[serde(deserialize_with = "ids")]
    #[schema(max_items = 16384)]
    pub tokens: Vec<u32>,
}

impl RequestBody for DetokenizeRequest {
    const IGNORES_UNKNOWN: bool = true;

    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
        fields.read()
    }
}

impl DetokenizeRequest {
    /// Checks lengths.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), ApiError> {
        check_model(self.model.as_deref())?;
        check_list("tokens", &self.tokens, 0..=MAX_PROMPT_CHARS)
    }
}

/// The text of tokens, by both names.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DetokenizeResponse {
    /// As llama.cpp's server names it.
    pub content: String,
    /// As vLLM names it.
    pub prompt: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::parse;

    #[test]
    fn a_text_has_either_name() {
        let prompt = |json: &str| parse::<TokenizeRequest>(json.as_bytes()).unwrap().0.prompt();
        let text = |text: &str| Ok(Prompt::TextWithSpecial(text.to_owned()));
        assert_eq!(prompt(r#"{"content": "x", "add_special": true}"#), text("x"));
        assert_eq!(prompt(r#"{"prompt": "x", "model": null}"#), text("x"));
        assert_eq!(prompt("{}"), text(""));
        let plain = r#"{"prompt": "x", "parse_special": false}"#;
        assert_eq!(prompt(plain), Ok(Prompt::Text("x".to_owned())));
        let chat = prompt(r#"{"messages": [{"role": "user", "content": "x"}]}"#);
        assert!(matches!(chat, Ok(Prompt::Chat(messages)) if messages.len() == 1));
        assert!(prompt(r#"{"messages": []}"#).is_err(), "templates need not know what to do with nothing");
        assert!(prompt(&format!(r#"{{"prompt": "{}"}}"#, "x".repeat(MAX_PROMPT_CHARS + 1))).is_err());
    }
}
