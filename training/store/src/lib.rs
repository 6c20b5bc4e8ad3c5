//! Where model versions lie, and which of them a channel names.
//!
//! ```text
//! <store>/models/<name>/<version>/    immutable; manifest.json is the commit point
//! <store>/channels/<channel>.json     which version is live; replaced atomically
//! <store>/checkpoints/<key>           what an unfinished training run needs to continue
//! ```
//!
//! A store is a directory or a prefix of an S3 bucket. In a directory a version is staged in a
//! hidden folder beside its final place and renamed when it is complete. In S3 its files are written
//! first and its manifest last. In both a version without a manifest does not exist for readers.
//!
//! Read [`version`](ModelVersion) and [`channel`](Channel) for the rules, which are the same for
//! every store; `objects.rs` is the seam below them, with `directory.rs` and `s3/` behind it.
//!
//! [`download_texts`] has to do with stores only in that it speaks to S3 in the same way.

use std::path::Path;

pub use self::atomic::{AtomicFile, AtomicFolder, PathError};
pub use self::channel::Channel;
pub use self::error::StoreError;
pub use self::texts::download_texts;
pub use self::version::{ModelVersion, StagedVersion, VersionRef};

use self::location::Location;
use self::objects::{Condition, Content, Objects, is_safe_key};
use artifact::manifest::is_safe_name;

mod atomic;
mod channel;
mod directory;
mod error;
mod local;
mod location;
mod objects;
mod s3;
#[cfg(test)]
mod tests;
mod texts;
mod version;

/// File name of the manifest in a version's folder.
pub const MANIFEST: &str = "manifest.json";

/// The folder for what training runs leave for their continuation.
const CHECKPOINTS: &str = "checkpoints";

/// A store of models, in a directory or in S3.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Objects,
}

impl Store {
    /// The store at `s3://bucket/prefix`, `file:///directory` or a plain path, which need not exist
    /// yet.
    ///
    /// For S3, region, credentials and endpoint come from the usual AWS environment: variables such
    /// as `AWS_REGION` and `AWS_ENDPOINT_URL`, profiles, and the role of the machine. Nothing is
    /// sent before the first use.
    ///
    /// # Errors
    /// If no store can be there.
    pub async fn open(location: &str) -> Result<Self, StoreError> {
        Ok(Self { objects: Objects::open(Location::parse(location)?).await })
    }

    /// Copies a local file to `key` below `checkpoints/`; what was there is replaced.
    ///
    /// # Errors
    /// If the key is unsafe, the file cannot be read or the store not be written.
    pub async fn put_file(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        self.put(key, Content::File(path)).await
    }

    /// Writes `bytes` to `key` below `checkpoints/`; what was there is replaced.
    ///
    /// # Errors
    /// If the key is unsafe or the store cannot be written.
    pub async fn put_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(key, Content::Bytes(bytes)).await
    }

    /// Copies what lies at `key` below `checkpoints/` to a local file, which appears when it is
    /// complete.
    ///
    /// # Errors
    /// If the key is unsafe, nothing lies there, or the file cannot be written.
    pub async fn get_file(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        let key = checkpoint_key(key)?;
        let mut file = local::temporary_beside(path)?;
        match self.objects.fetch(&key, &mut file).await? {
            Some(_) => local::persist(file, path),
            None => Err(StoreError::NoFile { location: self.objects.location(&key) }),
        }
    }

    /// Removes what lies at `key` below `checkpoints/`, if anything does.
    ///
    /// # Errors
    /// If the key is unsafe or the store cannot be written.
    pub async fn remove_file(&self, key: &str) -> Result<(), StoreError> {
        self.objects.remove(&checkpoint_key(key)?).await
    }

    /// The keys below `checkpoints/` that lie in a folder of it or in the folders below that, sorted;
    /// an empty `folder` means all.
    ///
    /// # Errors
    /// If the folder is unsafe or the store cannot be read.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let folder = if folder.is_empty() { CHECKPOINTS.to_owned() } else { checkpoint_key(folder)? };
        let keys = self.objects.list(&folder).await?;
        Ok(keys.iter().filter_map(|key| key.split_once('/')).map(|(_, key)| key.to_owned()).collect())
    }

    async fn put(&self, key: &str, content: Content<'_>) -> Result<(), StoreError> {
        self.objects.write(&checkpoint_key(key)?, content, Condition::Always).await.map(drop)
    }
}

fn checkpoint_key(key: &str) -> Result<String, StoreError> {
    let full = format!("{CHECKPOINTS}/{key}");
    if is_safe_key(&full) { Ok(full) } else { Err(StoreError::Key { key: key.to_owned() }) }
}

fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    if is_safe_name(name) { Ok(name) } else { Err(StoreError::Name { what, name: name.to_owned() }) }
}
