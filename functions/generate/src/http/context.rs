//! Request context of the platform in front of the router, as request extensions.
//!
//! Without a platform, as on localhost, there are none, and the router uses its own settings.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;

use super::state::AppState;

/// The platform's id of the request.
#[derive(Clone, Debug)]
pub struct RequestId(pub HeaderValue);

/// When the platform ends the request.
#[derive(Clone, Copy, Debug)]
pub struct AnswerBy(pub Instant);

/// How long `GET /model` waits while a model is loaded. A platform that suspends the process between requests
/// needs such a wait, since the load only proceeds during requests.
#[derive(Clone, Copy, Debug)]
pub struct LoadPatience(pub Duration);

/// When a request must be answered: after the time limit of the settings, or when the platform ends it.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl FromRequestParts<AppState> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let own = Instant::now() + state.settings().time_limit;
        Ok(Self(parts.extensions.get::<AnswerBy>().map_or(own, |platform| platform.0.min(own))))
    }
}

/// Limits of the texts of a request: when they must end, and how long they may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When the request must be answered.
    pub deadline: Instant,
    /// The most tokens of a text.
    pub max_tokens: usize,
}

impl FromRequestParts<AppState> for Bounds {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let Deadline(deadline) = Deadline::from_request_parts(parts, state).await?;
        Ok(Self { deadline, max_tokens: state.settings().max_tokens })
    }
}
