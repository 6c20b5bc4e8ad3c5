//! The seam between the rules of a store, which are written once, and the two places that can hold
//! its files: a directory and S3.
//!
//! Both hold *objects*: bytes under a key such as `channels/live.json`, which is relative to the
//! store. A reader sees all of an object or nothing, and a write can be made to depend on what is
//! there at that moment.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::error::StoreError;
use super::location::Location;
use super::s3::S3;
use artifact::hash::Sha256Hex;
use artifact::manifest::{FileEntry, is_safe_name};

/// More than any manifest or channel needs, and little enough to read without care.
pub(super) const MAX_SMALL_BYTES: u64 = 1 << 20;

/// What [`is_safe_key`] accepts, in words.
pub(super) const KEY_RULE: &str =
    "1 to 8 names separated by `/`, each of the characters a-z A-Z 0-9 . _ -, its first a letter or digit";

/// Whether `key` can be joined to a folder or prefix without leading out of it.
pub(super) fn is_safe_key(key: &str) -> bool {
    key.split('/').count() <= 8 && key.split('/').all(is_safe_name)
}

/// A small object and what identifies this state of it.
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) tag: Tag,
}

/// Identifies a state of an object: a digest in a directory, the ETag in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) String);

/// What must be true of an object at the moment it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'a> {
    Always,
    IfAbsent,
    IfUnchanged(&'a Tag),
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// Where the files of a version are gathered before it is published.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) folder: tempfile::TempDir,
    /// Tells others that the writer is alive; the system releases it when the process ends.
    pub(super) _lock: Option<File>,
}

/// The objects of a store.
#[derive(Clone, Debug)]
pub(super) enum Objects {
    Directory(Directory),
    S3(S3),
}

impl Objects {
    pub(super) async fn open(location: Location) -> Self {
        match location {
            Location::Directory(root) => Self::Directory(Directory::new(root)),
            Location::S3 { bucket, prefix } => Self::S3(S3::connect(bucket, prefix).await),
        }
    }

    /// Where an object is, for people.
    pub(super) fn location(&self, key: &str) -> String {
        match self {
            Self::Directory(directory) => directory.path(key).display().to_string(),
            Self::S3(s3) => s3.location(key),
        }
    }

    /// The path of an object that needs no download.
    pub(super) fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.path(key)),
            Self::S3(_) => None,
        }
    }

    /// Reads an object of at most [`MAX_SMALL_BYTES`]; `None` if there is none.
    pub(super) async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        match self {
            Self::Directory(directory) => directory.read(key),
            Self::S3(s3) => s3.read(key).await,
        }
    }

    /// Copies an object into a new file and returns its digest and length; `None` if there is none.
    pub(super) async fn fetch(
        &self,
        key: &str,
        file: &mut tempfile::NamedTempFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        match self {
            Self::Directory(directory) => directory.fetch(key, file),
            Self::S3(s3) => s3.fetch(key, file).await,
        }
    }

    /// The same of an object whose length is known. If the length that is returned is another one, the
    /// file does not hold the whole object.
    pub(super) async fn fetch_known(
        &self,
        key: &str,
        bytes: u64,
        file: &mut tempfile::NamedTempFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        match self {
            Self::Directory(directory) => directory.fetch(key, file),
            Self::S3(s3) => s3.fetch_ranges(key, bytes, file).await,
        }
    }

    /// Writes an object, all at once; `false` if the condition did not hold, and then nothing changed.
    pub(super) async fn write(
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
    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => directory.remove(key),
            Self::S3(s3) => s3.remove(key).await,
        }
    }

    /// The keys of all objects in a folder and the folders below it, sorted.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = match self {
            Self::Directory(directory) => directory.list(folder)?,
            Self::S3(s3) => s3.list(folder).await?,
        };
        // What no store has written is not its business.
        keys.retain(|key| is_safe_key(key));
        keys.sort();
        Ok(keys)
    }

    /// A local folder for the files of a version, which is to appear below the folder `parent`.
    pub(super) async fn stage(&self, parent: &str) -> Result<Staging, StoreError> {
        match self {
            Self::Directory(directory) => directory.stage(parent),
            Self::S3(s3) => s3.stage(parent).await,
        }
    }

    /// Makes what was staged the folder `target`, whose manifest is the last object to appear;
    /// `false` if other contents are there already.
    pub(super) async fn commit(
        &self,
        staging: Staging,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_the_store() {
        assert!(["a", "run-1/step-100/weights.bin", "a/b/c/d/e/f/g/h"].into_iter().all(is_safe_key));
        for key in ["", "/", "/a", "a/", "a//b", "../a", "a/..", "a/.hidden", "a\\b", "a/b/c/d/e/f/g/h/i"] {
            assert!(!is_safe_key(key), "{key}");
        }
    }
}
