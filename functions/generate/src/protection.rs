//! What surrounds every route: request ids, keys, headers, the log, and panics that end one request only.

use std::any::Any;
use std::time::Instant;

use artifact::Sha256Hex;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::Context;
use rand::TryRngCore;
use rand::rngs::OsRng;
use subtle::ConstantTimeEq;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use crate::app::AppState;
use crate::error::{ApiError, ErrorCode};
use crate::telemetry;

/// Names a request, in the response and in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Routes that need no key: whoever looks whether the program runs has none.
const OPEN_PATHS: [&str; 1] = ["/health"];

/// No route of the API is a page but the documentation, which brings what it needs.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Gives the request a name, logs it with its answer, and counts it. Prompts are never logged here.
pub async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = match request.extensions().get::<Context>() {
        Some(context) => context.request_id.clone(),
        None => format!("{:016x}", OsRng.try_next_u64().unwrap_or_default()),
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let in_lambda = request.extensions().get::<Context>().is_some();
    let span = tracing::info_span!("request", id, %method, path, status = tracing::field::Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let error = response.extensions().get::<ErrorCode>().map(|code| code.0);
    let time = start.elapsed();
    span.record("status", response.status().as_u16());
    span.in_scope(|| {
        let (status, milliseconds) = (response.status().as_u16(), telemetry::milliseconds(time));
        tracing::info!(status, error, milliseconds, "answered");
    });
    drop(span);
    telemetry::responded(time, error);
    telemetry::flush();
    if in_lambda {
        crate::logging::flush().await;
    }
    response
}

/// Headers that say how little a browser may do with what comes from here.
pub async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers 401 to requests without a valid key, if there are keys.
pub async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let keys = &state.settings().api_key_sha256;
    if keys.is_empty() || OPEN_PATHS.contains(&request.uri().path()) || is_authorized(request.headers(), keys)
    {
        return next.run(request).await;
    }
    ApiError::Unauthorized.into_response()
}

/// Compares digests, in a time that does not depend on where they differ.
fn is_authorized(headers: &HeaderMap, keys: &[Sha256Hex]) -> bool {
    let bearer = || headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    let Some(key) = headers.get(API_KEY).and_then(|key| key.to_str().ok()).or_else(bearer) else {
        return false;
    };
    let found = Sha256Hex::of_bytes(key.as_bytes());
    let equal = |key: &Sha256Hex| key.as_str().as_bytes().ct_eq(found.as_str().as_bytes());
    keys.iter().map(equal).fold(subtle::Choice::from(0), |any, equal| any | equal).into()
}

/// Lets pages of `origins` call the API.
pub fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, API_KEY])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(3600))
}

/// Makes a panic a 500; the log has its message.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(message, "a request panicked");
    ApiError::Internal.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic is a 500 of this API, and the next request is answered.
    #[tokio::test]
    async fn a_panic_ends_one_request() {
        use tower::ServiceExt;
        async fn panics() {
            panic!("on purpose");
        }
        let router = axum::Router::<()>::new()
            .route("/panics", axum::routing::get(panics))
            .route("/works", axum::routing::get(async || "works"))
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn(observe));
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(get("/panics")).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[REQUEST_ID].len(), 16);
        assert_eq!(router.oneshot(get("/works")).await.unwrap().status(), 200);
    }

    #[test]
    fn only_a_valid_key_opens() {
        let keys = [Sha256Hex::of_bytes(b"first"), Sha256Hex::of_bytes(b"second")];
        let with = |name: HeaderName, value: &'static str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            is_authorized(&headers, &keys)
        };
        assert!(with(API_KEY, "first") && with(header::AUTHORIZATION, "Bearer second"));
        assert!(!with(API_KEY, "third") && !with(API_KEY, "") && !with(header::AUTHORIZATION, "second"));
        assert!(!is_authorized(&HeaderMap::new(), &keys));
        // What is configured is a digest, and no key.
        let headers = HeaderMap::from_iter([(API_KEY, HeaderValue::from_str(keys[0].as_str()).unwrap())]);
        assert!(!is_authorized(&headers, &keys));
    }
}
