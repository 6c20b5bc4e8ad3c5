//! An S3 server on loopback for tests, with its objects in a temporary folder.
//!
//! It is a real server that fails on purpose: it knows credentials that have expired or may delete
//! nothing, and it can lose its answers, give none, or give them slowly.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// The bucket that exists.
pub const BUCKET: &str = "models";
/// The key that may do everything.
pub const ACCESS_KEY: &str = "valid";
/// A key whose time is over.
pub const EXPIRED_KEY: &str = "expired";
/// A key that may do everything but delete.
pub const KEEPING_KEY: &str = "keeping";
/// The secret of every key.
pub const SECRET: &str = "secret";

/// Length of what is sent at a time, where that is limited.
const PIECE: usize = 64 << 10;

/// An S3 server on loopback.
pub struct S3Server {
    /// Its address, `http://127.0.0.1:…`.
    pub endpoint: String,
    root: TempDir,
    traffic: Arc<Traffic>,
    /// Where it runs, unless that is the caller's runtime.
    _runtime: Option<Runtime>,
}

struct Traffic {
    /// Counts requests down to the one whose answer is lost, as when the client's machine vanishes.
    remaining: AtomicUsize,
    lost: watch::Sender<bool>,
    /// Whether all requests are refused.
    unavailable: AtomicBool,
    /// How many completions of uploads in parts are answered with an error, though they take effect.
    failing_completions: AtomicUsize,
    /// Changes when all answers that are being sent are cut off.
    cut: watch::Sender<()>,
    /// Bytes in a second, of all answers together; 0 for as many as there can be.
    bytes_per_second: AtomicU64,
    /// Bytes of bodies that have been sent.
    sent: AtomicU64,
    /// When the next byte may be sent.
    next_byte: Mutex<Instant>,
    /// Requests so far.
    requests: AtomicUsize,
    /// Objects by path, if they are read from memory.
    memory: OnceLock<HashMap<String, Bytes>>,
}

impl Traffic {
    /// A body that is sent no faster than is allowed, piece by piece, until answers are cut off.
    fn paced(self: &Arc<Self>, body: Body) -> Body {
        let traffic = Arc::clone(self);
        let cut = self.cut.subscribe();
        Body::from_stream(body.into_data_stream().flat_map(pieces).then(move |piece| {
            let (traffic, mut cut) = (Arc::clone(&traffic), cut.clone());
            async move {
                let piece = piece?;
                tokio::select! {
                    () = traffic.pace(piece.len()) => Ok(piece),
                    _ = cut.changed() => Err(axum::Error::new("the connection is gone")),
                }
            }
        }))
    }

    /// Waits until `bytes` may be sent.
    async fn pace(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::SeqCst);
        let rate = self.bytes_per_second.load(Ordering::SeqCst);
        if rate > 0 {
            let mut next = self.next_byte.lock().await;
            *next = (*next).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate as f64);
            let time = *next;
            drop(next);
            tokio::time::sleep_until(time).await;
        }
    }
}

/// A chunk in pieces of at most 64 KiB.
fn pieces(chunk: Result<Bytes, axum::Error>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let pieces = |chunk: Bytes| {
        (0..chunk.len()).step_by(PIECE).map(|at| Ok(chunk.slice(at..chunk.len().min(at + PIECE)))).collect()
    };
    futures_util::stream::iter(chunk.map_or_else(|error| vec![Err(error)], pieces))
}

struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key {
            ACCESS_KEY | KEEPING_KEY => Ok(SecretKey::from(SECRET)),
            EXPIRED_KEY => Err(s3_error!(ExpiredToken, "The provided token has expired.")),
            _ => Err(s3_error!(InvalidAccessKeyId, "The key does not exist in our records.")),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Keys {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let deletes = context.s3_op().name().starts_with("DeleteObject");
        match context.credentials() {
            Some(credentials) if !(deletes && credentials.access_key == KEEPING_KEY) => Ok(()),
            _ => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }
}

impl S3Server {
    /// Starts a server in the caller's runtime.
    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(Keys);
        builder.set_access(Keys);
        let service = builder.build();

        let traffic = Arc::new(Traffic {
            remaining: AtomicUsize::new(usize::MAX),
            lost: watch::Sender::new(false),
            unavailable: AtomicBool::new(false),
            failing_completions: AtomicUsize::new(0),
            cut: watch::Sender::new(()),
            sent: AtomicU64::new(0),
            bytes_per_second: AtomicU64::new(0),
            next_byte: Mutex::new(Instant::now()),
            requests: AtomicUsize::new(0),
            memory: OnceLock::new(),
        });
        // S3 checks a condition and writes in one step. This server does it in two, so requests take
        // turns: that makes it as strict as S3, and its races those of its clients alone.
        let turn = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&traffic);
        let answer = async move |request: Request| -> Response {
            shared.requests.fetch_add(1, Ordering::SeqCst);
            if shared.unavailable.load(Ordering::SeqCst) {
                let error =
                    "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
                return (StatusCode::SERVICE_UNAVAILABLE, error).into_response();
            }
            let object = shared.memory.get().and_then(|objects| objects.get(request.uri().path()));
            if let (Some(object), &Method::GET) = (object, request.method()) {
                return part(object, request.headers()).map(|body| shared.paced(body)).into_response();
            }
            let query = request.uri().query().unwrap_or_default();
            let completes = request.method() == Method::POST && query.contains("uploadId=");
            let (turn, service) = (Arc::clone(&turn), service.clone());
            // A task of its own: a client that vanishes does not stop S3 in the middle of a write.
            let call = tokio::spawn(async move {
                let _turn = turn.lock().await;
                service.call(request.map(s3s::Body::http_body_unsync)).await
            });
            let answer = call.await.unwrap();
            let failing = &shared.failing_completions;
            let one_less = |failures: usize| failures.checked_sub(1);
            if completes && failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                let error = "<Error><Code>InternalError</Code><Message>Try again.</Message></Error>";
                return (StatusCode::INTERNAL_SERVER_ERROR, error).into_response();
            }
            let next = |remaining: usize| Some(remaining.saturating_sub(1));
            let before = shared.remaining.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
            if before.is_ok_and(|remaining| remaining <= 1) {
                shared.lost.send_replace(true);
                std::future::pending::<()>().await;
            }
            answer.map(|answer| answer.map(|body| shared.paced(Body::new(body)))).unwrap().into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { endpoint, root, traffic, _runtime: None }
    }

    /// Starts a server on a thread of its own, for tests that wait for processes.
    pub fn start_beside() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Self::start());
        Self { _runtime: Some(runtime), ..server }
    }

    /// The folder of the objects below a prefix.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(prefix)
    }

    /// What a process finds in its environment that is to use this server with one of the keys, and
    /// nothing that the machine may have besides.
    pub fn environment(&self, access_key: &str) -> Vec<(&'static str, String)> {
        environment(&self.endpoint, access_key)
    }

    /// Every answer after the next `count - 1` is lost, though its request takes effect.
    pub fn lose_answers_from(&self, count: usize) {
        self.traffic.lost.send_replace(false);
        self.traffic.remaining.store(count, Ordering::SeqCst);
    }

    /// Waits for the first answer that is lost.
    pub async fn answer_lost(&self) {
        // It fails without a sender only, and this is one.
        let _ = self.traffic.lost.subscribe().wait_for(|lost| *lost).await;
    }

    /// Refuses all requests, as S3 does when there are too many; or does not any more.
    pub fn refuse(&self, refuse: bool) {
        self.traffic.unavailable.store(refuse, Ordering::SeqCst);
    }

    /// Answers the next completions of uploads in parts with an error, though they take effect.
    pub fn fail_completions(&self, count: usize) {
        self.traffic.failing_completions.store(count, Ordering::SeqCst);
    }

    /// How many are still to be answered so.
    pub fn failing_completions(&self) -> usize {
        self.traffic.failing_completions.load(Ordering::SeqCst)
    }

    /// Sends so many bytes in a second, in all answers together; 0 for as many as it can.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.traffic.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Cuts off all answers that are being sent, as when connections break.
    pub fn cut_answers(&self) {
        self.traffic.cut.send_replace(());
    }

    /// Bytes of answers so far, without heads.
    pub fn sent(&self) -> u64 {
        self.traffic.sent.load(Ordering::SeqCst)
    }

    /// Reads what is there now into memory, and answers requests for it from there: the server hashes a
    /// whole file for every part of it that is asked for, which S3 does not.
    pub fn read_from_memory(&self) {
        let mut objects = HashMap::new();
        let mut folders = vec![self.root.path().join(BUCKET)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let key = path.strip_prefix(self.root.path()).unwrap().to_str().unwrap();
                objects.insert(format!("/{key}"), std::fs::read(&path).unwrap().into());
            }
        }
        self.traffic.memory.set(objects).unwrap();
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.traffic.requests.load(Ordering::SeqCst)
    }

    /// Answers arrive again.
    pub fn lose_no_answers(&self) {
        self.traffic.remaining.store(usize::MAX, Ordering::SeqCst);
    }
}

/// An object, or the part of it that a range asks for.
fn part(object: &Bytes, headers: &HeaderMap) -> Response {
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let etag = (header::ETAG, "\"in-memory\"".to_owned());
    let Some((start, end)) = range else { return ([etag], object.clone()).into_response() };
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    let end = end.min(object.len() - 1);
    let place = format!("bytes {start}-{end}/{}", object.len());
    (StatusCode::PARTIAL_CONTENT, [etag, (header::CONTENT_RANGE, place)], object.slice(start..=end))
        .into_response()
}

/// What a process finds in its environment that is to use the server at `endpoint`, which need not
/// exist.
pub fn environment(endpoint: &str, access_key: &str) -> Vec<(&'static str, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}
