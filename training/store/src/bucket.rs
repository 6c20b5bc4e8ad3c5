//! Listing and downloading from an S3 bucket that is not a store: keys can be anything.

use std::path::Path;

use crate::atomic::AtomicFile;
use crate::error::StoreError;
use crate::location::parse_address;
use crate::s3::{Credentials, ListedObject, S3};

/// An S3 bucket that others write to.
#[derive(Clone, Debug)]
pub struct Bucket {
    s3: S3,
}

impl Bucket {
    /// Opens the bucket of an address `s3://bucket/key`, and returns it with the key, which can be empty.
    ///
    /// Region, credentials and endpoint are those of [`Store::open`](crate::Store::open). Nothing is sent
    /// before the first use.
    ///
    /// # Errors
    /// If the address is not of this form.
    pub async fn open(address: &str) -> Result<(Self, &str), StoreError> {
        let (bucket, key) = parse_address(address)?;
        Ok((Self { s3: S3::connect(bucket.to_owned(), String::new()).await }, key))
    }

    /// Opens a bucket on the server at `endpoint`, whatever the AWS environment says.
    pub fn on_server(endpoint: &str, credentials: &Credentials, bucket: &str) -> Self {
        Self { s3: S3::on_server(endpoint, credentials, bucket.to_owned(), String::new()) }
    }

    /// The address of an object, for messages.
    pub fn location(&self, key: &str) -> String {
        self.s3.location(key)
    }

    /// Lists the objects whose keys begin with `prefix`, in the order of their keys: the first `limit`.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<ListedObject>, StoreError> {
        self.s3.find(prefix, limit).await
    }

    /// Downloads an object to `path`, where it appears when it is complete, unless it has changed since it
    /// was listed: then the answer is `false` and nothing is written.
    ///
    /// # Errors
    /// If the bucket cannot be read or the file not be written.
    pub async fn download_unchanged(&self, object: &ListedObject, path: &Path) -> Result<bool, StoreError> {
        let mut file = AtomicFile::create(path)?;
        let is_unchanged = self.s3.fetch_unchanged(object, &mut file).await?;
        if is_unchanged {
            file.commit()?;
        }
        Ok(is_unchanged)
    }
}
