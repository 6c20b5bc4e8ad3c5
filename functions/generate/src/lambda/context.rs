//! Layer between Lambda and the router: turns Lambda's context into request extensions, holds an invocation while a
//! model is loaded, and writes metrics and traces after each response.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use http_body_util::BodyExt;
use lambda_http::Context;
use lambda_http::request::RequestContext;

use super::environment;
use crate::cloudwatch;
use crate::domain::Models;
use crate::http::context::{AnswerBy, LoadPatience, RequestId};
use crate::http::paths::without_prefix;
use crate::logging;

/// Time to send a response before Lambda ends the function.
const MARGIN: Duration = Duration::from_millis(500);

/// How long an invocation lasts at least while a model is loaded, whatever it asks for: Lambda freezes the process
/// between invocations, and a load with it, so that with short ones a new model would hardly ever arrive.
const HOLD: Duration = Duration::from_secs(3);

/// Puts the layer around the router that serves `models`.
pub fn in_lambda(app: Router, models: Arc<Models>) -> Router {
    let hold = if environment::is_managed_instance() { Duration::ZERO } else { HOLD };
    app.layer(middleware::from_fn_with_state(Invocations { models, hold }, adapt))
}

#[derive(Clone)]
struct Invocations {
    models: Arc<Models>,
    /// How long each lasts at least while a model is loaded.
    hold: Duration,
}

async fn adapt(State(invocations): State<Invocations>, mut request: Request, next: Next) -> Response {
    adapt_to_gateway(&mut request);
    let start = Instant::now();
    let context = request.extensions().get::<Context>();
    let id = context.and_then(|context| HeaderValue::from_str(&context.request_id).ok());
    let left = context.and_then(|context| time_left(context.deadline));
    let hold = left.map_or(invocations.hold, |left| left.min(invocations.hold));
    let extensions = request.extensions_mut();
    extensions.insert(LoadPatience(hold));
    if let Some(id) = id {
        extensions.insert(RequestId(id));
    }
    if let Some(left) = left {
        extensions.insert(AnswerBy(start + left));
    }
    let ended = after(invocations.models, start + hold);
    next.run(request).await.map(|body| Body::new(body.with_trailers(Box::pin(ended)).fuse()))
}

/// Makes the differences between gateways invisible.
fn adapt_to_gateway(request: &mut Request) {
    match request.extensions().get::<RequestContext>() {
        // A REST API compresses by itself, and may send what is compressed here as Base64.
        Some(RequestContext::ApiGatewayV1(_)) => {
            request.headers_mut().remove(header::ACCEPT_ENCODING);
        }
        // An HTTP API leaves the name of its stage in the path, unless that is the default.
        Some(RequestContext::ApiGatewayV2(context)) => {
            let stage = context.stage.as_deref().filter(|&stage| stage != "$default");
            let prefix = stage.map(|stage| format!("/{stage}"));
            without_prefix(request.uri_mut(), &prefix.unwrap_or_default());
        }
        _ => {}
    }
}

/// What comes after the body and before its end is reported, since Lambda suspends the process then: waits for a load
/// that is under way, at most until `hold_until`, writes metrics and sends traces.
async fn after(
    models: Arc<Models>,
    hold_until: Instant,
) -> Option<Result<axum::http::HeaderMap, axum::Error>> {
    models.settle(hold_until.saturating_duration_since(Instant::now())).await;
    cloudwatch::flush(models.current().as_deref());
    logging::flush().await;
    None
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
