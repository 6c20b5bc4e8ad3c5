//! Paths of requests, made what the router knows: without a base path, double slashes, and a slash at the end.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The documentation's pages are files in a folder, so that its slash counts.
const FOLDER: &str = "/docs/";

/// The request with its path as the router knows it. One without the base path is as good: health checks come past the
/// gateway.
pub fn normalize(mut request: Request, base_path: &str) -> Request {
    without_prefix(request.uri_mut(), base_path);
    let path = request.uri().path();
    if path.contains("//") || (path.ends_with('/') && path != FOLDER && path != "/") {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let path = format!("/{}", parts.join("/"));
        let path = if path == FOLDER[..FOLDER.len() - 1] { FOLDER.to_owned() } else { path };
        set_path(request.uri_mut(), &path);
    }
    request
}

/// Takes a prefix such as `/prod` off a path, if it begins with that.
pub fn without_prefix(uri: &mut Uri, prefix: &str) {
    let rest = uri.path().strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(rest) = rest.filter(|_| !prefix.is_empty()) {
        let path = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
        set_path(uri, &path);
    }
}

/// Changes the path, if it can be one.
fn set_path(uri: &mut Uri, path: &str) {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    parts.path_and_query = PathAndQuery::try_from(format!("{path}{query}")).ok();
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn slashes_and_base_paths_are_forgiven() {
        let normalized = |uri: &str| {
            let request = Request::get(uri).body(Body::empty()).unwrap();
            normalize(request, "/llm").uri().to_string()
        };
        for (uri, expected) in [
            ("/", "/"),
            ("/v1/models", "/v1/models"),
            ("/v1/models/", "/v1/models"),
            ("//v1//models///?a=/b/", "/v1/models?a=/b/"),
            ("/llm/v1/models", "/v1/models"),
            ("/llm", "/"),
            ("/llm/", "/"),
            ("/llm?a", "/?a"),
            ("/llms", "/llms"),
            ("/docs/", "/docs/"),
            ("/docs", "/docs"),
            ("/llm//docs//", "/docs/"),
            ("/docs/index.css", "/docs/index.css"),
            ("/v1/models/a%2Fb/", "/v1/models/a%2Fb"),
            ("https://example.org//health/", "https://example.org/health"),
        ] {
            assert_eq!(normalized(uri), expected, "{uri}");
        }
    }
}
