//! Lambda's runtime loop, with buffered or streamed responses.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use http_body_util::Full;
use lambda_http::{Error, http};
use lambda_runtime::SnapStartResource;
use tower::ServiceExt;

use super::context::in_lambda;
use super::snapshot::Snapshot;
use crate::domain::Models;

/// How responses are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ResponseMode {
    /// Each response as a whole.
    Buffered,
    /// Each response as it is generated; the function URL or the integration must use response streaming.
    Streaming,
}

/// Serves until Lambda ends the process.
///
/// # Errors
/// If Lambda's runtime API fails.
pub async fn serve(app: Router, models: Arc<Models>, mode: ResponseMode) -> Result<()> {
    let app = in_lambda(app, Arc::clone(&models));
    let resource: Arc<dyn SnapStartResource> = Arc::new(Snapshot(models));
    let served = match mode {
        ResponseMode::Buffered => {
            let app = ServiceExt::<lambda_http::Request>::then(app, whole);
            lambda_http::runtime(app).register_snapstart_resource(resource).run().await
        }
        ResponseMode::Streaming => {
            lambda_http::streaming_runtime(app).register_snapstart_resource(resource).run().await
        }
    };
    served.map_err(|error| anyhow!(error))
}

/// A response with its body complete.
async fn whole(response: Result<Response, Infallible>) -> Result<http::Response<Full<Bytes>>, Error> {
    let Ok(response) = response;
    let (head, body) = response.into_parts();
    Ok(http::Response::from_parts(head, Full::new(axum::body::to_bytes(body, usize::MAX).await?)))
}
