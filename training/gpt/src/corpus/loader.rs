//! Settings for loading a corpus: split, cache, downloads.

use std::path::{Path, PathBuf};

use super::error::CorpusError;

/// Downloads the texts under an address `s3://bucket/prefix` into a folder, and names the files
/// in an order that does not change.
pub type FetchS3<'a> =
    dyn Fn(&str, &Path) -> Result<Vec<PathBuf>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Settings for loading a corpus.
pub struct Loader<'a> {
    /// Share of the characters to train on; the rest validates. With 0, all do.
    pub train_fraction: f64,
    /// The folder for downloads and token ids; it is made if it does not exist.
    pub cache: &'a Path,
    /// Downloads texts from S3.
    pub fetch_s3: &'a FetchS3<'a>,
    /// Told of what was read and what was left out, of waits, damaged caches and the like.
    pub notify: &'a dyn Fn(&str),
}

/// The folder for the cache where none is given: `troelsllm/corpora` in the user's cache folder.
///
/// # Errors
/// If the environment names none.
pub fn default_cache() -> Result<PathBuf, CorpusError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|folder| folder.join("troelsllm/corpora"))
        .ok_or(CorpusError::NoCacheFolder)
}
