//! Uploads: in one request, or in parts (multipart upload) for large files.
//!
//! Every request carries a CRC-32 of what it sends, which the server checks.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use artifact::hash::Sha256Hex;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use tokio::task::JoinSet;

use super::client::S3;
use super::error::{s3_error, unless_refused};
use crate::error::{StoreError, at};
use crate::object::{Condition, Content};

/// Files above this are uploaded in parts of this size.
pub(crate) const PART_BYTES: u64 = 16 << 20;

/// The limit of S3; parts of larger files are larger.
const MAX_PARTS: u64 = 10_000;

/// Parts in flight at a time. They are read from the file as they are sent, not into memory.
const PARALLEL_PARTS: usize = 4;

/// Time for a part at 140 kB/s, and for S3 to put the parts together.
const TRANSFER_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(300);

/// Metadata field that holds the digest of a file.
const SHA256_METADATA: &str = "sha256";
/// Metadata field that no two uploads in parts have in common.
const NONCE_METADATA: &str = "upload";

/// A multipart upload that has begun.
struct Multipart<'a> {
    key: &'a str,
    upload_id: String,
    nonce: String,
    path: &'a Path,
    length: u64,
}

impl S3 {
    pub(crate) async fn write(
        &self,
        key: &str,
        content: Content<'_>,
        condition: Condition<'_>,
        sha256: Option<&Sha256Hex>,
    ) -> Result<bool, StoreError> {
        let body = match content {
            Content::Bytes(bytes) => ByteStream::from(bytes.to_vec()),
            Content::File(path) => {
                let length = std::fs::metadata(path).map_err(at(path))?.len();
                if length > PART_BYTES {
                    return self.write_in_parts(key, path, length, condition, sha256).await;
                }
                read_range(path, 0, length).await?
            }
        };
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(body);
        let request = match sha256 {
            Some(sha256) => request.metadata(SHA256_METADATA, sha256.as_str()),
            None => request,
        };
        let request = match condition {
            Condition::Always => request,
            Condition::IfAbsent => request.if_none_match("*"),
            Condition::IfUnchanged(tag) => request.if_match(&tag.0),
        };
        let request = match content {
            Content::Bytes(_) => request.customize(),
            Content::File(_) => request.customize().config_override(patient()),
        };
        unless_refused(request.send().await, || self.location(key))
    }

    /// Uploads a file unless the same contents are there already, as after an interrupted publication;
    /// `false` if there are other contents.
    pub(super) async fn upload_once(
        &self,
        key: &str,
        path: &Path,
        sha256: &Sha256Hex,
    ) -> Result<bool, StoreError> {
        if let Some(found) = self.stored_digest(key).await? {
            return Ok(found == sha256.as_str());
        }
        if self.write(key, Content::File(path), Condition::IfAbsent, Some(sha256)).await? {
            return Ok(true);
        }
        Ok(self.stored_digest(key).await?.is_some_and(|found| found == sha256.as_str()))
    }

    /// The digest that was stored with a file, empty if there was none; `None` without a file.
    async fn stored_digest(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.metadata(key, SHA256_METADATA).await
    }

    /// A field of an object's metadata, empty if it has none; `None` without an object.
    async fn metadata(&self, key: &str, field: &str) -> Result<Option<String>, StoreError> {
        match self.client.head_object().bucket(&self.bucket).key(self.full_key(key)).send().await {
            Ok(answer) => {
                let value = answer.metadata().and_then(|metadata| metadata.get(field));
                Ok(Some(value.cloned().unwrap_or_default()))
            }
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
            Err(error) => Err(s3_error(self.location(key), &error)),
        }
    }

    /// Begins an upload and aborts it: that needs the same permissions as a write and leaves nothing
    /// behind.
    pub(super) async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        let upload_id = self.begin(key, None, &nonce(key)).await?;
        self.abort(key, &upload_id).await
    }

    async fn write_in_parts(
        &self,
        key: &str,
        path: &Path,
        length: u64,
        condition: Condition<'_>,
        sha256: Option<&Sha256Hex>,
    ) -> Result<bool, StoreError> {
        let nonce = nonce(key);
        let upload_id = self.begin(key, sha256, &nonce).await?;
        let upload = Multipart { key, upload_id, nonce, path, length };
        let written = match self.upload_parts(&upload).await {
            Ok(parts) => match self.complete(&upload, parts, condition).await {
                Ok(true) => Ok(true),
                // The request may have taken effect and its answer been lost: then a second one finds no such
                // upload, or an object where there must be none.
                other => match self.metadata(key, NONCE_METADATA).await {
                    Ok(Some(found)) if found == upload.nonce => Ok(true),
                    _ => other,
                },
            },
            Err(error) => Err(error),
        };
        if !matches!(written, Ok(true)) {
            // The first error is the one to report; the bucket's lifecycle rule ends what stays.
            let _ = self.abort(key, &upload.upload_id).await;
        }
        written
    }

    async fn begin(&self, key: &str, sha256: Option<&Sha256Hex>, nonce: &str) -> Result<String, StoreError> {
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .metadata(NONCE_METADATA, nonce)
            .checksum_algorithm(ChecksumAlgorithm::Crc32);
        let request = match sha256 {
            Some(sha256) => request.metadata(SHA256_METADATA, sha256.as_str()),
            None => request,
        };
        let begun = request.send().await.map_err(|error| s3_error(self.location(key), &error))?;
        Ok(begun.upload_id.unwrap_or_default())
    }

    async fn upload_parts(&self, upload: &Multipart<'_>) -> Result<Vec<CompletedPart>, StoreError> {
        let part_bytes = PART_BYTES.max(upload.length.div_ceil(MAX_PARTS));
        let mut offsets = (0..upload.length).step_by(part_bytes as usize).zip(1..);
        let mut running = JoinSet::new();
        let mut done = Vec::new();
        loop {
            while running.len() < PARALLEL_PARTS
                && let Some((offset, number)) = offsets.next()
            {
                let length = part_bytes.min(upload.length - offset);
                let body = read_range(upload.path, offset, length).await?;
                let request = self
                    .client
                    .upload_part()
                    .bucket(&self.bucket)
                    .key(self.full_key(upload.key))
                    .upload_id(&upload.upload_id)
                    .part_number(number)
                    .checksum_algorithm(ChecksumAlgorithm::Crc32)
                    .body(body)
                    .customize()
                    .config_override(patient());
                running.spawn(async move { (number, request.send().await) });
            }
            let Some(finished) = running.join_next().await else { break };
            let (number, answer) = finished.map_err(|error| at(upload.path)(error.into()))?;
            let part = answer.map_err(|error| s3_error(self.location(upload.key), &error))?;
            done.push(completed(number, part));
        }
        done.sort_by_key(CompletedPart::part_number);
        Ok(done)
    }

    async fn complete(
        &self,
        upload: &Multipart<'_>,
        parts: Vec<CompletedPart>,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(upload.key))
            .upload_id(&upload.upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let request = match condition {
            Condition::Always => request,
            Condition::IfAbsent => request.if_none_match("*"),
            Condition::IfUnchanged(tag) => request.if_match(&tag.0),
        };
        let answer = request.customize().config_override(patient()).send().await;
        unless_refused(answer, || self.location(upload.key))
    }

    async fn abort(&self, key: &str, upload_id: &str) -> Result<(), StoreError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full_key(key));
        let answer = request.upload_id(upload_id).send().await;
        answer.map(drop).map_err(|error| s3_error(self.location(key), &error))
    }
}

/// A text that no other upload has.
fn nonce(key: &str) -> String {
    static UPLOADS: AtomicU64 = AtomicU64::new(0);
    let upload = (SystemTime::now(), std::process::id(), UPLOADS.fetch_add(1, Ordering::Relaxed), key);
    Sha256Hex::of_bytes(format!("{upload:?}").as_bytes()).into()
}

/// A part in the request that completes an upload, which S3 refuses without the part's checksum.
fn completed(number: i32, part: UploadPartOutput) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .set_checksum_crc32(part.checksum_crc32)
        .build()
}

/// A range of a file, read while it is sent and again if it must be sent again.
async fn read_range(path: &Path, offset: u64, length: u64) -> Result<ByteStream, StoreError> {
    let body = ByteStream::read_from().path(path).offset(offset).length(Length::Exact(length)).build();
    body.await.map_err(|error| at(path)(std::io::Error::other(error)))
}

/// Time limits for requests with large bodies.
fn patient() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(TRANSFER_ATTEMPT_TIMEOUT)
        .operation_timeout(TRANSFER_TIMEOUT)
        .build();
    aws_sdk_s3::Config::builder().timeout_config(timeouts)
}
