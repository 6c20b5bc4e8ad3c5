//! JSON bodies, with errors that name the field at fault.

use std::fmt;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::error::ApiError;
use crate::settings::{MAX_BODY_BYTES, MAX_SEED};

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

/// A value that is written as an object. What is derived for a struct alone takes a list of its fields too,
/// which nobody means.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// A whole number from 0 to 2^53 - 1; `7.0` is one too.
pub struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {MAX_SEED}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                if number <= MAX_SEED {
                    return Ok(Whole(number));
                }
                Err(E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                let number = u64::try_from(number);
                number
                    .map_err(|_| E::custom("expected a number that is not negative"))
                    .and_then(|n| self.visit_u64(n))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                if number.fract() == 0.0 && (0.0..=MAX_SEED as f64).contains(&number) {
                    return Ok(Whole(number as u64));
                }
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// A whole number as a field of any width.
///
/// # Errors
/// If it is none, or too large.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    narrow(Whole::deserialize(deserializer)?)
}

/// The same, or nothing.
///
/// # Errors
/// As of [`whole`].
pub fn optional_whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Whole>::deserialize(deserializer)?.map(narrow).transpose()
}

/// The same, in a list.
///
/// # Errors
/// As of [`whole`].
pub fn wholes<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Vec::<Whole>::deserialize(deserializer)?.into_iter().map(narrow).collect()
}

fn narrow<T: TryFrom<u64>, E: de::Error>(Whole(number): Whole) -> Result<T, E> {
    T::try_from(number).map_err(|_| E::custom(format!("{number} is too large")))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.classify() != Category::Data {
            return ApiError::InvalidJson { message: inner.to_string() };
        }
        let message = inner.to_string();
        // A missing field has no path of its own; serde names it in the message.
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
    fn whole_numbers_are_whole_however_they_are_written() {
        let number = |json: &str| serde_json::from_str::<Whole>(json).ok().map(|whole| whole.0);
        assert_eq!(
            [number("7"), number("7.0"), number("70e-1"), number("0")],
            [Some(7), Some(7), Some(7), Some(0)]
        );
        assert_eq!([number("9007199254740991"), number("9007199254740992")], [Some(MAX_SEED), None]);
        assert_eq!(
            [number("7.5"), number("-1"), number("-0.5"), number("1e300"), number("\"7\"")],
            [None; 5]
        );
        let narrow = |json: &str| whole::<_, u8>(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!([narrow("255"), narrow("256")], [Some(255), None]);
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
