//! `GET /metrics`: counters and times of this process.

use axum::http::{Uri, header};
use axum::response::IntoResponse;

use crate::http::error::{ApiError, ErrorBody};
use crate::http::prometheus;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics in Prometheus' text format. In Lambda, where they go to CloudWatch, there is no such route.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
    (status = 404, description = "Metrics go elsewhere", body = ErrorBody),
))]
pub async fn metrics(uri: Uri) -> Result<impl IntoResponse, ApiError> {
    let text = prometheus::render().ok_or_else(|| ApiError::NotFound { path: uri.path().to_owned() })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
