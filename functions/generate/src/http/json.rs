//! JSON request bodies, with errors that name the invalid field.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::error::ApiError;
use super::limits::MAX_BODY_BYTES;
use super::strict::Object;

/// Extractor of a JSON object of type `T`. Unlike axum's own, it gives this API's errors.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                ApiError::TooLarge { limit_bytes: MAX_BODY_BYTES }
            }
            _ => ApiError::IncompleteBody,
        })?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Parses a JSON object.
///
/// # Errors
/// [`ApiError::InvalidJson`] for text that is not JSON, [`ApiError::InvalidField`] for JSON that is not a
/// `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.classify() != Category::Data {
            return ApiError::InvalidJson { message: inner.to_string() };
        }
        let message = inner.to_string();
        // The path of a missing or duplicate field is that of its parent; serde's message names the field.
        let named =
            ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start));
        let field = match named {
            Some(rest) => rest.split('`').next().unwrap_or("").to_owned(),
            None => path.trim_start_matches('.').to_owned(),
        };
        let message = if field.is_empty() { message } else { format!("`{field}`: {message}") };
        ApiError::InvalidField { field, message }
    })?;
    deserializer.end().map_err(|error| ApiError::InvalidJson { message: error.to_string() })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Body {
        prompt: String,
        count: Option<u32>,
    }

    fn field(json: &str) -> String {
        match parse::<Body>(json.as_bytes()).unwrap_err() {
            ApiError::InvalidField { field, message } => {
                assert!(message.contains(&field), "{message}");
                field
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_the_field_at_fault() {
        assert_eq!(field("{}"), "prompt");
        assert_eq!(field(r#"{"prompt": 5}"#), "prompt");
        assert_eq!(field(r#"{"prompt": "x", "count": -1}"#), "count");
        assert_eq!(field(r#"{"prompt": "x", "size": 1}"#), "size");
        assert_eq!(field(r#"{"prompt": "x", "prompt": "y"}"#), "prompt");
        assert_eq!(field("[]"), "");
        assert_eq!(field(r#"["x", 3]"#), "");
    }

    #[test]
    fn tells_syntax_from_content() {
        for json in ["", "{", "{\"prompt\": \"x\"} trailing", "prompt=x", "{\"prompt\": \"\\ud800\"}"] {
            let error = parse::<Body>(json.as_bytes()).unwrap_err();
            assert!(matches!(error, ApiError::InvalidJson { .. }), "{json}: {error:?}");
        }
    }

    #[test]
    fn only_json_is_json() {
        let is_json = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]))
        };
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/plain") && !is_json("application/jsonp"));
    }
}
