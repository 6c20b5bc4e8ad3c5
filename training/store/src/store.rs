//! The store: a model registry in a directory or below a prefix of an S3 bucket.

use crate::error::StoreError;
use crate::location::Location;
use crate::objects::Objects;
use crate::signature::SigningKey;

/// A store of models, in a directory or in S3.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) objects: Objects,
    /// Signs what is published.
    pub(crate) signing_key: Option<SigningKey>,
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
        Ok(Self { objects: Objects::open(Location::parse(location)?).await, signing_key: None })
    }

    /// The same store; versions that are published to it are signed, if there is a key.
    #[must_use]
    pub fn signing_with(self, signing_key: Option<SigningKey>) -> Self {
        Self { signing_key, ..self }
    }
}
