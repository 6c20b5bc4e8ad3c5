//! Every error of the API and its status. Bodies are `{"error": {"code", "message", "field"?}}`;
//! what went wrong inside is logged and not told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// 400: the body is not JSON.
    InvalidJson {
        /// Where it stops being JSON.
        message: String,
    },
    /// 404: there is no such route.
    NotFound {
        /// The path.
        path: String,
    },
    /// 405: the route has other methods.
    MethodNotAllowed,
    /// 413: the body is too long.
    TooLarge {
        /// What would have been accepted.
        limit_bytes: usize,
    },
    /// 415: the body does not claim to be JSON.
    UnsupportedMediaType,
    /// 422: a field is missing, unknown, of the wrong type or out of range.
    InvalidField {
        /// Its name; empty where the body is not an object.
        field: String,
        /// What was expected and what was found.
        message: String,
    },
    /// 422: the model was imported without a tokenizer, so it cannot be asked with text.
    NoTokenizer,
    /// 500: the fault is ours; the log says what it was.
    Internal,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidJson { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField { .. } | Self::NoTokenizer => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::NotFound { .. } => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge { .. } => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidField { .. } => "invalid_field",
            Self::NoTokenizer => "no_tokenizer",
            Self::Internal => "internal",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::InvalidJson { message } => format!("the body is not valid JSON: {message}"),
            Self::NotFound { path } => format!("there is nothing at {path}; try POST /generate or GET /"),
            Self::MethodNotAllowed => "this route has other methods, see the header Allow".to_owned(),
            Self::TooLarge { limit_bytes } => format!("the body is longer than {limit_bytes} bytes"),
            Self::UnsupportedMediaType => {
                "expected a JSON body with the header Content-Type: application/json".to_owned()
            }
            Self::InvalidField { message, .. } => message.clone(),
            Self::NoTokenizer => {
                "the model was published without a tokenizer, so it cannot continue a text".to_owned()
            }
            Self::Internal => "the server failed to answer; its log says why".to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code(), "message": self.message()});
        if let Self::InvalidField { field, .. } = &self
            && !field.is_empty()
        {
            error["field"] = field.as_str().into();
        }
        (self.status(), Json(json!({"error": error}))).into_response()
    }
}
