//! Log, trace span and metrics of every request. Prompts are never logged here.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tracing::Instrument;

use super::error::{ApiError, ErrorCode};
use super::headers::REQUEST_ID;
use crate::domain::telemetry::milliseconds;

/// Gives these metrics their units, for a recorder that has been installed.
pub fn describe() {
    describe_histogram!("Duration", Unit::Milliseconds, "from a request to the head of its response");
    describe_counter!("Requests", Unit::Count, "answered requests");
    describe_counter!("Errors", Unit::Count, "error responses, by their code");
}

/// Middleware that logs and counts a request with its answer.
///
/// By hand, since the span of tower-http's `TraceLayer` stays open until the body ends, and would miss the
/// traces that are sent when the head of the response is there.
pub async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let (method, path) = (request.method(), request.uri().path());
    let span = tracing::info_span!("request", id, %method, path, status = tracing::field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let error = response.extensions().get::<ErrorCode>().map(|code| code.0);
    let (status, time) = (response.status().as_u16(), start.elapsed());
    span.record("status", status);
    span.in_scope(|| tracing::info!(status, error, milliseconds = milliseconds(time), "answered"));
    count(time, error);
    response
}

fn count(time: Duration, error: Option<&'static str>) {
    counter!("Requests").increment(1);
    histogram!("Duration").record(milliseconds(time));
    if let Some(code) = error {
        counter!("Errors", "Code" => code).increment(1);
    }
}

/// Turns a panic into a 500 and logs its message.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(message, "a request panicked");
    ApiError::Internal.into_response()
}
