//! API keys: 401 for requests without a valid one, if any are configured.

use artifact::Sha256Hex;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::state::AppState;

/// Header of an API key, beside `Authorization: Bearer`.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Routes without authorization: health checks have no key.
const OPEN_PATHS: [&str; 1] = ["/health"];

/// Middleware that answers 401 to requests without a valid key.
pub async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let keys = &state.settings().api_key_sha256;
    if keys.is_empty() || OPEN_PATHS.contains(&request.uri().path()) || is_authorized(request.headers(), keys)
    {
        return next.run(request).await;
    }
    ApiError::Unauthorized.into_response()
}

/// Compares digests in constant time.
fn is_authorized(headers: &HeaderMap, keys: &[Sha256Hex]) -> bool {
    let bearer = || headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    let Some(key) = headers.get(API_KEY).and_then(|key| key.to_str().ok()).or_else(bearer) else {
        return false;
    };
    let found = Sha256Hex::of_bytes(key.as_bytes());
    let equal = |key: &Sha256Hex| key.as_str().as_bytes().ct_eq(found.as_str().as_bytes());
    keys.iter().map(equal).fold(subtle::Choice::from(0), |any, equal| any | equal).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

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
        // The digest, which is configured, is not the key.
        let headers = HeaderMap::from_iter([(API_KEY, HeaderValue::from_str(keys[0].as_str()).unwrap())]);
        assert!(!is_authorized(&headers, &keys));
    }
}
