//! Keys for signatures: elliptic curve P-256, in files of OpenSSL's, or in AWS KMS, which they never leave.

use std::path::{Path, PathBuf};

use artifact::hash::Sha256Hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::PublicKey as Point;
use p256::SecretKey;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey, LineEnding};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: std::io::Error,
    },
    /// AWS KMS does not sign with it.
    #[error(
        "awskms:{key}: {reason}; expected a key for ECC_NIST_P256 whose use is SIGN_VERIFY, and the right to kms:Sign and \
             kms:GetPublicKey with it"
    )]
    Kms {
        /// Its id, ARN or alias.
        key: String,
        /// What KMS said.
        reason: String,
    },
    /// It is not a private key of this kind.
    #[error(
        "{path}: it is not a private key of the curve P-256 in PEM; make one: openssl genpkey -algorithm EC -pkeyopt \
         ec_paramgen_curve:P-256 -out key.pem"
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// It is not a public key of this kind.
    #[error(
        "`{found}` is not a public key of the curve P-256: expected a file in PEM (openssl pkey -in key.pem -pubout), or \
         the base64 of its DER, as aws kms get-public-key prints it"
    )]
    NotPublic {
        /// What was given.
        found: String,
    },
    /// What is signed cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The public key cannot be written as PEM.
    #[error("the public key cannot be encoded: {0}")]
    Encoding(#[from] p256::pkcs8::spki::Error),
}

/// A private key that signs versions.
#[derive(Clone, Debug)]
pub struct SigningKey {
    signer: KeyKind,
    public: PublicKey,
}

#[derive(Clone, Debug)]
enum KeyKind {
    File(p256::ecdsa::SigningKey),
    #[cfg(feature = "signing")]
    Kms(super::kms::KmsKey),
}

impl SigningKey {
    /// Reads a private key from a file in PEM, of PKCS #8 or SEC 1.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem =
            std::fs::read_to_string(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        let key = SecretKey::from_pkcs8_pem(&pem).ok().or_else(|| SecretKey::from_sec1_pem(&pem).ok());
        let key = key.ok_or_else(|| KeyError::NotPrivate { path: path.to_owned() })?;
        let key = p256::ecdsa::SigningKey::from(key);
        Ok(Self { public: PublicKey(*key.verifying_key()), signer: KeyKind::File(key) })
    }

    /// The key that `awskms:KEY` names by its id, ARN or alias, or the one in a file.
    ///
    /// # Errors
    /// As of [`read`](Self::read), or if KMS has no such key for this user.
    #[cfg(feature = "signing")]
    pub async fn open(text: &str) -> Result<Self, KeyError> {
        let Some(key) = text.strip_prefix("awskms:") else { return Self::read(Path::new(text)) };
        let (key, der) = super::kms::KmsKey::open(key).await?;
        let public = Point::from_public_key_der(&der).map_err(|_| key.refused("it is not of this curve"))?;
        Ok(Self { public: PublicKey(public.into()), signer: KeyKind::Kms(key) })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signature in DER; one of a key in a file is always the same for the same message (RFC 6979).
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.signer {
            KeyKind::File(key) => {
                let signature: DerSignature = key.sign(message);
                Ok(signature.as_bytes().to_vec())
            }
            #[cfg(feature = "signing")]
            KeyKind::Kms(key) => key.sign(message).await,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// SHA-256 of the key in PEM.
    pub(super) fn fingerprint(&self) -> Result<Sha256Hex, KeyError> {
        let pem = Point::from(&self.0).to_public_key_pem(LineEnding::LF)?;
        Ok(Sha256Hex::of_bytes(pem.as_bytes()))
    }
}

/// Public keys whose signatures are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Reads keys, separated by commas: each the path of a file in PEM, or the base64 of its DER.
    ///
    /// # Errors
    /// If one of them is not such a key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        text.split(',').map(|key| parse_public(key.trim())).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn have_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = DerSignature::try_from(signature) else { return false };
        self.0.iter().any(|key| key.0.verify(message, &signature).is_ok())
    }
}

fn parse_public(text: &str) -> Result<PublicKey, KeyError> {
    let key = match std::fs::read_to_string(text) {
        Ok(pem) => Point::from_public_key_pem(&pem).ok(),
        Err(_) => STANDARD.decode(text).ok().and_then(|der| Point::from_public_key_der(&der).ok()),
    };
    key.map(|key| PublicKey(key.into())).ok_or_else(|| KeyError::NotPublic { found: text.to_owned() })
}
