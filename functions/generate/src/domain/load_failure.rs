//! Classification of failed loads: the reason for clients, and whether to try the version again.

use anyhow::Error;
use store::StoreError;

/// Why there is no model, without names of places.
pub fn public_reason(error: &Error) -> &'static str {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NoChannel { .. }) => "its channel names none yet",
        Some(StoreError::NoVersion { .. } | StoreError::NoFile { .. }) => "its files are missing",
        Some(StoreError::S3 { .. }) => "the store does not give it out",
        Some(StoreError::NoSpace { .. }) => "there is no room for its files",
        Some(_) => "its files are damaged, or of another version of this program",
        None => "it cannot be loaded",
    }
}

/// Whether the same version may load later: after network and disk errors, and when its files are not all
/// there yet.
pub fn is_transient(error: &Error) -> bool {
    matches!(
        error.downcast_ref::<StoreError>(),
        Some(
            StoreError::S3 { .. }
                | StoreError::Io { .. }
                | StoreError::NoSpace { .. }
                | StoreError::NoVersion { .. }
        )
    )
}
