//! Signatures of versions: those that hold, those that do not, and those of another program.

use std::path::Path;

use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};

use super::*;

/// A private key that depends on a byte, and the public one that belongs to it, in files.
fn key_pair(folder: &Path, byte: u8) -> (SigningKey, TrustedKeys) {
    let secret = SecretKey::from_slice(&[byte; 32]).unwrap();
    let [private, public] = ["private", "public"].map(|name| folder.join(format!("{name}-{byte}.pem")));
    fs::write(&private, secret.to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap();
    fs::write(&public, secret.public_key().to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    (SigningKey::read(&private).unwrap(), TrustedKeys::parse(public.to_str().unwrap()).unwrap())
}

#[tokio::test]
async fn what_a_store_with_a_key_publishes_is_signed() {
    each_store(async |Fixture { store, folder, local }| {
        let (key, trusted) = key_pair(local.path(), 7);
        let (_, other) = key_pair(local.path(), 8);
        let signing = store.clone().signing_with(Some(key.clone()));
        let reference = publish(&signing, "v1").await;
        let version = store.open_version(&reference).await.unwrap();
        version.verify_signature(&trusted).await.unwrap();
        let error = version.verify_signature(&other).await.unwrap_err();
        assert!(error.to_string().contains("none of the trusted keys has made it"), "{error}");
        // The manifest lists it not, since it is of the manifest too; and it goes with the version.
        let signature = folder.join("models/the-verdict/v1/model.sig");
        assert!(version.manifest.file("model.sig").is_none() && signature.exists());

        let unsigned = store.open_version(&publish(store, "v2").await).await.unwrap();
        let error = unsigned.verify_signature(&trusted).await.unwrap_err();
        assert!(matches!(error, StoreError::Unsigned { .. }), "{error}");
        // The signature of another version is none of this one.
        overwrite(store, "models/the-verdict/v2/model.sig", &fs::read(&signature).unwrap()).await;
        let error = unsigned.verify_signature(&trusted).await.unwrap_err();
        assert!(error.to_string().contains("it is one of other files"), "{error}");
        store.sign(&unsigned, &key).await.unwrap();
        unsigned.verify_signature(&trusted).await.unwrap();

        // A byte of what is signed, and of the signature.
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&signature).unwrap()).unwrap();
        for (pointer, reason) in [
            ("/dsseEnvelope/payload", "none of the trusted keys has made it"),
            ("/dsseEnvelope/signatures/0/sig", "none of the trusted keys has made it"),
            ("/dsseEnvelope/payloadType", "none of the trusted keys has made it"),
            ("/mediaType", ""),
        ] {
            let mut changed = json.clone();
            let field = changed.pointer_mut(pointer).unwrap();
            let text = field.as_str().unwrap();
            let (head, tail) = text.split_at(10);
            *field = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]).into();
            overwrite(store, "models/the-verdict/v1/model.sig", changed.to_string().as_bytes()).await;
            match version.verify_signature(&trusted).await {
                // What kind of file it is, nobody has signed.
                Ok(()) => assert_eq!(pointer, "/mediaType"),
                Err(error) => {
                    assert!(!reason.is_empty() && error.to_string().contains(reason), "{pointer}: {error}")
                }
            }
        }
        store.remove_version(MODEL, "v1").await.unwrap();
        assert!(!signature.exists());
    })
    .await;
}

/// Signed by the command `model_signing` 1.1.1 of OpenSSF, which also accepts what is signed here.
#[tokio::test]
async fn a_signature_of_another_program_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/signed-version");
    let trusted = TrustedKeys::parse(folder.join("public-key.pem").to_str().unwrap()).unwrap();
    let version = ModelVersion::in_folder(&folder.join("version")).await.unwrap();
    version.verify_signature(&trusted).await.unwrap();
    // The same key, as AWS KMS prints it.
    let pem = fs::read_to_string(folder.join("public-key.pem")).unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(TrustedKeys::parse(&der).unwrap(), trusted);
}

#[test]
fn what_is_no_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    for contents in ["", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"] {
        fs::write(&path, contents).unwrap();
        let error = SigningKey::read(&path).unwrap_err().to_string();
        assert!(error.contains("key.pem") && error.contains("openssl genpkey"), "{error}");
        assert!(TrustedKeys::parse(path.to_str().unwrap()).unwrap_err().to_string().contains("key.pem"));
    }
    assert!(SigningKey::read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    assert!(TrustedKeys::parse("bm90IGEga2V5").unwrap_err().to_string().contains("bm90IGEga2V5"));
}
