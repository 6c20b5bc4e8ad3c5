//! The store: a model registry in a directory or below a prefix of an S3 bucket.

use crate::error::StoreError;
use crate::location::Location;
use crate::objects::Objects;

/// A store of models, in a directory or in S3.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) objects: Objects,
}

impl Store {
    /// Opens the store at `s3://bucket/prefix`, `file:///directory` or a plain path, which need not exist
    /// yet.
    ///
    /// For S3, region, credentials and endpoint come from the usual AWS environment: variables such
    /// as `AWS_REGION` and `AWS_ENDPOINT_URL`, profiles, and the role of the machine. Nothing is
    /// sent before the first use.
    ///
    /// # Errors
    /// If the location is not that of a store.
    pub async fn open(location: &str) -> Result<Self, StoreError> {
        Ok(Self { objects: Objects::open(Location::parse(location)?).await })
    }
}
