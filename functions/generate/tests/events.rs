//! Lambda events of REST APIs, HTTP APIs and function URLs through the router, SnapStart hooks, and requests
//! while there is no model.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use generate::domain::{Models, Resources, Source};
use generate::http::{Settings, app};
use generate::lambda::context::in_lambda;
use generate::lambda::snapshot::Snapshot;
use lambda_http::{Context, RequestExt};
use lambda_runtime::SnapStartResource;
use serde_json::{Value, json};
use tower::ServiceExt;

fn models(store: &std::path::Path) -> Arc<Models> {
    let source = Source {
        store: store.to_string_lossy().into_owned(),
        channel: "live".to_owned(),
        challenger: None,
        is_challenger: false,
        pinned: None,
        trusted_keys: None,
        precision: None,
        cache: store.join("cache"),
        check_interval: Duration::from_secs(3600),
        resources: Resources::of_machine(),
    };
    Models::new(source, Instant::now())
}

/// An event of a REST API (payload version 1).
fn rest(method: &str, path: &str, body: &str) -> String {
    json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": method,
        "headers": {"content-type": "application/json", "Host": "api.example.org", "X-Forwarded-Proto": "https"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": {"proxy": path.trim_start_matches('/')}, "stageVariables": null,
        "requestContext": {
            "accountId": "1", "resourceId": "r", "stage": "prod", "requestId": "q", "resourcePath": "/{proxy+}",
            "httpMethod": method, "apiId": "a", "path": format!("/prod{path}"), "protocol": "HTTP/1.1",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"}
        },
        "body": body, "isBase64Encoded": false
    })
    .to_string()
}

/// An event of an HTTP API or a function URL (payload version 2).
fn http(method: &str, path: &str, body: &str) -> String {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.org", "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "api.example.org", "domainPrefix": "api",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
            "requestId": "q", "routeKey": "$default", "stage": "$default", "time": "24/Nov/2026:00:00:00 +0000", "timeEpoch": 0
        },
        "body": body, "isBase64Encoded": false
    })
    .to_string()
}

async fn answer(event: &str) -> (u16, Response) {
    answer_with(event, Settings::default()).await
}

async fn answer_with(event: &str, settings: Settings) -> (u16, Response) {
    let folder = tempfile::tempdir().unwrap();
    let mut context = Context::default();
    context.request_id = "of-lambda".to_owned();
    let request = lambda_http::request::from_str(event).unwrap().with_lambda_context(context);
    let models = models(folder.path());
    let router = in_lambda(app(Arc::clone(&models), settings, None), models);
    let response = router.oneshot(request).await.unwrap();
    (response.status().as_u16(), response)
}

async fn json_body(response: Response) -> Value {
    let bytes = axum::body::to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn events_of_every_kind_reach_the_same_router() {
    for event in [rest, http] {
        let (status, response) = answer(&event("GET", "/health", "")).await;
        assert_eq!(status, 200);
        assert_eq!(response.headers()["x-request-id"], "of-lambda");
        assert_eq!(json_body(response).await, json!({"status": "ok"}));

        let (status, response) = answer(&event("POST", "/generate", r#"{"prompt": 5}"#)).await;
        assert_eq!(status, 422);
        assert_eq!(json_body(response).await["error"]["field"], "prompt");

        let (status, response) = answer(&event("POST", "/generate", r#"{"prompt": "The"}"#)).await;
        assert_eq!((status, response.headers()["retry-after"].to_str().unwrap()), (503, "30"));
        assert_eq!(json_body(response).await["error"]["code"], "no_model");

        // Lambda suspends the process between requests, so this one waits for the load.
        let (status, response) = answer(&event("GET", "/model", "")).await;
        assert_eq!((status, &json_body(response).await["status"]), (200, &json!("unavailable")));

        assert_eq!(answer(&event("PUT", "/generate", "{}")).await.0, 405);
        assert_eq!(answer(&event("GET", "/nothing", "")).await.0, 404);
        assert_eq!(answer(&event("GET", "/openapi.json", "")).await.0, 200);
        let (status, response) = answer(&event("GET", "/docs", "")).await;
        assert_eq!((status, response.headers()["location"].to_str().unwrap()), (303, "docs/"));
    }
}

/// A named stage of an HTTP API is in the path of its events, and so is the base path of a domain of one's own.
#[tokio::test]
async fn stages_and_base_paths_are_no_part_of_a_route() {
    let staged = |path: &str| http("GET", path, "").replace(r#""stage":"$default""#, r#""stage":"prod""#);
    for path in ["/prod/health", "/health", "/prod//health/"] {
        assert_eq!(answer(&staged(path)).await.0, 200, "{path}");
    }
    assert_eq!(answer(&staged("/production/health")).await.0, 404);
    assert_eq!(answer(&http("GET", "/prod/health", "")).await.0, 404);
    for event in [rest, http] {
        let settings = Settings { base_path: "/llm".to_owned(), ..Settings::default() };
        assert_eq!(answer_with(&event("GET", "/llm/health", ""), settings.clone()).await.0, 200);
        assert_eq!(answer_with(&event("GET", "/health", ""), settings).await.0, 200);
    }
}

/// An HTTP API and a function URL pass on what is compressed; a REST API would send it as Base64.
#[tokio::test]
async fn only_gateways_that_pass_it_on_get_compressed_answers() {
    for (event, expected) in
        [(rest("GET", "/openapi.json", ""), None), (http("GET", "/openapi.json", ""), Some("gzip"))]
    {
        let event = event.replacen(r#""content-type":"#, r#""accept-encoding":"gzip","content-type":"#, 1);
        let event =
            event.replacen(r#""content-type":["#, r#""accept-encoding":["gzip"],"content-type":["#, 1);
        let (status, response) = answer(&event).await;
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!((status, encoding), (200, expected));
    }
}

/// Without a model: alive, but not ready.
#[tokio::test]
async fn a_server_without_a_model_is_not_ready() {
    let (status, response) = answer(&http("GET", "/ready", "")).await;
    assert_eq!(status, 503);
    let code = json_body(response).await["error"]["code"].clone();
    assert!(code == "model_loading" || code == "no_model", "{code}");
    let (status, response) = answer(&http("POST", "/v1/completions", r#"{"temperature": -1}"#)).await;
    assert_eq!((status, &json_body(response).await["error"]["param"]), (400, &json!("temperature")));
    assert_eq!(answer(&http("GET", "/metrics", "")).await.0, 404, "they go to CloudWatch");
}

/// A page asks how far the start is, and does not wait for it.
#[tokio::test]
async fn the_state_of_the_start_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let router = app(Arc::clone(&models), Settings::default(), None);
    let ask = async || {
        let request = Request::get("/model").body(Body::empty()).unwrap();
        json_body(router.clone().oneshot(request).await.unwrap()).await
    };
    let answer = ask().await;
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("loading"), &Value::Null), "{answer}");
    assert_eq!(answer["loading"]["step"], "channel");
    assert!(models.first_attempt().await.is_err());
    let answer = ask().await;
    assert_eq!((&answer["status"], &answer["loading"]), (&json!("unavailable"), &Value::Null));
    assert_eq!(answer["reason"], "its channel names none yet");
    assert_eq!((&answer["manifest"], &answer["curve"]), (&Value::Null, &json!([])));
}

/// The snapshot waits for the model, or for its failure; a copy that is restored looks for itself.
#[tokio::test]
async fn a_restored_copy_looks_for_the_model_anew() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let snapshot = Snapshot(Arc::clone(&models));
    snapshot.before_snapshot().await.unwrap();
    let failure = models.failure().unwrap();
    snapshot.after_restore().await.unwrap();
    // Before it takes a request.
    assert!(!Arc::ptr_eq(&failure, &models.failure().unwrap()), "the copy did not look");
}

/// Whatever is asked first: after the answer Lambda freezes the process, and the load with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_lasts_until_the_load_ends() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = channel_in_a_pipe(folder.path());
    let models = models(folder.path());
    let router = in_lambda(app(Arc::clone(&models), Settings::default(), None), Arc::clone(&models));
    models.check();
    let request = Request::get("/nothing").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 404);
    let mut end = std::pin::pin!(axum::body::to_bytes(response.into_body(), usize::MAX));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut end).await;
    assert!(early.is_err(), "the invocation has ended before the load");
    std::fs::write(&pipe, "{}").unwrap();
    end.await.unwrap();
    assert!(models.failure().is_some());
}

/// Reading the channel of the store in `folder` takes until something is written to the pipe.
fn channel_in_a_pipe(folder: &std::path::Path) -> std::path::PathBuf {
    let channels = folder.join("channels");
    std::fs::create_dir(&channels).unwrap();
    let pipe = channels.join("live.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

/// Within the interval the channel is not read again, however many ask.
#[tokio::test]
async fn nobody_looks_again_within_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let failure = models.first_attempt().await.err().unwrap();
    models.check();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(Arc::ptr_eq(&failure, &models.failure().unwrap()));
}

/// Requests that wait for the model have places in the queue: no more of them than the queue has, and the
/// next one is refused at once.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_the_model_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = channel_in_a_pipe(folder.path());
    let settings = Settings { max_concurrent: 1, max_waiting: 1, ..Settings::default() };
    let router = app(models(folder.path()), settings, None);
    let ask = || {
        let request = Request::post("/generate").header("content-type", "application/json");
        router.clone().oneshot(request.body(Body::from(r#"{"prompt": "The"}"#)).unwrap())
    };
    let waiting = [tokio::spawn(ask()), tokio::spawn(ask())];
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = ask().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(json_body(refused).await["error"]["code"], "overloaded");

    std::fs::write(&pipe, "{}").unwrap();
    for waiting in waiting {
        let answer = waiting.await.unwrap().unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(json_body(answer).await["error"]["code"], "no_model");
    }
}
