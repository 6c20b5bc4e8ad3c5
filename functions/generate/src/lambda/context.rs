//! Layer between Lambda and the router: turns Lambda's context into request extensions, and writes metrics
//! and traces after each response.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::Response;
use http_body_util::BodyExt;
use lambda_http::Context;

use super::metrics;
use crate::domain::Models;
use crate::http::context::{AnswerBy, LoadPatience, RequestId};
use crate::logging;

/// Time to send a response before Lambda ends the function.
const MARGIN: Duration = Duration::from_millis(500);

/// How long `GET /model` waits for a load: Lambda suspends the process between requests, and a load with it.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);

/// Puts the layer around the router that serves `models`.
pub fn in_lambda(app: Router, models: Arc<Models>) -> Router {
    app.layer(middleware::from_fn_with_state(models, adapt))
}

async fn adapt(State(models): State<Arc<Models>>, mut request: Request, next: Next) -> Response {
    let context = request.extensions().get::<Context>();
    let id = context.and_then(|context| HeaderValue::from_str(&context.request_id).ok());
    let left = context.and_then(|context| time_left(context.deadline));
    let extensions = request.extensions_mut();
    extensions.insert(LoadPatience(LOAD_PATIENCE));
    if let Some(id) = id {
        extensions.insert(RequestId(id));
    }
    if let Some(left) = left {
        extensions.insert(AnswerBy(Instant::now() + left));
    }
    next.run(request).await.map(|body| flush_after(body, models))
}

/// Writes metrics and sends traces when the body is complete, before its end is reported: after that Lambda
/// suspends the process.
fn flush_after(body: Body, models: Arc<Models>) -> Body {
    let flushed = async move {
        metrics::flush(models.current().as_deref());
        logging::flush().await;
        None
    };
    Body::new(body.with_trailers(Box::pin(flushed)).fuse())
}

/// Time until `deadline`, in milliseconds since 1970, less the margin. Emulators of Lambda send deadlines in
/// the past, which are ignored.
fn time_left(deadline: u64) -> Option<Duration> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Some(Duration::from_millis(deadline).checked_sub(now)?.saturating_sub(MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_gets_its_margin() {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let left = time_left(now + 3000).unwrap();
        assert!(left <= Duration::from_millis(2500) && left > Duration::from_millis(2400), "{left:?}");
        assert_eq!(time_left(now + 100), Some(Duration::ZERO));
        assert_eq!(time_left(600), None);
    }
}
