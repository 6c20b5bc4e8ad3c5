//! Keys in AWS KMS: it signs digests, and gives its private keys to nobody.

use artifact::hash::Sha256Hex;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};

use super::key::KeyError;
use crate::s3;

/// A key in AWS KMS.
#[derive(Clone, Debug)]
pub(super) struct KmsKey {
    client: Client,
    /// Its id, ARN or alias.
    id: String,
}

impl KmsKey {
    /// Finds a key, and reads its public key in DER.
    pub(super) async fn open(id: &str) -> Result<(Self, Vec<u8>), KeyError> {
        let key = Self { client: Client::new(&s3::environment().await), id: id.to_owned() };
        let found = key.client.get_public_key().key_id(id).send().await;
        let found = found.map_err(|error| key.refused(DisplayErrorContext(error)))?;
        let public = found.public_key.ok_or_else(|| key.refused("it has no public key"))?;
        Ok((key, public.into_inner()))
    }

    /// A signature of a message, in DER.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let request = self.client.sign().key_id(&self.id);
        let request =
            request.message_type(MessageType::Digest).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let signed = request.message(Blob::new(Sha256Hex::of_bytes(message).to_bytes())).send().await;
        let signed = signed.map_err(|error| self.refused(DisplayErrorContext(error)))?;
        signed.signature.map(Blob::into_inner).ok_or_else(|| self.refused("it gave no signature"))
    }

    pub(super) fn refused(&self, reason: impl ToString) -> KeyError {
        KeyError::Kms { key: self.id.clone(), reason: reason.to_string() }
    }
}
