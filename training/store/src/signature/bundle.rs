//! Sigstore bundle: a signed statement as a file, and the check of its signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::key::{KeyError, SigningKey, TrustedKeys};
use super::statement::Statement;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: VerificationMaterial,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerificationMaterial {
    public_key: PublicKeyIdentifier,
    /// Entries of a public log, which there are none of here; others may write them.
    #[serde(default)]
    tlog_entries: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct PublicKeyIdentifier {
    /// SHA-256 of the public key in PEM.
    hint: String,
}

/// An envelope of DSSE, <https://github.com/secure-systems-lab/dsse>.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    sig: String,
    #[serde(default)]
    keyid: String,
}

/// Signs a statement.
pub(super) async fn seal(key: &SigningKey, statement: &Statement) -> Result<Vec<u8>, KeyError> {
    let payload = serde_json::to_vec(statement)?;
    let signature = key.sign(&authenticated(PAYLOAD_TYPE, &payload)).await?;
    let bundle = Bundle {
        media_type: MEDIA_TYPE.to_owned(),
        verification_material: VerificationMaterial {
            public_key: PublicKeyIdentifier { hint: key.public().fingerprint()?.as_str().to_owned() },
            tlog_entries: Vec::new(),
        },
        dsse_envelope: Envelope {
            payload: STANDARD.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature { sig: STANDARD.encode(signature), keyid: String::new() }],
        },
    };
    Ok(serde_json::to_vec_pretty(&bundle)?)
}

/// The statement in a bundle, if one of the trusted keys has signed it; else what is wrong, in words.
pub(super) fn open(bundle: &[u8], trusted: &TrustedKeys) -> Result<Statement, &'static str> {
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(|_| "it is not a Sigstore bundle")?;
    let Envelope { payload, payload_type, signatures } = bundle.dsse_envelope;
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| "it is not a Sigstore bundle");
    let payload = decode(&payload)?;
    let message = authenticated(&payload_type, &payload);
    // One signature is what the format has; of several, each would have to be looked at.
    let [signature] = &signatures[..] else { return Err("it has not exactly one signature") };
    if !trusted.have_signed(&message, &decode(&signature.sig)?) {
        return Err("none of the trusted keys has made it");
    }
    serde_json::from_slice(&payload).map_err(|_| "it is no statement about a model")
}

/// What is signed: DSSE's pre-authentication encoding.
fn authenticated(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
