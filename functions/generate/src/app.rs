//! The routes.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Uri;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::error::ApiError;
use crate::json::{JsonBody, MAX_BODY_BYTES};
use crate::request::GenerateRequest;
use crate::response::{GenerateResponse, Status};
use crate::served_model::ServedModel;

/// The router that serves a model.
pub fn app(model: Arc<ServedModel>) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/generate", post(generate))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(log))
        .with_state(model)
}

async fn status(State(model): State<Arc<ServedModel>>) -> Json<Status> {
    Json(model.status())
}

async fn generate(
    State(model): State<Arc<ServedModel>>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Json<GenerateResponse>, ApiError> {
    request.validate()?;
    if !model.has_tokenizer() {
        return Err(ApiError::NoTokenizer);
    }
    // Generating takes all cores for seconds: off the threads that answer other requests.
    let generation = tokio::task::spawn_blocking(move || model.generate(request)).await;
    match generation {
        Ok(Ok(response)) => Ok(Json(response)),
        Ok(Err(error)) => {
            tracing::error!(error = format!("{error:#}"), "generation failed");
            Err(ApiError::Internal)
        }
        Err(panic) => {
            tracing::error!(error = %panic, "generation panicked");
            Err(ApiError::Internal)
        }
    }
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound { path: uri.path().to_owned() }
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

/// One line for each request; never the prompt.
async fn log(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let milliseconds = start.elapsed().as_millis() as u64;
    tracing::info!(%method, path, status = response.status().as_u16(), milliseconds, "request");
    response
}
