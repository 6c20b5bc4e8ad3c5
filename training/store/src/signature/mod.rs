//! Signatures of model versions: who published a version can be checked wherever it is served.
//!
//! A signature lies beside the manifest, as `model.sig`, in the format of OpenSSF Model Signing
//! (<https://github.com/ossf/model-signing-spec>): a Sigstore bundle with a DSSE envelope, in which an in-toto statement
//! lists the digests of all files, and ECDSA over P-256 signs it. So `model_signing verify key`, a tool of others,
//! verifies a version too.
//!
//! - `statement`: what is signed; `bundle`: the signed statement as a file;
//! - `key` and `kms`: keys that sign, and those that are trusted.

mod bundle;
mod key;
#[cfg(feature = "signing")]
mod kms;
mod statement;

pub use self::key::{KeyError, SigningKey, TrustedKeys};

use self::statement::Statement;
use crate::error::StoreError;
use crate::layout::SIGNATURE;
use crate::object::{Condition, Content};
use crate::store::Store;
use crate::version::ModelVersion;
use artifact::hash::Sha256Hex;
use artifact::manifest::FileEntry;

/// The signature's file, for a version with this manifest and these files.
pub(crate) async fn sign(
    key: &SigningKey,
    name: &str,
    manifest_sha256: &Sha256Hex,
    files: &[FileEntry],
) -> Result<Vec<u8>, KeyError> {
    bundle::seal(key, &Statement::about(name, manifest_sha256, files)).await
}

impl Store {
    /// Signs a version that is published already, in place of the signature that it has.
    ///
    /// # Errors
    /// If the key cannot sign, or the store cannot be written.
    pub async fn sign(&self, version: &ModelVersion, key: &SigningKey) -> Result<(), StoreError> {
        let path = version.key(SIGNATURE);
        let location = || self.objects.location(&path);
        let (reference, files) = (&version.reference, &version.manifest.files);
        let bytes = sign(key, &reference.name, &reference.manifest_sha256, files)
            .await
            .map_err(|source| StoreError::NotSigned { location: location(), source })?;
        self.objects.write(&path, Content::Bytes(&bytes), Condition::Always).await.map(drop)
    }
}

impl ModelVersion {
    /// Checks that one of the trusted keys has signed this version, all of its files included.
    ///
    /// # Errors
    /// If it has no signature, or one of another key or of other files.
    pub async fn verify_signature(&self, trusted: &TrustedKeys) -> Result<(), StoreError> {
        let key = self.key(SIGNATURE);
        let location = self.objects.location(&key);
        let Some(object) = self.objects.read(&key).await? else {
            return Err(StoreError::Unsigned { location });
        };
        let refused = |reason| StoreError::BadSignature { location: location.clone(), reason };
        let signed = bundle::open(&object.bytes, trusted).map_err(refused)?;
        let (reference, files) = (&self.reference, &self.manifest.files);
        let expected = Statement::about(&reference.name, &reference.manifest_sha256, files);
        if signed.covers(&expected) { Ok(()) } else { Err(refused("it is one of other files")) }
    }
}
