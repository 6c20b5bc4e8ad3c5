//! JSON bodies, with errors that name the field at fault.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::ApiError;
use crate::settings::MAX_BODY_BYTES;

/// A body that has been parsed into `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        // The router's limit makes this fail for a longer body; a client that hangs up gets no answer.
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| ApiError::TooLarge { limit_bytes: MAX_BODY_BYTES })?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.classify() != Category::Data {
            return ApiError::InvalidJson { message: inner.to_string() };
        }
        let message = inner.to_string();
        // A missing field has no path of its own; serde names it in the message.
        let field = match message.strip_prefix("missing field `") {
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
        assert_eq!(field("[]"), "");
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

    mod any_input {
        use proptest::prelude::*;

        use super::super::parse;
        use crate::error::ApiError;
        use crate::request::{CompletionRequest, GenerateRequest, InspectRequest};

        /// JSON that looks like a request, with whatever for values.
        fn requests() -> impl Strategy<Value = Vec<u8>> {
            let name = prop::sample::select(vec![
                "prompt",
                "max_tokens",
                "temperature",
                "top_k",
                "top_p",
                "seed",
                "stop",
                "stream",
                "model",
                "n",
                "logprobs",
                "echo",
                "stream_options",
                "unknown",
            ]);
            let value = prop_oneof![
                "[-0-9.eE]{1,20}",
                "\\PC{0,12}",
                any::<f64>().prop_map(|number| number.to_string()),
                any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
                prop::collection::vec(any::<String>(), 0..6)
                    .prop_map(|texts| serde_json::to_string(&texts).unwrap()),
                Just("null".to_owned()),
                Just("{}".to_owned()),
                Just("true".to_owned()),
            ];
            let fields = prop::collection::vec((name, value), 0..6);
            fields.prop_map(|fields| {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(",")).into_bytes()
            })
        }

        fn is_handled<T>(parsed: Result<T, ApiError>, validate: impl Fn(&T) -> Result<(), ApiError>) -> bool {
            match parsed.and_then(|request| validate(&request)) {
                Ok(()) | Err(ApiError::InvalidJson { .. }) => true,
                Err(ApiError::InvalidField { message, .. }) => !message.is_empty(),
                Err(_) => false,
            }
        }

        proptest! {
            /// Any bytes are a request, or an error of the client's that says something.
            #[test]
            fn is_a_request_or_a_clear_error(bytes in prop_oneof![requests(), any::<Vec<u8>>()]) {
                prop_assert!(is_handled(parse(&bytes), GenerateRequest::validate));
                prop_assert!(is_handled(parse(&bytes), CompletionRequest::validate));
                prop_assert!(is_handled(parse(&bytes), InspectRequest::validate));
            }
        }
    }
}
