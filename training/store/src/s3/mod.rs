//! A store below a prefix of an S3 bucket, on AWS or any server that speaks its protocol.
//!
//! What must not change is written with `If-None-Match: *`, what is replaced with `If-Match` and the
//! ETag that was read. The role that publishes needs s3:GetObject, s3:PutObject,
//! s3:AbortMultipartUpload and s3:ListBucket; without the last, S3 answers "denied" where nothing
//! is. Only checkpoints are ever deleted, by a role that has s3:DeleteObject. A lifecycle rule of the
//! bucket should remove old ones, and end multipart uploads that were left incomplete.

use std::io::Write;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tempfile::NamedTempFile;

use self::error::{broken_download, not_deleted, s3_error};
pub(super) use self::listing::Listed;
#[cfg(test)]
pub(super) use self::upload::PART_BYTES;
use super::MANIFEST;
use super::error::StoreError;
use super::local::at;
use super::objects::{Condition, Content, MAX_SMALL_BYTES, Object, Staging, Tag};
use artifact::hash::{Sha256Hex, Sha256Writer};
use artifact::manifest::FileEntry;

mod download;
mod error;
mod listing;
mod upload;

/// What S3-compatible servers take for granted where no region is configured.
const FALLBACK_REGION: &str = "us-east-1";

/// A person waits for these, and a server that is there answers small requests in milliseconds.
/// Attempts, pauses and the whole stay below ten seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);
const MAX_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
pub(super) struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or ends with `/`.
    prefix: String,
}

impl S3 {
    /// Takes region, credentials and endpoint from the environment.
    pub(super) async fn connect(bucket: String, prefix: String) -> Self {
        let region = RegionProviderChain::default_provider().or_else(FALLBACK_REGION);
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http).region(region).load().await;
        // The endpoint of S3 alone does not show in the general configuration.
        let has_endpoint =
            config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        Self::new(&config, has_endpoint, bucket, prefix)
    }

    /// With an endpoint of its own the bucket is addressed in the path: few such servers have a host
    /// name for every bucket.
    pub(super) fn new(config: &SdkConfig, has_endpoint: bool, bucket: String, prefix: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries =
            RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(FIRST_PAUSE);
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(has_endpoint)
            .timeout_config(timeouts)
            .retry_config(retries)
            .build();
        let prefix = if prefix.is_empty() { prefix } else { prefix + "/" };
        Self { client: Client::from_conf(config), bucket, prefix }
    }

    pub(super) fn location(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let Some(mut answer) = self.get(key).await? else { return Ok(None) };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| broken_download(self.location(key), &error))?);
            if bytes.len() as u64 > MAX_SMALL_BYTES {
                return Err(StoreError::TooLong { location: self.location(key), limit: MAX_SMALL_BYTES });
            }
        }
        Ok(Some(Object { bytes, tag: Tag(answer.e_tag.unwrap_or_default()) }))
    }

    pub(super) async fn fetch(
        &self,
        key: &str,
        file: &mut NamedTempFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        let Some(answer) = self.get(key).await? else { return Ok(None) };
        self.receive(key, answer, file).await.map(Some)
    }

    /// Copies an object into a new file, if it still is as it was listed.
    pub(super) async fn fetch_unchanged(
        &self,
        listed: &Listed,
        file: &mut NamedTempFile,
    ) -> Result<bool, StoreError> {
        let Some(answer) = self.get(&listed.key).await? else { return Ok(false) };
        if listed.e_tag.is_some() && answer.e_tag != listed.e_tag {
            return Ok(false);
        }
        Ok(self.receive(&listed.key, answer, file).await?.1 == listed.bytes)
    }

    async fn receive(
        &self,
        key: &str,
        mut answer: GetObjectOutput,
        file: &mut NamedTempFile,
    ) -> Result<(Sha256Hex, u64), StoreError> {
        let path = file.path().to_owned();
        let mut writer = Sha256Writer::new(file);
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| broken_download(self.location(key), &error))?;
            writer.write_all(&chunk).map_err(at(&path))?;
        }
        Ok(writer.finish())
    }

    async fn get(&self, key: &str) -> Result<Option<GetObjectOutput>, StoreError> {
        match self.client.get_object().bucket(&self.bucket).key(self.full_key(key)).send().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(s3_error(self.location(key), &error)),
        }
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.full_key(key));
        request.send().await.map(drop).map_err(|error| not_deleted(self.location(key), &error))
    }

    /// Files wait in the system's folder for temporary files (`TMPDIR`) until they are uploaded.
    pub(super) async fn stage(&self, parent: &str) -> Result<Staging, StoreError> {
        self.check_writable(&format!("{parent}/{MANIFEST}")).await?;
        let place = std::env::temp_dir();
        let folder = tempfile::tempdir_in(&place).map_err(at(&place))?;
        Ok(Staging { folder, _lock: None })
    }

    pub(super) async fn commit(
        &self,
        staging: &Staging,
        target: &str,
        files: &[FileEntry],
        manifest: &[u8],
    ) -> Result<bool, StoreError> {
        for file in files {
            let key = format!("{target}/{}", file.path);
            let path = staging.folder.path().join(&file.path);
            if !self.upload_once(&key, &path, &file.sha256).await? {
                return Ok(false);
            }
        }
        let key = format!("{target}/{MANIFEST}");
        self.write(&key, Content::Bytes(manifest), Condition::IfAbsent, None).await
    }
}
