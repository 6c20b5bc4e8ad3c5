//! Verification of files: length and SHA-256 as in the manifest.

use std::fs;
use std::io;
use std::path::Path;

use artifact::hash::Sha256Hex;
use artifact::manifest::FileEntry;

use crate::error::{StoreError, at};

/// Compares a file with its entry in a manifest, on a thread that may block: hashing a large one takes a second.
pub(crate) async fn verify(path: &Path, entry: &FileEntry) -> Result<(), StoreError> {
    let (file, entry) = (path.to_owned(), entry.clone());
    let verified = tokio::task::spawn_blocking(move || verify_file(&file, &entry)).await;
    verified.unwrap_or_else(|stopped| Err(at(path)(io::Error::other(stopped))))
}

fn verify_file(path: &Path, entry: &FileEntry) -> Result<(), StoreError> {
    let location = path.display().to_string();
    // The length first: it is free, and most damage shows in it.
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::NoFile { location }),
        other => other.map_err(at(path))?.len(),
    };
    expect_equal(&location, "length", &entry.bytes.to_string(), &length.to_string())?;
    let (sha256, _) = Sha256Hex::of_file(path).map_err(at(path))?;
    expect_equal(&location, "sha256", entry.sha256.as_str(), sha256.as_str())
}

/// Compares a property of a file with what was published.
pub(crate) fn expect_equal(
    location: &str,
    property: &'static str,
    expected: &str,
    found: &str,
) -> Result<(), StoreError> {
    if expected == found {
        return Ok(());
    }
    Err(StoreError::Mismatch {
        location: location.to_owned(),
        property,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}
