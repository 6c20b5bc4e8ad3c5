//! Stop strings of a request: one, or a list.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::check_text;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_STOP_CHARS, MAX_STOPS};

/// One stop string, or several.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Stop {
    /// One.
    One(StopText),
    /// Several.
    Many(StopTexts),
}

/// A list of stop strings.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(max_items = 4)]
pub struct StopTexts(pub Vec<StopText>);

/// A stop string.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 64)]
pub struct StopText(pub String);

impl Stop {
    /// The stop strings of a field.
    pub fn texts(stop: Option<&Self>) -> Vec<String> {
        let texts = match stop {
            None => &[][..],
            Some(Self::One(text)) => std::slice::from_ref(text),
            Some(Self::Many(texts)) => &texts.0,
        };
        texts.iter().map(|text| text.0.clone()).collect()
    }

    /// Checks their number and lengths.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(stop: Option<&Self>) -> Result<(), ApiError> {
        let texts = Self::texts(stop);
        if texts.len() > MAX_STOPS {
            let (found, expected) = (format!("{} texts", texts.len()), format!("at most {MAX_STOPS}"));
            return Err(ApiError::out_of_range("stop", found, expected));
        }
        texts.iter().try_for_each(|text| check_text("stop", text, 1..=MAX_STOP_CHARS))
    }
}
