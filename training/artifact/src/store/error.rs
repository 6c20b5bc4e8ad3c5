//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

use crate::manifest::{ManifestError, NAME_RULE};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A channel or model name that could lead out of the store.
    #[error("`{name}` cannot name a {what}: expected {NAME_RULE}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The channel has never been set.
    #[error("{path}: there is no channel `{channel}`; publish a model to it first (gpt train --store DIR)")]
    NoChannel {
        /// Its name.
        channel: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The channel's file is not what a channel's file should be.
    #[error("{path}: it is not a valid channel: {source}")]
    Channel {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest that is refused.
    #[error("{path}: {source}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A file whose contents are not those that were published.
    #[error(
        "{path}: its {property} is {found}, expected {expected}; it is damaged or was changed, publish the model again"
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// `sha256`, `length` or `version`.
        property: &'static str,
        /// As published.
        expected: String,
        /// As found.
        found: String,
    },
    /// The manifest lists no such file.
    #[error("{path}: it lists no {what}")]
    NoSuchFile {
        /// The manifest.
        path: PathBuf,
        /// What was looked for.
        what: String,
    },
    /// A version's folder exists already; versions are never changed.
    #[error("{path}: this version exists already")]
    VersionExists {
        /// The folder.
        path: PathBuf,
    },
}
