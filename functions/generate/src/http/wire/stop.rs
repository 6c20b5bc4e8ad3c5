//! Stop strings of a request: one, or a list.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validate::{check_list, check_text};
use crate::http::error::ApiError;
use crate::http::limits::{MAX_STOP_CHARS, MAX_STOPS};

/// One stop string, or several. An empty one stops nothing.
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
#[schema(max_items = 16)]
pub struct StopTexts(pub Vec<StopText>);

/// A stop string.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[schema(max_length = 64)]
pub struct StopText(pub String);

impl Stop {
    /// The stop strings of a field.
    pub fn texts(stop: Option<&Self>) -> Vec<String> {
        let texts = Self::all(stop).iter().filter(|text| !text.0.is_empty());
        texts.map(|text| text.0.clone()).collect()
    }

    fn all(stop: Option<&Self>) -> &[StopText] {
        match stop {
            None => &[],
            Some(Self::One(text)) => std::slice::from_ref(text),
            Some(Self::Many(texts)) => &texts.0,
        }
    }

    /// Checks their number and lengths.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(stop: Option<&Self>) -> Result<(), ApiError> {
        let texts = Self::all(stop);
        check_list("stop", texts, 0..=MAX_STOPS)?;
        texts.iter().try_for_each(|text| check_text("stop", &text.0, 0..=MAX_STOP_CHARS))
    }
}
