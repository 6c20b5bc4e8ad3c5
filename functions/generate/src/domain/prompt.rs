//! Prompts, as text or as token ids.

use super::error::GenerateError;
use super::served_model::ServedModel;

/// A text or token ids to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text, which the model's tokenizer encodes.
    Text(String),
    /// Token ids.
    Ids(Vec<u32>),
}

impl Prompt {
    /// The token ids of the prompt, at least one: an empty prompt is the end-of-text token, after which a new
    /// text begins.
    ///
    /// # Errors
    /// [`GenerateError::UnknownToken`] for an id that is not in the vocabulary, [`GenerateError::EmptyPrompt`] if
    /// the model has no token that a text begins after.
    pub fn into_ids(self, model: &ServedModel) -> Result<Vec<u32>, GenerateError> {
        let ids = match self {
            Self::Text(text) => model.tokenizer()?.encode(&text),
            Self::Ids(ids) => ids,
        };
        // Fewer than the model has, if its vocabulary is filled up to a round number.
        let vocab_size = model.engine().n_ids();
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(GenerateError::UnknownToken { id, vocab_size });
        }
        if ids.is_empty() {
            return Ok(vec![model.tokenizer()?.end_of_text().ok_or(GenerateError::EmptyPrompt)?]);
        }
        Ok(ids)
    }
}
