//! Reading of small files beside weights, such as a configuration.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::ImportError;

/// Reads a file if it is there; what is beyond `max_bytes` is cut off, and the rest no valid JSON.
pub(super) fn read_small(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, ImportError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(max_bytes).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ImportError::Io { path: path.to_owned(), source }),
    }
}
