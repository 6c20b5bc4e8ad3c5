//! Lambda's runtime loop, with buffered or streamed responses, one at a time or several on a Managed Instance.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use http_body_util::Full;
use lambda_http::{Error, http};
use lambda_runtime::SnapStartResource;
use store::awake;
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

/// How long the init phase may wait for the model, from the start of the process. Lambda ends that phase after ten
/// seconds. In it the processor is free and nothing is frozen, and what is provisioned is ready when it ends.
const INIT: Duration = Duration::from_secs(9);

/// Serves until Lambda ends the process, which began at `started`. Waits for the model first, as long as the init phase
/// lasts.
///
/// # Errors
/// If Lambda's runtime API fails.
pub async fn serve(app: Router, models: Arc<Models>, mode: ResponseMode, started: Instant) -> Result<()> {
    // If there is none, requests are answered with the reason.
    let _ = awake::timeout(INIT.saturating_sub(started.elapsed()), models.first_attempt()).await;
    let app = in_lambda(app, Arc::clone(&models));
    let resource: Arc<dyn SnapStartResource> = Arc::new(Snapshot(models));
    // As many at once as `AWS_LAMBDA_MAX_CONCURRENCY` says, which Managed Instances have; otherwise one.
    let served = match mode {
        ResponseMode::Buffered => {
            let app = ServiceExt::<lambda_http::Request>::then(app, whole);
            lambda_http::runtime_concurrent(app).register_snapstart_resource(resource).run_concurrent().await
        }
        ResponseMode::Streaming => {
            let runtime = lambda_http::streaming_runtime_concurrent(app);
            runtime.register_snapstart_resource(resource).run_concurrent().await
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
