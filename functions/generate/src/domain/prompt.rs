//! Prompts: text, token ids or a conversation.

use artifact::Tokenizer;

use super::chat::{self, Message};
use super::error::GenerateError;
use super::served_model::ServedModel;

/// What to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text, which the model's tokenizer encodes. The spelling of a special token is text too.
    Text(String),
    /// Text in which the spelling of a special token is that token.
    TextWithSpecial(String),
    /// Token ids.
    Ids(Vec<u32>),
    /// A conversation, which a chat template makes a text of.
    Chat(Vec<Message>),
}

impl Prompt {
    /// The prompt of a text, in which the spelling of a special token may be that token.
    pub fn of_text(text: String, with_special: bool) -> Self {
        if with_special { Self::TextWithSpecial(text) } else { Self::Text(text) }
    }

    /// Encodes it.
    pub fn encode(self, tokenizer: &Tokenizer) -> Vec<u32> {
        match self {
            Self::Text(text) => tokenizer.encode(&text),
            Self::TextWithSpecial(text) => tokenizer.encode_with_special(&text),
            Self::Ids(ids) => ids,
            Self::Chat(messages) => tokenizer.encode(&chat::render(&messages)),
        }
    }

    /// The token ids of the prompt, at least one: an empty prompt is the end-of-text token, after which a new
    /// text begins.
    ///
    /// # Errors
    /// [`GenerateError::UnknownToken`] for an id that is not in the vocabulary, [`GenerateError::EmptyPrompt`] if
    /// the model has no token that a text begins after.
    pub fn into_ids(self, model: &ServedModel) -> Result<Vec<u32>, GenerateError> {
        let tokenizer = model.tokenizer()?;
        let ids = self.encode(tokenizer);
        check_ids("prompt", &ids, model)?;
        if ids.is_empty() {
            return Ok(vec![tokenizer.end_of_text().ok_or(GenerateError::EmptyPrompt)?]);
        }
        Ok(ids)
    }
}

/// Checks that ids of a field are in the vocabulary.
///
/// # Errors
/// [`GenerateError::UnknownToken`] if one is not.
pub fn check_ids<'a>(
    field: &'static str,
    ids: impl IntoIterator<Item = &'a u32>,
    model: &ServedModel,
) -> Result<(), GenerateError> {
    // Fewer than the model has, if its vocabulary is filled up to a round number.
    let vocab_size = model.engine().n_ids();
    match ids.into_iter().find(|&&id| id as usize >= vocab_size) {
        Some(&id) => Err(GenerateError::UnknownToken { field, id, vocab_size }),
        None => Ok(()),
    }
}
