//! Language of a model: how texts become token ids, and in a model that answers how conversations do.

use artifact::chat::TemplateError;
use artifact::{ChatTemplate, Tokenizer};

/// A tokenizer, with the chat template of a model that answers.
#[derive(Clone, Copy)]
pub struct Language<'a> {
    /// Texts as ids.
    pub tokenizer: &'a Tokenizer,
    /// Conversations as texts.
    pub chat_template: Option<&'a ChatTemplate>,
}

impl<'a> From<&'a Tokenizer> for Language<'a> {
    /// That of a model that continues.
    fn from(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, chat_template: None }
    }
}

impl Language<'_> {
    /// The token that ends an answer, if it is another than the one that ends a text.
    ///
    /// # Errors
    /// If the chat template fails.
    pub(super) fn end_of_answer(&self) -> Result<Option<u32>, TemplateError> {
        let Some(template) = self.chat_template else { return Ok(None) };
        let end = template.end_of_answer(self.tokenizer)?;
        Ok(end.filter(|_| end != self.tokenizer.end_of_text()))
    }
}
