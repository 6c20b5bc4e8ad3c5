//! Listing and removal of objects.

use super::client::S3;
use super::error::{not_deleted, s3_error};
use crate::error::StoreError;

/// An object in the listing of a bucket.
#[derive(Clone, Debug)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its ETag; S3 lists one for every object, some other servers do not.
    pub e_tag: Option<String>,
    /// When it was last changed, in seconds since 1970.
    pub changed_at: i64,
}

impl S3 {
    /// The keys in a folder and the folders below it, relative to the prefix.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let found = self.find(&format!("{folder}/"), usize::MAX).await?;
        Ok(found.into_iter().map(|object| object.key).collect())
    }

    /// The objects whose keys begin with `start`, in the order of their keys: the first `limit`.
    pub(crate) async fn find(&self, start: &str, limit: usize) -> Result<Vec<ListedObject>, StoreError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.full_key(start));
        let mut pages = request.set_max_keys(i32::try_from(limit).ok()).into_paginator().send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|error| s3_error(self.location(start.trim_end_matches('/')), &error))?;
            found.extend(page.contents().iter().filter_map(|object| {
                Some(ListedObject {
                    key: object.key()?.strip_prefix(&self.prefix)?.to_owned(),
                    bytes: object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                    e_tag: object.e_tag().map(str::to_owned),
                    changed_at: object.last_modified().map_or(0, |time| time.secs()),
                })
            }));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Removes an object, if it is there.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.full_key(key));
        request.send().await.map(drop).map_err(|error| not_deleted(self.location(key), &error))
    }
}
