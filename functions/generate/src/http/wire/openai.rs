//! Fields that OpenAI's two routes for texts share.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::check_text;
use crate::http::error::ApiError;
use crate::http::limits::MAX_CHOICES;
use crate::http::strict::Object;

/// Options of a stream.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether a last event has the numbers of tokens.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

impl StreamOptions {
    /// Whether a stream ends with the numbers of tokens.
    pub fn include_usage(options: Option<&Object<Self>>) -> bool {
        options.is_some_and(|options| options.0.include_usage == Some(true))
    }
}

/// Checks the name of a model, which need not be given.
///
/// # Errors
/// If it is too long.
pub fn check_model(model: Option<&str>) -> Result<(), ApiError> {
    model.map_or(Ok(()), |model| check_text("model", model, 0..=256))
}

/// Checks the number of texts of all prompts together; `field` has that of each prompt.
///
/// # Errors
/// If there are too many.
pub fn check_texts(field: &str, prompts: usize, texts_of_each: usize) -> Result<(), ApiError> {
    if prompts * texts_of_each <= MAX_CHOICES {
        return Ok(());
    }
    let found = format_args!("{texts_of_each} for each of {prompts} prompts");
    Err(ApiError::out_of_range(field, found, format_args!("at most {MAX_CHOICES} texts in all")))
}
