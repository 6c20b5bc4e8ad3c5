//! Classification of failed loads: the reason for clients, and whether the same version may load later.

use std::io::{self, ErrorKind};

use anyhow::Error;
use store::StoreError;

/// What errors of ONNX Runtime, of the C++ library and of threads say of a lack that may pass. They have no code of
/// its own for that.
const LACKS: [&str; 9] = [
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "cannot allocate",
    "out of memory",
    "resource temporarily unavailable",
    "failed to spawn thread",
    "pthread_create failed",
    "too many open files",
];

/// Why there is no model, without names of places.
pub fn public_reason(error: &Error) -> &'static str {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NoChannel { .. }) => "its channel names none yet",
        Some(StoreError::NoVersion { .. } | StoreError::NoFile { .. }) => "its files are missing",
        Some(StoreError::S3 { .. }) => "the store does not give it out",
        Some(StoreError::NoSpace { .. }) => "there is no room for its files",
        Some(StoreError::Io { .. } | StoreError::NotPrivate { .. }) => "its files cannot be kept or read",
        Some(StoreError::Unsigned { .. } | StoreError::BadSignature { .. }) => {
            "it is not signed by a key that this server trusts"
        }
        Some(_) => "its files are damaged, or of another version of this program",
        None if may_pass(error) => "there is too little memory, or too few threads, to load it",
        None => "it cannot be loaded",
    }
}

/// Whether the same version may load later: after errors of the network and the disk, for lack of memory or threads,
/// when its files are not all there yet, and when it is not signed yet. Otherwise its files are damaged, or not for this program, and stay so.
pub fn may_pass(error: &Error) -> bool {
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<StoreError>() {
            return of_store(error);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return of_system(error);
        }
        let message = cause.to_string().to_lowercase();
        LACKS.iter().any(|lack| message.contains(lack))
    })
}

fn of_store(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::S3 { .. }
            | StoreError::NoSpace { .. }
            | StoreError::NoVersion { .. }
            | StoreError::NoChannel { .. }
            | StoreError::NotPrivate { .. }
            | StoreError::Unsigned { .. }
            | StoreError::BadSignature { .. }
            | StoreError::Io { .. }
    )
}

/// A file that is not what it should be is also reported as an error of reading it.
fn of_system(error: &io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn what_lacks_now_may_be_there_later() {
        for message in [
            "Load model failed: std::bad_alloc",
            "Failed to allocate memory for requested buffer of size 1234",
            "failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
        ] {
            assert!(may_pass(&anyhow!(message).context("loading the model")), "{message}");
        }
        let full = Err::<(), _>(io::Error::from(ErrorKind::StorageFull)).context("model.onnx").unwrap_err();
        assert!(may_pass(&full));
        let s3 =
            StoreError::S3 { location: "s3://b/k".to_owned(), problem: "down".to_owned(), remedy: "wait" };
        assert!(may_pass(&Error::from(s3).context("loading")));
    }

    #[test]
    fn what_is_damaged_stays_so() {
        let mismatch = StoreError::Mismatch {
            location: "model.onnx".to_owned(),
            property: "sha256",
            expected: "a".to_owned(),
            found: "b".to_owned(),
        };
        assert!(!may_pass(&mismatch.into()));
        assert!(!may_pass(&anyhow!("Protobuf parsing failed").context("loading the model")));
        let invalid = io::Error::new(ErrorKind::InvalidData, "not UTF-8");
        assert!(!may_pass(&Error::from(invalid)));
    }
}
