//! Fields of a request that are ignored: named in a response header and in the log, so that nobody relies on them.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};

/// Response header with the names of ignored fields, separated by commas.
pub const IGNORED_FIELDS: HeaderName = HeaderName::from_static("x-ignored-fields");

/// Fields of OpenAI's API that say nothing about the text, so that ignoring them needs no mention.
const WITHOUT_EFFECT: [&str; 9] = [
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
    "stream_options",
];

/// The most names in the header, and characters of each.
const MAX_NAMES: usize = 16;
const MAX_CHARS: usize = 40;

/// Names of ignored fields.
#[derive(Clone, Debug, Default)]
pub struct IgnoredFields(Option<HeaderValue>);

impl IgnoredFields {
    /// Logs the names, and keeps them for the response.
    pub fn new(names: BTreeSet<String>) -> Self {
        let has_effect = |name: &&String| !WITHOUT_EFFECT.contains(&name.split('.').next().unwrap_or(name));
        let names = names.iter().filter(has_effect).take(MAX_NAMES);
        let names: Vec<String> =
            names.map(|name| name.chars().take(MAX_CHARS).map(visible).collect()).collect();
        if names.is_empty() {
            return Self(None);
        }
        let names = names.join(", ");
        tracing::warn!(fields = names, "fields of a request are ignored");
        Self(HeaderValue::from_str(&names).ok())
    }
}

/// Characters that a header can have, without those that separate names.
fn visible(character: char) -> char {
    if character.is_ascii_graphic() && character != ',' { character } else { '?' }
}

impl IntoResponseParts for IgnoredFields {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(names) = self.0 {
            parts.headers_mut().insert(IGNORED_FIELDS, names);
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_a_header() {
        let header = |names: &[&str]| {
            let fields = IgnoredFields::new(names.iter().map(|&name| name.to_owned()).collect());
            fields.0.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(&["best", "size"]).as_deref(), Some("best, size"));
        assert_eq!(header(&["user", "stream_options.include_obfuscation"]), None);
        assert_eq!(header(&["a,\r\nset-cookie: é"]).as_deref(), Some("a???set-cookie:??"));
        assert_eq!(header(&[&"x".repeat(100)]).map(|value| value.len()), Some(MAX_CHARS));
    }
}
