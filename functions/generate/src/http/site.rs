//! Static files of the page (`infra/site`) beside the API on localhost. In AWS, CloudFront serves them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// File of the page at `/`.
const INDEX_PATH: &str = "/index.html";
/// The page's configuration: URLs of APIs. It replaces that file of the built page.
const CONFIG_PATH: &str = "/config.json";

/// Flags of the page.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SiteSettings {
    /// Folder of the built page, to serve it to browsers.
    #[arg(long, env = "SITE", value_name = "FOLDER")]
    pub site: Option<PathBuf>,
    /// URL of another API whose model the page compares with this one, such as http://127.0.0.1:8081; several
    /// separated by commas. Each must allow this page with --cors-origins.
    #[arg(long, env = "SITE_APIS", value_name = "URL", value_delimiter = ',', requires = "site",
          value_parser = address)]
    pub site_apis: Vec<Uri>,
}

impl SiteSettings {
    /// Opens the page, if a folder is given.
    ///
    /// # Errors
    /// If the folder has no page.
    pub fn open(&self) -> Result<Option<Site>> {
        self.site.as_deref().map(|folder| Site::open(folder, &self.site_apis)).transpose()
    }
}

/// The page: its files, and the APIs that it may call.
#[derive(Clone, Debug)]
pub struct Site {
    files: ServeDir,
    compare: Vec<String>,
    content_policy: HeaderValue,
}

impl Site {
    /// Opens the page in `folder`, which compares the model with those of `apis`.
    fn open(folder: &Path, apis: &[Uri]) -> Result<Self> {
        ensure!(
            folder.join(&INDEX_PATH[1..]).is_file(),
            "{} has no index.html; build the page with `npm ci && npm run build` in infra/site",
            folder.display()
        );
        let origins =
            apis.iter().filter_map(|api| Some(format!(" {}://{}", api.scheme_str()?, api.authority()?)));
        let content_policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'{}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            origins.collect::<String>()
        );
        Ok(Self {
            files: ServeDir::new(folder).append_index_html_on_directories(false),
            compare: apis.iter().map(|api| api.to_string().trim_end_matches('/').to_owned()).collect(),
            content_policy: HeaderValue::from_str(&content_policy).context("the addresses of APIs")?,
        })
    }

    /// The page's response to a request without its body; `None` if the request is for the API.
    async fn answer(&self, mut request: Request) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        if request.uri().path() == "/" {
            if !prefers_pages(request.headers()) {
                return None;
            }
            *request.uri_mut() = Uri::from_static(INDEX_PATH);
        }
        let mut response = if request.uri().path() == CONFIG_PATH {
            Json(json!({"api": "", "compare": self.compare})).into_response()
        } else {
            let Ok(response) = self.files.clone().oneshot(request).await;
            response.map(Body::new)
        };
        if response.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.content_policy.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(response)
    }
}

/// Middleware that answers with files of the page, and passes other requests on to the API.
pub async fn serve(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut head = Request::new(Body::empty());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    match site.answer(head).await {
        Some(response) => response,
        None => next.run(request).await,
    }
}

/// Whether `/` is the page: browsers accept HTML, other clients want the state of the model.
fn prefers_pages(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn address(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok();
    let is_address = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && uri.query().is_none()
    };
    uri.filter(is_address).ok_or_else(|| "expected an address such as https://api.example.org".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_call_the_apis_that_are_named_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Site::open(folder.path(), &[]).unwrap_err().to_string().contains("has no index.html"));
        std::fs::write(folder.path().join(&INDEX_PATH[1..]), "").unwrap();
        let apis = ["https://api.example.org/prod/", "http://127.0.0.1:81"].map(|api| address(api).unwrap());
        let site = Site::open(folder.path(), &apis).unwrap();
        let policy = site.content_policy.to_str().unwrap();
        assert!(
            policy.contains("connect-src 'self' https://api.example.org http://127.0.0.1:81;"),
            "{policy}"
        );
        assert_eq!(site.compare, ["https://api.example.org/prod", "http://127.0.0.1:81"]);
        for text in ["example.org", "ftp://example.org", "/api", "https://a/?b"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
