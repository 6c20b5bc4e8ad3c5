//! Object storage behind a store: a directory or S3.
//!
//! The rules of a store are written once on top of this seam. Keys such as `channels/live.json` are
//! relative to the store. A reader sees all of an object or nothing, and a write can depend on the state of
//! the object at that moment.

use std::path::{Path, PathBuf};

use artifact::hash::Sha256Hex;
use artifact::manifest::FileEntry;

use crate::atomic::{AtomicFile, AtomicFolder};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::key::is_safe_key;
use crate::location::Location;
use crate::object::{Condition, Content, Object};
use crate::s3::S3;

/// The objects of a store.
#[derive(Clone, Debug)]
pub(crate) enum Objects {
    Directory(Directory),
    S3(S3),
}

impl Objects {
    pub(crate) async fn open(location: Location) -> Self {
        match location {
            Location::Directory(root) => Self::Directory(Directory::new(root)),
            Location::S3 { bucket, prefix } => Self::S3(S3::connect(bucket, prefix).await),
        }
    }

    /// The files of a local folder.
    pub(crate) fn in_folder(path: &Path) -> Self {
        Self::Directory(Directory::new(path.to_owned()))
    }

    /// The path or address of an object, for messages.
    pub(crate) fn location(&self, key: &str) -> String {
        match self {
            Self::Directory(directory) => directory.path(key).display().to_string(),
            Self::S3(s3) => s3.location(key),
        }
    }

    /// The path of an object that needs no download.
    pub(crate) fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.path(key)),
            Self::S3(_) => None,
        }
    }

    /// Reads an object of at most [`MAX_SMALL_BYTES`](crate::object::MAX_SMALL_BYTES); `None` if there is
    /// none.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        match self {
            Self::Directory(directory) => directory.read(key),
            Self::S3(s3) => s3.read(key).await,
        }
    }

    /// Copies an object into a new file and returns its digest and length; `None` if there is none.
    pub(crate) async fn fetch(
        &self,
        key: &str,
        file: &mut AtomicFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        match self {
            Self::Directory(directory) => directory.fetch(key, file),
            Self::S3(s3) => s3.fetch(key, file).await,
        }
    }

    /// As [`fetch`](Self::fetch), for an object that should have `bytes` bytes, which lets S3 send ranges in
    /// parallel. If the returned length is another one, the file does not hold the whole object.
    pub(crate) async fn fetch_known(
        &self,
        key: &str,
        bytes: u64,
        file: &mut AtomicFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        match self {
            Self::Directory(directory) => directory.fetch(key, file),
            Self::S3(s3) => s3.fetch_ranges(key, bytes, file).await,
        }
    }

    /// Writes an object, all at once; `false` if the condition did not hold, and then nothing changed.
    pub(crate) async fn write(
        &self,
        key: &str,
        content: Content<'_>,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Directory(directory) => directory.write(key, content, condition),
            Self::S3(s3) => s3.write(key, content, condition, None).await,
        }
    }

    /// Removes an object, if it is there.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => directory.remove(key),
            Self::S3(s3) => s3.remove(key).await,
        }
    }

    /// Removes a folder of objects. Those who look for the object `first` in it see all of the folder or nothing.
    pub(crate) async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => directory.remove_folder(folder),
            Self::S3(s3) => {
                s3.remove(&format!("{folder}/{first}")).await?;
                for key in s3.list(folder).await? {
                    s3.remove(&key).await?;
                }
                Ok(())
            }
        }
    }

    /// The keys of all objects in a folder and the folders below it, sorted.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = match self {
            Self::Directory(directory) => directory.list(folder)?,
            Self::S3(s3) => s3.list(folder).await?,
        };
        // Objects with other keys were not written by a store.
        keys.retain(|key| is_safe_key(key));
        keys.sort();
        Ok(keys)
    }

    /// A local folder for the files of a version that is to appear in the folder `parent`.
    pub(crate) async fn stage(&self, parent: &str) -> Result<AtomicFolder, StoreError> {
        match self {
            Self::Directory(directory) => directory.stage(parent),
            Self::S3(s3) => s3.stage(parent).await,
        }
    }

    /// Publishes a staged folder as the folder `target`, whose manifest is the last object to appear;
    /// `false` if the target exists with other contents.
    pub(crate) async fn commit(
        &self,
        staging: AtomicFolder,
        target: &str,
        files: &[FileEntry],
        manifest: &[u8],
    ) -> Result<bool, StoreError> {
        match self {
            Self::Directory(directory) => directory.commit(staging, target, manifest),
            Self::S3(s3) => s3.commit(&staging, target, files, manifest).await,
        }
    }
}
