//! JSON request bodies: errors name the invalid field, and fields that a route does not know are ignored and named.

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::ignored::IgnoredFields;
use super::limits::MAX_BODY_BYTES;
use super::strict::Object;

/// Extractor of a JSON object of type `T`, and of the names of fields that it does not have. Unlike axum's own, it
/// gives this API's errors.
pub struct JsonBody<T>(pub T, pub IgnoredFields);

/// A request that can be read from the fields of a JSON object.
pub trait RequestBody: Sized {
    /// Whether fields that it does not have are ignored. Otherwise they are an error, which finds slips of the pen.
    const IGNORES_UNKNOWN: bool;

    /// Reads it.
    ///
    /// # Errors
    /// [`ApiError::InvalidField`] for a field that is missing or of the wrong type.
    fn from_fields(fields: &mut Fields) -> Result<Self, ApiError>;
}

impl<T: RequestBody, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        if let Some(encoding) = encoding(request.headers()) {
            return Err(ApiError::UnsupportedEncoding { encoding });
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                ApiError::TooLarge { limit_bytes: MAX_BODY_BYTES }
            }
            _ => ApiError::IncompleteBody,
        })?;
        let (body, ignored) = parse(&bytes)?;
        Ok(Self(body, IgnoredFields::new(ignored)))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// The encoding of a body that is not sent as it is.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(header::CONTENT_ENCODING)?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).trim().to_lowercase();
    (!matches!(encoding.as_str(), "" | "identity")).then_some(encoding)
}

/// Parses a JSON object; gives a `T`, and the names of fields that it does not have.
///
/// # Errors
/// [`ApiError::InvalidJson`] for text that is not JSON, [`ApiError::InvalidField`] for JSON that is not a
/// `T`, or has fields that it does not have and does not ignore.
pub fn parse<T: RequestBody>(bytes: &[u8]) -> Result<(T, BTreeSet<String>), ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(UniqueFields(map)) =
        Object::deserialize(&mut deserializer).map_err(|error| invalid("", error))?;
    deserializer.end().map_err(|error| ApiError::InvalidJson { message: error.to_string() })?;
    let mut fields = Fields { map, ignored: None };
    let body = T::from_fields(&mut fields)?;
    let ignored = fields.ignored.take().unwrap_or_default();
    let unknown = || ignored.iter().find(|name| name.contains('.') || fields.get(name).is_some());
    match unknown().filter(|_| !T::IGNORES_UNKNOWN) {
        Some(field) => {
            let message = format!("`{field}`: this route has no such field");
            Err(ApiError::InvalidField { field: field.clone(), message })
        }
        None => Ok((body, ignored)),
    }
}

/// The fields of a JSON object.
pub struct Fields {
    map: Map<String, Value>,
    /// Fields that no type has had which was read from them.
    ignored: Option<BTreeSet<String>>,
}

impl Fields {
    /// The value of a field, unless it is null, which is the same as not given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Reads the fields that `T` has.
    ///
    /// # Errors
    /// [`ApiError::InvalidField`] for a field that is missing or of the wrong type.
    pub fn read<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let mut track = serde_path_to_error::Track::new();
        let value = Value::Object(self.map.clone());
        let mut ignored = BTreeSet::new();
        let mut note = |path: serde_ignored::Path<'_>| {
            ignored.insert(path.to_string().replace(".?", ""));
        };
        let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
        let read = T::deserialize(serde_ignored::Deserializer::new(deserializer, &mut note));
        let value = read.map_err(|error| invalid(&track.path().to_string(), error))?;
        self.ignored = Some(match self.ignored.take() {
            Some(before) => before.intersection(&ignored).cloned().collect(),
            None => ignored,
        });
        Ok(value)
    }
}

/// The error of a value at `path`.
fn invalid(path: &str, error: serde_json::Error) -> ApiError {
    let message = error.to_string();
    if error.classify() != Category::Data {
        return ApiError::InvalidJson { message };
    }
    let path = path.trim_matches('.');
    // The path of a missing or duplicate field is that of its parent; serde's message names the field.
    let named = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start));
    let field = match named.and_then(|rest| rest.split('`').next()) {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    let message = if field.is_empty() { message } else { format!("`{field}`: {message}") };
    ApiError::InvalidField { field, message }
}

/// The fields of an object, none of which is there twice.
struct UniqueFields(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = UniqueFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<UniqueFields, A::Error> {
                let mut map = Map::new();
                while let Some(name) = entries.next_key::<String>()? {
                    if map.contains_key(&name) {
                        return Err(de::Error::custom(format!("duplicate field `{name}`")));
                    }
                    map.insert(name, entries.next_value()?);
                }
                Ok(UniqueFields(map))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Body {
        prompt: String,
        count: Option<u32>,
        options: Option<Options>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Options {
        usage: bool,
    }

    impl RequestBody for Body {
        const IGNORES_UNKNOWN: bool = true;

        fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
            fields.read()
        }
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
        assert_eq!(field(r#"{"prompt": null}"#), "prompt");
        assert_eq!(field(r#"{"prompt": 5}"#), "prompt");
        assert_eq!(field(r#"{"prompt": "x", "count": -1}"#), "count");
        assert_eq!(field(r#"{"prompt": "x", "prompt": "y"}"#), "prompt");
        assert_eq!(field(r#"{"prompt": "x", "options": {}}"#), "options.usage");
        assert_eq!(field(r#"{"prompt": "x", "options": {"usage": 1}}"#), "options.usage");
        assert_eq!(field("[]"), "");
        assert_eq!(field(r#"["x", 3]"#), "");
    }

    #[test]
    fn what_is_not_known_is_ignored_and_named() {
        let ignored = |json: &str| parse::<Body>(json.as_bytes()).unwrap().1.into_iter().collect::<Vec<_>>();
        assert_eq!(ignored(r#"{"prompt": "x", "count": null}"#), Vec::<String>::new());
        let json = r#"{"prompt": "x", "size": 1, "best": null, "options": {"usage": true, "more": {}}}"#;
        assert_eq!(ignored(json), ["best", "options.more", "size"]);
    }

    #[test]
    fn what_is_not_known_can_be_an_error() {
        #[derive(Debug)]
        struct Strict;
        impl RequestBody for Strict {
            const IGNORES_UNKNOWN: bool = false;

            fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
                fields.read::<Body>().map(|_| Self)
            }
        }
        let parse = |json: &str| parse::<Strict>(json.as_bytes());
        let error = parse(r#"{"prompt": "x", "size": 1}"#).unwrap_err();
        assert!(matches!(error, ApiError::InvalidField { field, .. } if field == "size"));
        assert!(parse(r#"{"prompt": "x", "size": null}"#).is_ok(), "null is the same as not given");
    }

    /// What one of two types has, which are read from the same object, is known.
    #[test]
    fn several_types_share_an_object() {
        #[derive(Debug)]
        struct Both(Body, Counted);
        #[derive(Debug, Deserialize)]
        struct Counted {
            size: u32,
        }
        impl RequestBody for Both {
            const IGNORES_UNKNOWN: bool = true;

            fn from_fields(fields: &mut Fields) -> Result<Self, ApiError> {
                Ok(Self(fields.read()?, fields.read()?))
            }
        }
        let (Both(body, counted), ignored) =
            parse(br#"{"prompt": "x", "size": 3, "other": 4}"#.as_slice()).unwrap();
        assert_eq!((body.prompt.as_str(), counted.size), ("x", 3));
        assert_eq!(ignored.into_iter().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn tells_syntax_from_content() {
        for json in ["", "{", "{\"prompt\": \"x\"} trailing", "prompt=x", "{\"prompt\": \"\\ud800\"}"] {
            let error = parse::<Body>(json.as_bytes()).unwrap_err();
            assert!(matches!(error, ApiError::InvalidJson { .. }), "{json}: {error:?}");
        }
    }

    #[test]
    fn only_json_is_json_and_only_as_it_is() {
        let headers = |name, value: &'static str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        let is_json = |value| is_json(&headers(header::CONTENT_TYPE, value));
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/plain") && !is_json("application/jsonp"));
        let encoding = |value| encoding(&headers(header::CONTENT_ENCODING, value));
        assert_eq!([encoding("identity"), encoding(""), encoding("gzip")], [None, None, Some("gzip".into())]);
    }
}
