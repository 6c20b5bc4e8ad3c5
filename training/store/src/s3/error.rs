//! Error messages for S3: the SDK's errors in plain words, with a remedy.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStreamError;

use crate::error::StoreError;

/// `false` if the server refused a write because its condition did not hold: 412, or 409 while
/// another writer is active, or 404 when the object to replace is gone.
pub(super) fn unless_refused<T, E: ProvideErrorMetadata + Error + 'static>(
    answer: Result<T, SdkError<E>>,
    location: impl FnOnce() -> String,
) -> Result<bool, StoreError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) => match error.code() {
            Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey") => Ok(false),
            _ => Err(s3_error(location(), &error)),
        },
    }
}

/// The error of a download that was cut off, or whose checksum is wrong.
pub(super) fn broken_download(location: String, error: &ByteStreamError) -> StoreError {
    StoreError::S3 {
        location,
        problem: format!("the download failed ({})", innermost(error)),
        remedy: "try again",
    }
}

/// The error of a download that would take too long.
pub(super) fn too_slow(location: String, limit: Duration) -> StoreError {
    StoreError::S3 {
        location,
        problem: format!("the download is too slow: a part of it took more than {} s", limit.as_secs()),
        remedy: "check the network",
    }
}

/// The error of a connection that brought nothing after the process had been stopped.
pub(super) fn silent(location: String) -> StoreError {
    StoreError::S3 {
        location,
        problem: "the connection broke while the process was stopped".to_owned(),
        remedy: "try again",
    }
}

/// The error of a request.
pub(super) fn s3_error<E: ProvideErrorMetadata + Error + 'static>(
    location: String,
    error: &SdkError<E>,
) -> StoreError {
    let (problem, remedy) = match error {
        SdkError::ServiceError(_) => explain_code(error.code(), status(error)),
        SdkError::TimeoutError(_) => UNREACHABLE,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => UNREACHABLE,
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            ("the request could not be made", CREDENTIALS)
        }
        _ => NO_S3,
    };
    let details = match (error.code(), error.message(), status(error)) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        (None, _, Some(status)) => format!("HTTP status {status}"),
        (None, _, None) => innermost(error),
    };
    StoreError::S3 { location, problem: format!("{problem} ({details})"), remedy }
}

/// The error of a deletion, which needs a permission that nothing else does.
pub(super) fn not_deleted<E: ProvideErrorMetadata + Error + 'static>(
    location: String,
    error: &SdkError<E>,
) -> StoreError {
    match s3_error(location, error) {
        StoreError::S3 { location, problem, .. } if error.code() == Some("AccessDenied") => StoreError::S3 {
            location,
            problem,
            remedy: "allow s3:DeleteObject there, or leave it to a lifecycle rule of the bucket",
        },
        other => other,
    }
}

const UNREACHABLE: (&str, &str) =
    ("the server cannot be reached", "check the network, AWS_REGION and AWS_ENDPOINT_URL");

const NO_S3: (&str, &str) = ("the answer is not one of S3", "check AWS_ENDPOINT_URL");

const CREDENTIALS: &str = "sign in (aws login, aws sso login), or check AWS_PROFILE, or AWS_ACCESS_KEY_ID, \
                           AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN";

/// Codes: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn explain_code(code: Option<&str>, status: Option<u16>) -> (&'static str, &'static str) {
    match (code, status) {
        (Some("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired"), _) => {
            ("the credentials have expired", "sign in again, or renew AWS_SESSION_TOKEN and its keys")
        }
        (Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken"), _) => {
            ("the credentials are wrong", CREDENTIALS)
        }
        (Some("RequestTimeTooSkewed"), _) => ("the clocks disagree", "set the clock of this machine"),
        (Some("NoSuchBucket"), _) => {
            ("there is no such bucket", "make it, or check its name and AWS_ENDPOINT_URL")
        }
        (Some("PermanentRedirect" | "AuthorizationHeaderMalformed"), _) | (None, Some(301)) => {
            ("the bucket is in another region", "set AWS_REGION to it")
        }
        (Some("AccessDenied"), _) | (None, Some(403)) => (
            "access is denied",
            "allow s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket there",
        ),
        // The SDK makes this code from the status when the answer has none.
        (Some("NotFound"), _) => NO_S3,
        _ => ("the server reports an error", "try again later"),
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The innermost cause, which is the most specific.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
