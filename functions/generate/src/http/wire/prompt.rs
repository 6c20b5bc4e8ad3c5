//! Prompt of a completion request: a text, token ids, or a list of one text.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::{check, check_text};
use crate::domain::prompt;
use crate::http::error::ApiError;
use crate::http::limits::MAX_PROMPT_CHARS;
use crate::http::strict::wholes;

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

impl Prompt {
    /// Checks its length.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn check(&self) -> Result<(), ApiError> {
        let check_one = |text: &PromptText| check_text("prompt", &text.0, 0..=MAX_PROMPT_CHARS);
        match self {
            Self::Text(text) => check_one(text),
            Self::Ids(ids) => check("prompt", ids.0.len(), 1..=MAX_PROMPT_CHARS),
            Self::Texts(PromptTexts(texts)) => {
                check("prompt", texts.len(), 1..=1)?;
                texts.iter().try_for_each(check_one)
            }
        }
    }
}

/// The prompt of the pipeline. Without one, a new text begins.
impl From<Option<&Prompt>> for prompt::Prompt {
    fn from(prompt: Option<&Prompt>) -> Self {
        let text = match prompt {
            Some(Prompt::Ids(ids)) => return Self::Ids(ids.0.clone()),
            Some(Prompt::Text(text)) => Some(text),
            Some(Prompt::Texts(texts)) => texts.0.first(),
            None => None,
        };
        Self::Text(text.map(|text| text.0.clone()).unwrap_or_default())
    }
}
