//! Parallel ranged downloads of large objects.
//!
//! One stream from S3 to Lambda carries 55 to 90 MB/s, several carry more. Ranges are written and hashed
//! in order. Of a range that breaks off or is too slow, the rest is requested again: however short the times are in
//! which the process is awake, the download goes on.

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact::hash::{Sha256Hex, Sha256Writer};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectError;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::client::S3;
use super::error::{broken_download, s3_error, silent, too_slow};
use crate::atomic::AtomicFile;
use crate::awake::{self, Clock};
use crate::error::{StoreError, at};

/// Length of a range.
const RANGE_BYTES: u64 = 8 << 20;
/// Ranges in flight at a time: they take 48 MiB of memory.
const PARALLEL: usize = 6;
/// Time limit of a range, awake: a connection slower than 1 MB/s counts as broken.
const RANGE_TIMEOUT: Duration = Duration::from_secs(8);
/// How often a range is requested again.
const RETRIES: usize = 2;
/// The first pause before that.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A part of an object.
struct Part {
    segments: Vec<Bytes>,
    /// Length of the segments together.
    bytes: u64,
    /// Length of the whole object.
    object_bytes: u64,
}

/// Why a range could not be downloaded.
enum Failure {
    /// A new request may succeed.
    Transient(StoreError),
    Permanent(StoreError),
}

impl S3 {
    /// Copies an object of `bytes` bytes into a new file, in ranges, and returns its digest and its
    /// length; `None` if there is none.
    ///
    /// Of a longer object only `bytes` bytes are fetched, of a shorter one nothing; the returned length tells
    /// them apart.
    pub(crate) async fn fetch_ranges(
        &self,
        key: &str,
        bytes: u64,
        file: &mut AtomicFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        let path = file.path().to_owned();
        let mut writer = Sha256Writer::new(file);
        let mut length = bytes;
        let mut parts = stream::iter(ranges(bytes)).map(|range| self.range(key, range)).buffered(PARALLEL);
        while let Some(part) = parts.try_next().await? {
            let Some(part) = part else { return Ok(None) };
            length = part.object_bytes;
            if length < bytes {
                break;
            }
            for segment in part.segments {
                writer.write_all(&segment).map_err(at(&path))?;
            }
        }
        Ok(Some((writer.finish().0, length)))
    }

    /// Downloads a range of an object, with retries; `None` if there is no object.
    async fn range(&self, key: &str, range: Range<u64>) -> Result<Option<Part>, StoreError> {
        let whole = Mutex::new(Part { segments: Vec::new(), bytes: 0, object_bytes: range.end });
        let (range, part) = (&range, &whole);
        let in_time = move |clock: Arc<Clock>| async move {
            let rest = self.rest_of_range(key, range, part, &clock);
            let answer = awake::timeout(RANGE_TIMEOUT, rest).await;
            answer.unwrap_or_else(|| Err(Failure::Transient(too_slow(self.location(key), RANGE_TIMEOUT))))
        };
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES);
        let attempt = || awake::undisturbed(in_time);
        let exists = attempt.retry(pauses).when(|failure| matches!(failure, Failure::Transient(_))).await;
        let exists = exists.map_err(|(Failure::Transient(error) | Failure::Permanent(error))| error)?;
        Ok(exists.then_some(whole.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Requests what `part` lacks of a range, and adds it as it comes; `false` if there is no object.
    async fn rest_of_range(
        &self,
        key: &str,
        range: &Range<u64>,
        part: &Mutex<Part>,
        clock: &Clock,
    ) -> Result<bool, Failure> {
        let frozen = || Failure::Transient(silent(self.location(key)));
        let part = || part.lock().unwrap_or_else(PoisonError::into_inner);
        let start = range.start + part().bytes;
        if start == range.end {
            return Ok(true);
        }
        let request = self.client.get_object().bucket(&self.bucket).key(self.full_key(key));
        let request = request.range(format!("bytes={start}-{}", range.end - 1)).send();
        let mut answer = match clock.receive(request).await.ok_or_else(frozen)? {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return Ok(false);
            }
            // The object ends before the range begins.
            Err(error) if error.code() == Some("InvalidRange") => {
                part().object_bytes = start;
                return Ok(true);
            }
            // The SDK has tried again already where that may help.
            Err(error) => return Err(Failure::Permanent(s3_error(self.location(key), &error))),
        };
        // `bytes 0-8388607/123456789`
        let total = answer.content_range().and_then(|range| range.rsplit('/').next()?.parse().ok());
        part().object_bytes = total.unwrap_or(range.end);
        while let Some(chunk) = clock.receive(answer.body.next()).await.ok_or_else(frozen)? {
            let chunk =
                chunk.map_err(|error| Failure::Transient(broken_download(self.location(key), &error)))?;
            let mut part = part();
            part.bytes += chunk.len() as u64;
            part.segments.push(chunk);
        }
        Ok(true)
    }
}

/// `0..bytes` in ranges of at most [`RANGE_BYTES`], at least one.
fn ranges(bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let count = bytes.div_ceil(RANGE_BYTES).max(1);
    (0..count).map(move |index| index * RANGE_BYTES..bytes.min((index + 1) * RANGE_BYTES).max(1))
}
