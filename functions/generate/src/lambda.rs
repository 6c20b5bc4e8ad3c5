//! AWS Lambda: events of API Gateway (REST and HTTP APIs) and of function URLs, buffered or streamed.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use http_body_util::Full;
use lambda_http::{Error, http};
use lambda_runtime::{BoxFuture, SnapStartResource};

use crate::models::Models;
use tower::ServiceExt;

/// How responses travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ResponseMode {
    /// As a whole.
    Buffered,
    /// As they are written: the function URL or the integration must be set to response streaming.
    Streaming,
}

/// Serves until Lambda ends the process.
///
/// # Errors
/// If Lambda's runtime API fails.
pub async fn serve(app: Router, models: Arc<Models>, mode: ResponseMode) -> Result<()> {
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

/// What a snapshot of the process holds (SnapStart), and what copies of it must not share.
///
/// Seeds and request ids come from the system and are not part of it.
pub struct Snapshot(pub Arc<Models>);

impl SnapStartResource for Snapshot {
    /// Waits for the model, which makes the snapshot worth taking. Without one it is taken all the same:
    /// copies try again.
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if let Err(error) = self.0.first_attempt().await {
                tracing::error!(error = format!("{error:#}"), "the snapshot has no model");
            }
            self.0.forget_connections();
            Ok(())
        })
    }

    /// Connections are dead, credentials may be, and the channel may name another version.
    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.0.forget_connections();
            self.0.check();
            Ok(())
        })
    }
}
