//! Statement about a version: the digests of its files, as in-toto states them.

use artifact::hash::Sha256Hex;
use artifact::manifest::FileEntry;
use serde::{Deserialize, Serialize};

use crate::layout::{MANIFEST, SIGNATURE};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://model_signing/signature/v1.0";

/// An in-toto statement whose predicate is that of OpenSSF Model Signing.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

/// The model, with the digest of all digests.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SubjectDigest {
    sha256: Sha256Hex,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
}

/// How a verifier computes the digests again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Serialization {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    ignore_paths: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: Sha256Hex,
}

impl Statement {
    /// About a version's manifest and the files that it lists.
    pub(super) fn about(name: &str, manifest_sha256: &Sha256Hex, files: &[FileEntry]) -> Self {
        let listed = files.iter().map(|file| (file.path.as_str(), &file.sha256));
        let mut resources: Vec<_> = listed.chain([(MANIFEST, manifest_sha256)]).map(resource).collect();
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        let digests: Vec<u8> = resources.iter().flat_map(|resource| resource.digest.to_bytes()).collect();
        Self {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject {
                name: name.to_owned(),
                digest: SubjectDigest { sha256: Sha256Hex::of_bytes(&digests) },
            }],
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                serialization: Serialization {
                    method: "files".to_owned(),
                    hash_type: "sha256".to_owned(),
                    allow_symlinks: false,
                    ignore_paths: vec![SIGNATURE.to_owned()],
                },
                resources,
            },
        }
    }

    /// Whether it is about the same files as another, whatever the model is called: somebody else's tool takes the name
    /// from a folder.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.kind == STATEMENT
            && self.predicate_type == PREDICATE
            && self.predicate.resources == other.predicate.resources
    }
}

fn resource((name, digest): (&str, &Sha256Hex)) -> Resource {
    Resource { name: name.to_owned(), algorithm: "sha256".to_owned(), digest: digest.clone() }
}
