//! Request id, security headers and CORS, with the layers of tower-http.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Response, header};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::set_header::response::SetMultipleResponseHeadersLayer;

use super::context::RequestId;
use super::dropped::DROPPED_MESSAGES;
use super::ignored::IGNORED_FIELDS;

/// Header of the request id, in the response and for the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Content security policy of the API. Its only pages are the documentation, which loads nothing from
/// elsewhere.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The platform's id of a request, or a random one from the operating system: a generator inside this process
/// would give the same ids in all copies of a process snapshot.
pub fn request_id(request: &Request) -> Option<HeaderValue> {
    let random = || {
        let id = format!("{:016x}", OsRng.try_next_u64().unwrap_or_default());
        HeaderValue::from_str(&id).ok()
    };
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).or_else(random)
}

/// Security headers of every response.
pub fn security<B: 'static>() -> SetMultipleResponseHeadersLayer<Response<B>> {
    SetMultipleResponseHeadersLayer::overriding(
        [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        ]
        .map(|(name, value)| (name, HeaderValue::from_static(value)).into())
        .into(),
    )
}

/// Headers of responses that do not have their own; the page beside the API does.
pub fn defaults<B: 'static>() -> SetMultipleResponseHeadersLayer<Response<B>> {
    SetMultipleResponseHeadersLayer::if_not_present(
        [(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY), (header::CACHE_CONTROL, "no-store")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)).into())
            .into(),
    )
}

/// CORS: lets pages of `origins` call the API, with whatever headers their clients add.
pub fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID, header::RETRY_AFTER, IGNORED_FIELDS, DROPPED_MESSAGES])
        .max_age(Duration::from_secs(3600))
}
