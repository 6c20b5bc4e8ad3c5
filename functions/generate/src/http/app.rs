//! Router: routes, their OpenAPI schema, and the middleware around them.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Uri};
use axum::{Router, middleware};
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::propagate_header::PropagateHeaderLayer;
use tower_http::set_header::SetRequestHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::authorize;
use super::error::ApiError;
use super::headers::{self, REQUEST_ID};
use super::limits::MAX_BODY_BYTES;
use super::observe::{observe, panicked};
use super::paths;
use super::routes::openai::with_openai_status;
use super::routes::{chat, completions, docs, generate, inspect, metrics, status, tokens};
use super::security;
use super::settings::Settings;
use super::site::{self, Site};
use super::state::AppState;
use super::wire::generate::TextPiece;
use crate::domain::Models;

/// Bodies from this size on are compressed, if the client takes it. Streams of events never are.
const COMPRESSED_BYTES: u64 = 1024;

/// Title and description of the API in its schema.
#[derive(OpenApi)]
#[openapi(
    components(schemas(TextPiece)),
    info(
        title = "TroelsLLM",
        description = "A small language model trained on your own texts. Every response names the version of the model \
                   that generated it; the same seed, prompt and version give the same text."
    )
)]
struct Description;

/// The router that serves `models`, and the page beside them, if there is one.
pub fn app(models: Arc<Models>, settings: Settings, site: Option<Site>) -> Router {
    let (cors_origins, base_path) = (settings.cors_origins.clone(), settings.base_path.clone());
    let needs_key = !settings.api_key_sha256.is_empty();
    let state = AppState::new(models, settings);
    let (router, schema) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(status::status))
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::model))
        .routes(routes!(generate::generate))
        .routes(routes!(inspect::inspect))
        .routes(routes!(metrics::metrics))
        .merge(of_other_apis())
        .split_for_parts();
    let mut router = router
        .merge(docs::docs(security::described(schema, needs_key)))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), authorize));
    if let Some(site) = site {
        // Outside of authorization: the page asks its reader for the key.
        router = router.layer(middleware::from_fn_with_state(Arc::new(site), site::serve));
    }
    let router: Router = protect(router, &cors_origins).with_state(state);
    // Around the router, since a layer of it would come after the route was found.
    let normalize = MapRequestLayer::new(move |request: Request| paths::normalize(request, &base_path));
    Router::new().fallback_service(normalize.layer(router))
}

/// Routes that clients of other APIs call: OpenAI's, and those of llama.cpp's server and vLLM.
fn of_other_apis() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(completions::completions))
        .routes(routes!(chat::chat))
        .routes(routes!(status::models))
        .routes(routes!(status::model_by_name))
        .routes(routes!(status::model_by_version))
        .routes(routes!(tokens::tokenize))
        .routes(routes!(tokens::detokenize))
        .routes(routes!(tokens::tokenizer_info))
        .layer(middleware::map_response(with_openai_status))
}

/// The middleware around all routes, from the outside to the inside.
fn protect<S: Clone + Send + Sync + 'static>(router: Router<S>, cors_origins: &[HeaderValue]) -> Router<S> {
    router.layer(
        ServiceBuilder::new()
            .layer(
                CompressionLayer::new()
                    .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_BYTES))),
            )
            // Overrides the header: with an id from the client, requests could be confused in the log.
            .layer(SetRequestHeaderLayer::overriding(REQUEST_ID, headers::request_id))
            .layer(PropagateHeaderLayer::new(REQUEST_ID))
            .layer(middleware::from_fn(observe))
            .layer(headers::security())
            .layer(headers::defaults())
            // Outside of authorization: a browser's preflight request has no key.
            .layer(headers::cors(cors_origins))
            .layer(CatchPanicLayer::custom(panicked)),
    )
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound { path: uri.path().to_owned() }
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    /// A panic is a 500 of this API, and the next request is answered.
    #[tokio::test]
    async fn a_panic_ends_one_request() {
        async fn panics() {
            panic!("on purpose");
        }
        let router = Router::new().route("/panics", get(panics)).route("/works", get(async || "works"));
        let router = protect(router, &[]);
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(get("/panics")).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[REQUEST_ID].len(), 16);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(router.oneshot(get("/works")).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_client_cannot_choose_its_request_id() {
        let router = protect(Router::new().route("/", get(async || "works")), &[]);
        let request = Request::get("/").header(REQUEST_ID, "mine").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.headers()[REQUEST_ID].len(), 16);
    }
}
