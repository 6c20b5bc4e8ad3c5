//! Error responses in the OpenAPI schema of routes that take a body.

use utoipa::IntoResponses;

use crate::http::error::ErrorBody;

/// The errors of this API's own routes that take a body.
#[derive(IntoResponses)]
#[allow(dead_code)] // For the schema alone.
pub enum Errors {
    /// The body is not valid JSON, or not complete.
    #[response(status = 400)]
    InvalidJson(ErrorBody),
    /// The API key is missing or wrong.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The request names a model that is not served.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too long.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body's content type is not JSON, or the body is encoded.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// A field is missing, unknown, of the wrong type or out of range.
    #[response(status = 422)]
    InvalidField(ErrorBody),
    /// An internal error.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// The queue is full, or the model is being loaded or cannot be; `Retry-After` has the seconds to wait.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// The errors of routes that clients of other APIs call: those expect a 400 for an invalid field.
#[derive(IntoResponses)]
#[allow(dead_code)] // For the schema alone.
pub enum OpenAiErrors {
    /// The body is not valid JSON or not complete; or a field is missing, of the wrong type, out of range, or not
    /// supported: then `param` has its name.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// The API key is missing or wrong.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The request names a model that is not served.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too long.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body's content type is not JSON, or the body is encoded.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// An internal error.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// The queue is full, or the model is being loaded or cannot be; `Retry-After` has the seconds to wait.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}
