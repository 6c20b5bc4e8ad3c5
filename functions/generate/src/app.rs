//! The router: the same on localhost and in Lambda.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::gate::Gate;
use crate::models::Models;
use crate::protection::{authorize, cors, observe, panicked, secure};
use crate::response::TextPiece;
use crate::routes::{completions, docs, generate, inspect, status};
use crate::settings::{MAX_BODY_BYTES, Settings};
use crate::site::{self, Site};

/// What routes share.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    models: Arc<Models>,
    settings: Settings,
    gate: Gate,
}

impl AppState {
    /// The model that is served.
    pub fn models(&self) -> &Arc<Models> {
        &self.0.models
    }

    /// Limits and protection.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Who may generate.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

/// What the schema says about the API as a whole.
#[derive(OpenApi)]
#[openapi(
    components(schemas(TextPiece)),
    info(
        title = "TroelsLLM",
        description = "A small language model of your own texts. Every answer names the version of the model that gave \
                   it; the same seed, prompt and version give the same text."
    )
)]
struct Description;

/// The router that serves `models`, and the page beside them, if there is one.
pub fn app(models: Arc<Models>, settings: Settings, site: Option<Site>) -> Router {
    let gate = Gate::new(&settings);
    let cors = cors(&settings.cors_origins);
    let state = AppState(Arc::new(Shared { models, settings, gate }));
    let (router, schema) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(status::status))
        .routes(routes!(status::health))
        .routes(routes!(status::model))
        .routes(routes!(generate::generate))
        .routes(routes!(completions::completions))
        .routes(routes!(status::models))
        .routes(routes!(inspect::inspect))
        .split_for_parts();
    let mut router = router
        .merge(docs::docs(schema))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), authorize));
    if let Some(site) = site {
        // Before the key is asked for: the page is what asks its reader for one.
        router = router.layer(middleware::from_fn_with_state(Arc::new(site), site::serve));
    }
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors) // before the key is asked for: a browser's preflight brings none
        .layer(middleware::from_fn(secure))
        .layer(middleware::from_fn(observe))
        .with_state(state)
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound { path: uri.path().to_owned() }
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
