//! What each route does.

pub mod completions;
pub mod docs;
pub mod generate;
pub mod inspect;
pub mod status;

use utoipa::IntoResponses;

use crate::error::ErrorBody;

/// The errors of routes that take a body.
#[derive(IntoResponses)]
#[allow(dead_code)] // It stands in the schema alone.
pub enum Errors {
    /// The body is not JSON.
    #[response(status = 400)]
    InvalidJson(ErrorBody),
    /// The key is missing or wrong.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// Another model is served.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too long.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body does not claim to be JSON.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// A field is missing, unknown, of the wrong type or out of range.
    #[response(status = 422)]
    InvalidField(ErrorBody),
    /// The fault is ours.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// The model is being loaded, cannot be, or is busy; `Retry-After` says when to try again.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}
