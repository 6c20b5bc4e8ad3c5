//! API keys: 401 for requests without a valid one, if any are configured.

use artifact::Sha256Hex;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::state::AppState;

/// Header of an API key, beside `Authorization: Bearer`.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Routes without authorization: health checks have no key, and the documentation asks its reader for one.
pub const OPEN_PATHS: [&str; 4] = ["/health", "/ready", "/docs", "/openapi.json"];

/// Middleware that answers 401 to requests without a valid key.
pub async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let keys = &state.settings().api_key_sha256;
    if keys.is_empty() || is_open(request.uri()) || is_authorized(request.headers(), keys) {
        return next.run(request).await;
    }
    ApiError::Unauthorized.into_response()
}

fn is_open(uri: &Uri) -> bool {
    OPEN_PATHS.contains(&uri.path()) || uri.path().starts_with("/docs/")
}

/// Whether one of the headers has a valid key. Compares digests in constant time.
fn is_authorized(headers: &HeaderMap, keys: &[Sha256Hex]) -> bool {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| key.trim())
    });
    let others = headers.get_all(API_KEY).iter().filter_map(|key| key.to_str().ok());
    let is_valid = |key: &str| {
        let found = Sha256Hex::of_bytes(key.as_bytes());
        let equal = |key: &Sha256Hex| key.as_str().as_bytes().ct_eq(found.as_str().as_bytes());
        keys.iter().map(equal).fold(subtle::Choice::from(0), |any, equal| any | equal)
    };
    bearers.chain(others).map(is_valid).fold(subtle::Choice::from(0), |any, valid| any | valid).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_checks_and_documentation_are_open() {
        let is_open = |path: &'static str| is_open(&Uri::from_static(path));
        assert!(is_open("/health") && is_open("/ready") && is_open("/docs/index.css"));
        assert!(!is_open("/") && !is_open("/docs2") && !is_open("/metrics"));
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
        assert!(
            with(header::AUTHORIZATION, "bearer second") && with(header::AUTHORIZATION, "BEARER  second")
        );
        assert!(!is_authorized(&HeaderMap::new(), &keys));
        // A client that sends both may have a placeholder in one of them.
        for (key, bearer) in [("first", "Bearer none"), ("none", "Bearer second")] {
            let headers = [(API_KEY, key), (header::AUTHORIZATION, bearer)];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            assert!(is_authorized(&HeaderMap::from_iter(headers), &keys), "{key}, {bearer}");
        }
        // The digest, which is configured, is not the key.
        let headers = HeaderMap::from_iter([(API_KEY, HeaderValue::from_str(keys[0].as_str()).unwrap())]);
        assert!(!is_authorized(&headers, &keys));
    }
}
