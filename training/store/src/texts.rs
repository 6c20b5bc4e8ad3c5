//! Texts to train on, from a bucket that others write to.
//!
//! Their keys can hold anything, unlike those of a store, so no key decides where a file lies: that
//! is a digest of the address and of what S3 says about the state of the object. An object that has
//! changed has another place, and one that lies in its place already is not downloaded again.

use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use super::error::StoreError;
use super::local::{at, persist, temporary_beside};
use super::location::parse_address;
use super::s3::{Listed, S3};
use artifact::hash::Sha256Hex;
use artifact::manifest::is_safe_name;

/// What a corpus may be: more is more likely the wrong prefix.
pub(super) struct Limits {
    /// Objects under the prefix, texts or not.
    pub(super) objects: usize,
    /// Length of all texts together.
    pub(super) bytes: u64,
}

const LIMITS: Limits = Limits { objects: 100_000, bytes: 1 << 38 };

/// Small objects take as long to be asked for as to be sent.
const PARALLEL_DOWNLOADS: usize = 8;

/// Copies texts from S3 into `folder`, where each appears when it is complete, unless it lies there
/// unchanged already; gives their paths in the order of their keys.
///
/// `address` is `s3://bucket/key` of one object, or else of all objects `.txt` in that folder and
/// the folders below it, as `s3://bucket` is of all in a bucket. Region, credentials and endpoint
/// are those of a [`Store`](super::Store).
///
/// # Errors
/// If the bucket cannot be read, holds more there than 100,000 objects or 256 GiB of texts, or an
/// object changes meanwhile; or if the folder cannot be written.
pub async fn download_texts(address: &str, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let (bucket, key) = parse_address(address)?;
    download(&S3::connect(bucket.to_owned(), String::new()).await, key, folder, &LIMITS).await
}

pub(super) async fn download(
    s3: &S3,
    key: &str,
    folder: &Path,
    limits: &Limits,
) -> Result<Vec<PathBuf>, StoreError> {
    let texts = find(s3, key, limits).await?;
    let paths: Vec<PathBuf> = texts.iter().map(|text| folder.join(place(s3, text))).collect();
    let mut missing = texts.into_iter().zip(paths.clone()).filter(|(_, path)| !path.exists());
    let mut running = JoinSet::new();
    loop {
        while running.len() < PARALLEL_DOWNLOADS
            && let Some((text, path)) = missing.next()
        {
            let s3 = s3.clone();
            running.spawn(async move { download_one(&s3, &text, &path).await });
        }
        let Some(finished) = running.join_next().await else { return Ok(paths) };
        finished.map_err(|error| at(folder)(error.into()))??;
    }
}

/// The object of this key, or the texts in the folder of this name.
async fn find(s3: &S3, key: &str, limits: &Limits) -> Result<Vec<Listed>, StoreError> {
    let too_much = |problem: String| {
        Err(StoreError::S3 {
            location: s3.location(key),
            problem,
            remedy: "name a part of it: s3://BUCKET/PREFIX",
        })
    };
    let is_folder = key.is_empty() || key.ends_with('/');
    let mut texts = Vec::new();
    if !is_folder {
        // No key that begins with this one comes before it.
        texts = s3.find(key, 1).await?;
        texts.retain(|object| object.key == key);
    }
    if texts.is_empty() {
        let start = if is_folder { key.to_owned() } else { format!("{key}/") };
        texts = s3.find(&start, limits.objects + 1).await?;
        if texts.len() > limits.objects {
            return too_much(format!("there are more than {} objects under it", limits.objects));
        }
        texts.retain(|object| is_text(&object.key));
        texts.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let bytes: u64 = texts.iter().map(|text| text.bytes).sum();
    if bytes > limits.bytes {
        return too_much(format!("its texts have {bytes} bytes, more than {}", limits.bytes));
    }
    Ok(texts)
}

fn is_text(key: &str) -> bool {
    let extension = key.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    extension.is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("txt"))
}

/// Where an object in this state belongs. People see the name of the file, so it is the object's own
/// where that is harmless.
fn place(s3: &S3, text: &Listed) -> PathBuf {
    let state = text.e_tag.clone().unwrap_or_else(|| text.changed_at.to_string());
    let identity = format!("{}\n{state}\n{}", s3.location(&text.key), text.bytes);
    let name = text.key.rsplit('/').next().filter(|name| is_safe_name(name)).unwrap_or("text.txt");
    Path::new(&Sha256Hex::of_bytes(identity.as_bytes()).as_str()[..32]).join(name)
}

async fn download_one(s3: &S3, text: &Listed, path: &Path) -> Result<(), StoreError> {
    let mut file = temporary_beside(path)?;
    if s3.fetch_unchanged(text, &mut file).await? {
        return persist(file, path);
    }
    Err(StoreError::S3 {
        location: s3.location(&text.key),
        problem: "it changed while it was downloaded".to_owned(),
        remedy: "try again when nothing writes to it",
    })
}
