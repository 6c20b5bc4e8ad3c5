//! Downloads of texts from S3.
//!
//! The bucket belongs to others, so its keys can hold anything and decide nothing about where a file lies:
//! its place is a digest of the object's address and state. An object that has changed has another place,
//! and one whose place is taken is not downloaded again.

use std::path::{Path, PathBuf};

use artifact::Sha256Hex;
use artifact::manifest::is_safe_name;
use store::{Bucket, ListedObject, PathError, StoreError};
use tokio::task::JoinSet;

use super::format::is_searched_for;
use super::source::{LeftOut, is_hidden, left_out};

#[cfg(test)]
mod tests;

/// Limits of a corpus: what exceeds them is more likely the wrong prefix.
struct Limits {
    /// Objects under the prefix, texts or not.
    objects: usize,
    /// Length of all texts together, in bytes.
    bytes: u64,
}

const LIMITS: Limits = Limits { objects: 100_000, bytes: 1 << 38 };

/// Small objects take as long to be requested as to be sent.
const PARALLEL_DOWNLOADS: usize = 8;

/// Why texts cannot be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum S3TextsError {
    /// The bucket cannot be read, or a file not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are more objects or bytes than a corpus has.
    #[error("{location}: {problem}; name a part of it: s3://BUCKET/PREFIX")]
    TooMuch {
        /// The address that was given.
        location: String,
        /// What there is too much of.
        problem: String,
    },
    /// An object is not the one that was listed a moment ago.
    #[error("{location}: it changed while it was downloaded; try again when nothing writes to it")]
    Changed {
        /// The object.
        location: String,
    },
}

/// Downloads texts from S3 into `folder`, where each appears when it is complete, unless it lies there
/// unchanged already; returns their paths in the order of their keys.
///
/// `address` is `s3://bucket/key` of one object, or else of all that are named like texts, as in a folder on
/// this machine, in that folder and the folders below it; `s3://bucket` means all in a bucket. `notify` is told of
/// those that are left out. Region, credentials and endpoint are those of a [`Store`](store::Store).
///
/// # Errors
/// If the bucket cannot be read, holds more there than 100,000 objects or 256 GiB of texts, or an
/// object changes meanwhile; or if the folder cannot be written.
pub async fn download_texts(
    address: &str,
    folder: &Path,
    notify: &dyn Fn(&str),
) -> Result<Vec<PathBuf>, S3TextsError> {
    let (bucket, key) = Bucket::open(address).await?;
    download(&bucket, key, folder, notify, &LIMITS).await
}

async fn download(
    bucket: &Bucket,
    key: &str,
    folder: &Path,
    notify: &dyn Fn(&str),
    limits: &Limits,
) -> Result<Vec<PathBuf>, S3TextsError> {
    let (texts, others) = find(bucket, key, limits).await?;
    if let Some(text) = left_out(&bucket.location(key), &others) {
        notify(&text);
    }
    let paths: Vec<PathBuf> = texts.iter().map(|text| folder.join(place(bucket, text))).collect();
    let mut missing = texts.into_iter().zip(paths.clone()).filter(|(_, path)| !path.exists());
    let mut running = JoinSet::new();
    loop {
        while running.len() < PARALLEL_DOWNLOADS
            && let Some((text, path)) = missing.next()
        {
            let bucket = bucket.clone();
            running.spawn(async move { download_one(&bucket, &text, &path).await });
        }
        let Some(finished) = running.join_next().await else { return Ok(paths) };
        finished.map_err(|error| StoreError::from(PathError::at(folder)(error.into())))??;
    }
}

/// The object with this key, or the texts in the folder of this name and what else is there.
async fn find(
    bucket: &Bucket,
    key: &str,
    limits: &Limits,
) -> Result<(Vec<ListedObject>, Vec<LeftOut>), S3TextsError> {
    let too_much = |problem: String| Err(S3TextsError::TooMuch { location: bucket.location(key), problem });
    let is_folder = key.is_empty() || key.ends_with('/');
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    if !is_folder {
        // No key that begins with this one comes before it.
        texts = bucket.list(key, 1).await?;
        texts.retain(|object| object.key == key);
    }
    if texts.is_empty() {
        let prefix = if is_folder { key.to_owned() } else { format!("{key}/") };
        texts = bucket.list(&prefix, limits.objects + 1).await?;
        if texts.len() > limits.objects {
            return too_much(format!("there are more than {} objects under it", limits.objects));
        }
        texts.retain(|object| {
            let name = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
            let Some(reason) = reason_to_leave_out(name) else { return true };
            // A key that ends so is what some programs make for a folder.
            if !name.is_empty() && !name.ends_with('/') {
                others.push(LeftOut { name: name.to_owned(), reason: reason.to_owned() });
            }
            false
        });
        texts.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let bytes: u64 = texts.iter().map(|text| text.bytes).sum();
    if bytes > limits.bytes {
        return too_much(format!("its texts have {bytes} bytes, more than {}", limits.bytes));
    }
    Ok((texts, others))
}

/// Why an object is left out whose key goes on so after the prefix, if it is.
fn reason_to_leave_out(name: &str) -> Option<&'static str> {
    if is_hidden(name) {
        Some("a hidden file")
    } else if is_searched_for(name) {
        None
    } else {
        Some("not named like a text (.txt, .md, .jsonl, .json or .parquet, also .gz or .zst)")
    }
}

/// The place of an object in this state. The name of the file is the object's own where that is harmless,
/// as people see it, and otherwise what is harmless of it: its end says how it is read.
fn place(bucket: &Bucket, text: &ListedObject) -> PathBuf {
    let state = text.e_tag.clone().unwrap_or_else(|| text.changed_at.to_string());
    let identity = format!("{}\n{state}\n{}", bucket.location(&text.key), text.bytes);
    let name = text.key.rsplit('/').next().unwrap_or_default();
    let name = if is_safe_name(name) { name.to_owned() } else { safe_name(name) };
    Path::new(&Sha256Hex::of_bytes(identity.as_bytes()).as_str()[..32]).join(name)
}

fn safe_name(name: &str) -> String {
    let is_safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut last: Vec<char> = name.chars().rev().filter(is_safe).take(100).collect();
    last.push('-');
    last.extend("text".chars().rev());
    last.into_iter().rev().collect()
}

async fn download_one(bucket: &Bucket, text: &ListedObject, path: &Path) -> Result<(), S3TextsError> {
    if bucket.download_unchanged(text, path).await? {
        return Ok(());
    }
    Err(S3TextsError::Changed { location: bucket.location(&text.key) })
}
