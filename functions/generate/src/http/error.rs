//! API errors: status, code and message of each. Internal causes are logged and not sent.

use std::fmt::Display;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::GenerateError;

/// An error that a client gets.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// 400: the body is not JSON.
    InvalidJson {
        /// The position and the reason.
        message: String,
    },
    /// 400: the body ended early or took too long to arrive.
    IncompleteBody,
    /// 401: the API key is missing or wrong.
    Unauthorized,
    /// 404: there is no such route.
    NotFound {
        /// The path.
        path: String,
    },
    /// 404: the request names a model that is not served.
    UnknownModel {
        /// The model that the request names.
        model: String,
        /// The model that is served.
        served: String,
    },
    /// 405: the route does not have this method.
    MethodNotAllowed,
    /// 413: the body is too long.
    TooLarge {
        /// The longest body that is accepted.
        limit_bytes: usize,
    },
    /// 415: the body's content type is not JSON.
    UnsupportedMediaType,
    /// 415: the body is compressed, or encoded in another way.
    UnsupportedEncoding {
        /// The encoding.
        encoding: String,
    },
    /// 422, or 400 where OpenAI's clients ask: a field is missing, unknown, of the wrong type or out of range.
    InvalidField {
        /// Its name; empty if the body is not an object.
        field: String,
        /// The expected and the found value.
        message: String,
    },
    /// 422: the model was imported without a tokenizer.
    NoTokenizer,
    /// 422: the model's graph has no outputs for an inspection.
    NotInspectable,
    /// 503: the queue is full.
    Overloaded,
    /// 503: the model is not loaded yet.
    Loading,
    /// 503: no model can be loaded.
    NoModel {
        /// Why not, without internals.
        reason: &'static str,
    },
    /// 500: an internal error; the log has its cause.
    Internal,
}

/// The body of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetails,
}

/// An error, for programs and for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorDetails {
    /// Code for programs.
    #[schema(example = "invalid_field")]
    pub code: &'static str,
    /// Message for people.
    #[schema(example = "`temperature` is 500, expected 0 to 100")]
    pub message: String,
    /// The invalid field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The same by the name that it has in OpenAI's API.
    pub param: Option<String>,
    /// Kind of the error, as in OpenAI's API: `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl ApiError {
    /// A field that is out of range.
    pub fn out_of_range(field: &str, found: impl Display, expected: impl Display) -> Self {
        let message = format!("`{field}` is {found}, expected {expected}");
        Self::InvalidField { field: field.to_owned(), message }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// The code for programs.
    pub fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidJson { .. } => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::IncompleteBody => (StatusCode::BAD_REQUEST, "incomplete_body"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::UnknownModel { .. } => (StatusCode::NOT_FOUND, "model_not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::UnsupportedEncoding { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
            Self::InvalidField { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field"),
            Self::NoTokenizer => (StatusCode::UNPROCESSABLE_ENTITY, "no_tokenizer"),
            Self::NotInspectable => (StatusCode::UNPROCESSABLE_ENTITY, "not_inspectable"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Loading => (StatusCode::SERVICE_UNAVAILABLE, "model_loading"),
            Self::NoModel { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_model"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::InvalidJson { message } => format!("the body is not valid JSON: {message}"),
            Self::NotFound { path } => format!("no route for {path}; GET /docs lists the routes"),
            Self::UnknownModel { model, served } => {
                format!("the model `{model}` is not served here; the served model is `{served}`")
            }
            Self::TooLarge { limit_bytes } => format!("the body is longer than {limit_bytes} bytes"),
            Self::UnsupportedEncoding { encoding } => {
                format!("the body has the encoding `{encoding}`, expected one without Content-Encoding")
            }
            Self::InvalidField { message, .. } => message.clone(),
            Self::NoModel { reason } => format!("no model can be served: {reason}"),
            error => error.fixed_message().to_owned(),
        }
    }

    /// Messages without a value of the request.
    fn fixed_message(&self) -> &'static str {
        match self {
            Self::IncompleteBody => "the body ended early or took too long to arrive",
            Self::Unauthorized => {
                "expected a valid key in the header `Authorization: Bearer KEY` or `x-api-key: KEY`"
            }
            Self::MethodNotAllowed => "the route does not have this method; see the header Allow",
            Self::UnsupportedMediaType => {
                "expected a JSON body with the header Content-Type: application/json"
            }
            Self::NoTokenizer => "the model was published without a tokenizer, so it cannot continue a text",
            Self::NotInspectable => {
                "the model was exported by an older version of gpt, without outputs for attention weights"
            }
            Self::Overloaded => "too many requests are waiting; try again in a second",
            Self::Loading => "the model is still being loaded; try again in a second",
            _ => "internal error; the server's log has the cause under the id of this request",
        }
    }

    /// The body.
    pub fn body(&self) -> ErrorBody {
        let field = match self {
            Self::InvalidField { field, .. } if !field.is_empty() => Some(field.clone()),
            Self::UnknownModel { .. } => Some("model".to_owned()),
            _ => None,
        };
        let param = field.clone();
        let kind = if self.status().is_server_error() { "server_error" } else { "invalid_request_error" };
        ErrorBody { error: ErrorDetails { code: self.code(), message: self.message(), field, param, kind } }
    }

    /// Seconds until another try is worthwhile.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::Overloaded | Self::Loading => Some(HeaderValue::from_static("1")),
            Self::NoModel { .. } => Some(HeaderValue::from_static("30")),
            _ => None,
        }
    }
}

impl From<GenerateError> for ApiError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Overloaded => Self::Overloaded,
            GenerateError::Loading => Self::Loading,
            GenerateError::NoModel { reason } => Self::NoModel { reason },
            GenerateError::UnknownModel { model, served } => Self::UnknownModel { model, served },
            GenerateError::NoTokenizer => Self::NoTokenizer,
            GenerateError::NotInspectable => Self::NotInspectable,
            GenerateError::UnknownToken { field, id, vocab_size } => {
                Self::out_of_range(field, format_args!("the id {id}"), format_args!("ids below {vocab_size}"))
            }
            GenerateError::EmptyPrompt => Self::out_of_range(
                "prompt",
                format_args!("empty"),
                format_args!("at least one token: this model has none that a text begins after"),
            ),
            GenerateError::Conversation { reason } => {
                Self::InvalidField { field: "messages".to_owned(), message: format!("`messages`: {reason}") }
            }
            GenerateError::TooLongToInspect { tokens, limit } => Self::out_of_range(
                "prompt",
                format_args!("{tokens} tokens long"),
                format_args!("at most {limit}"),
            ),
            GenerateError::TooLongToScore { tokens } => Self::out_of_range(
                "prompt",
                format_args!("{tokens} tokens long"),
                format_args!("what can be scored within the time limit"),
            ),
            GenerateError::Internal => Self::Internal,
        }
    }
}

/// The code of an error response, as a response extension for log and metrics.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode(pub &'static str);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if self == Self::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(ErrorCode(self.code()));
        response
    }
}
