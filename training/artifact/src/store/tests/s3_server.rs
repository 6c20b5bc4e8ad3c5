//! An S3 server on loopback, with its objects in a temporary folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::SdkConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};

use crate::store::Store;
use crate::store::objects::Objects;
use crate::store::s3::S3;

pub(super) const BUCKET: &str = "models";
pub(super) const ACCESS_KEY: &str = "valid";
pub(super) const EXPIRED_KEY: &str = "expired";
pub(super) const SECRET: &str = "secret";

pub(super) struct S3Server {
    pub(super) endpoint: String,
    root: TempDir,
    traffic: Arc<Traffic>,
}

/// Counts requests down to the one whose answer is lost, as when the client's machine vanishes.
struct Traffic {
    remaining: AtomicUsize,
    lost: Notify,
}

struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key {
            ACCESS_KEY => Ok(SecretKey::from(SECRET)),
            EXPIRED_KEY => Err(s3_error!(ExpiredToken, "The provided token has expired.")),
            _ => Err(s3_error!(InvalidAccessKeyId, "The key does not exist in our records.")),
        }
    }
}

impl S3Server {
    pub(super) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(Keys);
        let service = builder.build();

        let traffic = Arc::new(Traffic { remaining: AtomicUsize::new(usize::MAX), lost: Notify::new() });
        // S3 checks a condition and writes in one step. This server does it in two, so requests take
        // turns: that makes it as strict as S3, and its races those of its clients alone.
        let turn = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&traffic);
        let answer = async move |request: Request| -> Response {
            let (turn, service) = (Arc::clone(&turn), service.clone());
            // A task of its own: a client that vanishes does not stop S3 in the middle of a write.
            let call = tokio::spawn(async move {
                let _turn = turn.lock().await;
                service.call(request.map(s3s::Body::http_body_unsync)).await
            });
            let answer = call.await.unwrap();
            if shared.remaining.fetch_sub(1, Ordering::SeqCst) <= 1 {
                shared.lost.notify_one();
                std::future::pending::<()>().await;
            }
            answer.map(|answer| answer.map(axum::body::Body::new)).unwrap().into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { endpoint, root, traffic }
    }

    /// The folder of the objects below a prefix.
    pub(super) fn folder(&self, prefix: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(prefix)
    }

    pub(super) fn store(&self, prefix: &str) -> Store {
        store(&self.endpoint, ACCESS_KEY, SECRET, BUCKET, prefix)
    }

    /// Every answer after the next `count - 1` is lost, though its request takes effect.
    pub(super) fn lose_answers_from(&self, count: usize) {
        self.traffic.remaining.store(count, Ordering::SeqCst);
    }

    pub(super) async fn answer_lost(&self) {
        self.traffic.lost.notified().await;
    }

    pub(super) fn lose_no_answers(&self) {
        self.traffic.remaining.store(usize::MAX, Ordering::SeqCst);
    }
}

pub(super) fn store(endpoint: &str, access_key: &str, secret: &str, bucket: &str, prefix: &str) -> Store {
    let credentials = Credentials::new(access_key, secret, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Store { objects: Objects::S3(S3::new(&config, true, bucket.to_owned(), prefix.to_owned())) }
}
