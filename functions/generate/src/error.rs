//! Every error of the API and its status. What went wrong inside is logged and not told.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// 400: the body is not JSON.
    InvalidJson {
        /// Where it stops being JSON.
        message: String,
    },
    /// 401: the key is missing or wrong.
    Unauthorized,
    /// 404: there is no such route.
    NotFound {
        /// The path.
        path: String,
    },
    /// 404: another model is served.
    UnknownModel {
        /// The one that was asked for.
        model: String,
        /// The one that is served.
        served: String,
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
    /// 422: the model's file does not tell its attention weights.
    NotInspectable,
    /// 503: too many requests wait already.
    Overloaded,
    /// 503: the model is not loaded yet.
    Loading,
    /// 503: there is no model that could be served.
    NoModel {
        /// Why not, without internals.
        reason: &'static str,
    },
    /// 500: the fault is ours; the log says what it was.
    Internal,
}

/// The body of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetails,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorDetails {
    /// For programs.
    #[schema(example = "invalid_field")]
    pub code: &'static str,
    /// For people: what was expected, what was found, what to do.
    #[schema(example = "`max_tokens` is 5000, expected 1 to 1000")]
    pub message: String,
    /// The field that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What a client of OpenAI's API looks at: `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl ApiError {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidJson { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound { .. } | Self::UnknownModel { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField { .. } | Self::NoTokenizer | Self::NotInspectable => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Overloaded | Self::Loading | Self::NoModel { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Its code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::Unauthorized => "unauthorized",
            Self::NotFound { .. } => "not_found",
            Self::UnknownModel { .. } => "model_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge { .. } => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidField { .. } => "invalid_field",
            Self::NoTokenizer => "no_tokenizer",
            Self::NotInspectable => "not_inspectable",
            Self::Overloaded => "overloaded",
            Self::Loading => "model_loading",
            Self::NoModel { .. } => "no_model",
            Self::Internal => "internal",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::InvalidJson { message } => format!("the body is not valid JSON: {message}"),
            Self::Unauthorized => {
                "expected a valid key in the header `Authorization: Bearer KEY` or `x-api-key: KEY`"
                    .to_owned()
            }
            Self::NotFound { path } => format!("there is nothing at {path}; GET /docs says what there is"),
            Self::UnknownModel { model, served } => {
                format!("there is no model `{model}` here; the one that is served is `{served}`")
            }
            Self::MethodNotAllowed => "this route has other methods, see the header Allow".to_owned(),
            Self::TooLarge { limit_bytes } => format!("the body is longer than {limit_bytes} bytes"),
            Self::UnsupportedMediaType => {
                "expected a JSON body with the header Content-Type: application/json".to_owned()
            }
            Self::InvalidField { message, .. } => message.clone(),
            Self::NoTokenizer => {
                "the model was published without a tokenizer, so it cannot continue a text".to_owned()
            }
            Self::NotInspectable => {
                "the model was exported by an older version, and does not tell its attention weights"
                    .to_owned()
            }
            Self::Overloaded => "too many requests are waiting; try again in a second".to_owned(),
            Self::Loading => "the model is still being loaded; try again in a second".to_owned(),
            Self::NoModel { reason } => format!("no model can be served: {reason}"),
            Self::Internal => "the server failed to answer; its log says why, by the request's id".to_owned(),
        }
    }

    /// Its body.
    pub fn body(&self) -> ErrorBody {
        let field = match self {
            Self::InvalidField { field, .. } if !field.is_empty() => Some(field.clone()),
            _ => None,
        };
        let kind = if self.status().is_server_error() { "server_error" } else { "invalid_request_error" };
        ErrorBody { error: ErrorDetails { code: self.code(), message: self.message(), field, kind } }
    }

    /// After how many seconds it is worth trying again.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::Overloaded | Self::Loading => Some(HeaderValue::from_static("1")),
            Self::NoModel { .. } => Some(HeaderValue::from_static("30")),
            _ => None,
        }
    }
}

/// The code of an error that became a response, for the metrics.
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
