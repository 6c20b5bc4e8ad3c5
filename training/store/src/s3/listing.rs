//! What lies in a bucket.

use super::S3;
use super::error::s3_error;
use crate::error::StoreError;

/// An object as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    /// S3 lists one for every object, some other servers do not.
    pub(crate) e_tag: Option<String>,
    /// Seconds since 1970.
    pub(crate) changed_at: i64,
}

impl S3 {
    /// The keys in a folder and the folders below it, relative to the prefix.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let found = self.find(&format!("{folder}/"), usize::MAX).await?;
        Ok(found.into_iter().map(|object| object.key).collect())
    }

    /// The objects whose keys begin with `start`, in the order of their keys: the first `limit`.
    pub(crate) async fn find(&self, start: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.full_key(start));
        let mut pages = request.set_max_keys(i32::try_from(limit).ok()).into_paginator().send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|error| s3_error(self.location(start.trim_end_matches('/')), &error))?;
            found.extend(page.contents().iter().filter_map(|object| {
                Some(Listed {
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
}
