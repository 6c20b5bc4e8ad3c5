//! Prompts: text, token ids or a conversation.

use artifact::chat::{FittingPrompt, Message, TemplateError};

use super::blocking::internal;
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
    /// A conversation, which the model's chat template makes ids of.
    Chat(Vec<Message>),
}

impl Prompt {
    /// The prompt of a text, in which the spelling of a special token may be that token.
    pub fn of_text(text: String, with_special: bool) -> Self {
        if with_special { Self::TextWithSpecial(text) } else { Self::Text(text) }
    }

    /// Encodes it; of a conversation as much as fits into `room` tokens.
    ///
    /// # Errors
    /// [`GenerateError::NoTokenizer`] if the model has none, [`GenerateError::Conversation`] if its chat template refuses a
    /// conversation.
    pub fn encode(self, model: &ServedModel, room: usize) -> Result<FittingPrompt, GenerateError> {
        let tokenizer = model.tokenizer()?;
        let ids = match self {
            Self::Text(text) => tokenizer.encode(&text),
            Self::TextWithSpecial(text) => tokenizer.encode_with_special(&text),
            Self::Ids(ids) => ids,
            Self::Chat(messages) => {
                return model.chat()?.encode(tokenizer, &messages, room).map_err(of_template);
            }
        };
        Ok(FittingPrompt { ids, dropped: 0 })
    }

    /// The same, with at least one id, all of them in the vocabulary: an empty prompt is the end-of-text token, after which
    /// a new text begins.
    ///
    /// # Errors
    /// As of [`encode`](Self::encode); [`GenerateError::UnknownToken`] for an id that is not in the vocabulary,
    /// [`GenerateError::EmptyPrompt`] if the model has no token that a text begins after.
    pub fn read(self, model: &ServedModel, room: usize) -> Result<FittingPrompt, GenerateError> {
        let mut encoded = self.encode(model, room)?;
        check_ids("prompt", &encoded.ids, model)?;
        if encoded.ids.is_empty() {
            encoded.ids.push(model.tokenizer()?.end_of_text().ok_or(GenerateError::EmptyPrompt)?);
        }
        Ok(encoded)
    }
}

/// Whether the conversation is at fault or the template, whose author reads the log.
fn of_template(error: TemplateError) -> GenerateError {
    match error {
        TemplateError::Refused(_) | TemplateError::Noncharacters => {
            GenerateError::Conversation { reason: error.to_string() }
        }
        error => internal("the chat template failed")(error.into()),
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
