//! Checkpoint files of training runs, below `checkpoints/` of a store.
//!
//! The store knows nothing of their contents or of which of them belong together.

use std::path::Path;

use crate::atomic::AtomicFile;
use crate::error::StoreError;
use crate::layout::{CHECKPOINTS, checkpoint_key};
use crate::object::{Condition, Content};
use crate::store::Store;

impl Store {
    /// Copies a local file to `key` below `checkpoints/`, in place of an older file.
    ///
    /// # Errors
    /// If the key is unsafe, the file cannot be read or the store not be written.
    pub async fn put_file(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        self.put(key, Content::File(path)).await
    }

    /// Writes `bytes` to `key` below `checkpoints/`, in place of an older file.
    ///
    /// # Errors
    /// If the key is unsafe or the store cannot be written.
    pub async fn put_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(key, Content::Bytes(bytes)).await
    }

    /// Copies the file at `key` below `checkpoints/` to a local file, which appears when it is complete.
    ///
    /// # Errors
    /// If the key is unsafe, there is no such file, or the local file cannot be written.
    pub async fn get_file(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        let key = checkpoint_key(key)?;
        let mut file = AtomicFile::create(path)?;
        match self.objects.fetch(&key, &mut file).await? {
            Some(_) => Ok(file.commit()?),
            None => Err(StoreError::NoFile { location: self.objects.location(&key) }),
        }
    }

    /// Removes the file at `key` below `checkpoints/`, if there is one.
    ///
    /// # Errors
    /// If the key is unsafe or the store cannot be written.
    pub async fn remove_file(&self, key: &str) -> Result<(), StoreError> {
        self.objects.remove(&checkpoint_key(key)?).await
    }

    /// Lists the keys below `checkpoints/` in a folder and the folders below it, sorted; an empty `folder`
    /// means all.
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
