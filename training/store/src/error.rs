//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use artifact::manifest::{ManifestError, NAME_RULE};

use crate::atomic::PathError;
use crate::key::KEY_RULE;

/// What can go wrong with a store.
///
/// A `location` is a path, or an address that begins with `s3://`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No store can be there.
    #[error(
        "`{location}` is not a store: {reason}; expected a directory, file:///DIRECTORY or s3://BUCKET/PREFIX"
    )]
    Location {
        /// What was given.
        location: String,
        /// Why not.
        reason: &'static str,
    },
    /// No objects can be there.
    #[error(
        "`{address}` names no objects: expected s3://BUCKET/KEY, the bucket 3 to 63 of the characters a-z 0-9 . -"
    )]
    Address {
        /// What was given.
        address: String,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// There is no room for a file.
    #[error("{path}: {needed} bytes are needed and {free} are free; make room, or choose another folder")]
    NoSpace {
        /// Where it was to be.
        path: PathBuf,
        /// Its length.
        needed: u64,
        /// What is left.
        free: u64,
    },
    /// S3 said no, or nothing.
    #[error("{location}: {problem}; {remedy}")]
    S3 {
        /// The object.
        location: String,
        /// What happened, with the server's or the network's own words.
        problem: String,
        /// What may help.
        remedy: &'static str,
    },
    /// A channel or model name that could lead out of the store.
    #[error("`{name}` cannot name a {what}: expected {NAME_RULE}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The key of a file that could lead out of the store.
    #[error("`{key}` cannot be the key of a file: expected {KEY_RULE}")]
    Key {
        /// The key.
        key: String,
    },
    /// There is no file of this key.
    #[error("{location}: there is no such file")]
    NoFile {
        /// Where it would be.
        location: String,
    },
    /// A manifest or channel of a size that neither has.
    #[error("{location}: it is longer than {limit} bytes, no manifest or channel is")]
    TooLong {
        /// The file.
        location: String,
        /// What would have been accepted.
        limit: u64,
    },
    /// The channel has never been set.
    #[error(
        "{location}: there is no channel `{channel}`; publish a model to it first (gpt train --store STORE)"
    )]
    NoChannel {
        /// Its name.
        channel: String,
        /// Where it would be.
        location: String,
    },
    /// The channel's file is not what a channel's file should be.
    #[error("{location}: it is not a valid channel: {source}")]
    Channel {
        /// The file.
        location: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Somebody else changed the channel since it was read.
    #[error(
        "{location}: somebody else changed the channel meanwhile: expected {expected}, found {found}; \
         nothing was changed, look at it and decide again"
    )]
    LostRace {
        /// The channel's file.
        location: String,
        /// What it named when it was read.
        expected: String,
        /// What it names now.
        found: String,
    },
    /// The channel has named one version only.
    #[error("{location}: the channel has no previous version to return to")]
    NoPrevious {
        /// The channel's file.
        location: String,
    },
    /// There is no manifest, and so no version.
    #[error("{location}: there is no such version, or its publication was never completed")]
    NoVersion {
        /// Where the manifest would be.
        location: String,
    },
    /// A manifest that is refused.
    #[error("{location}: {source}")]
    Manifest {
        /// The file.
        location: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A file whose contents are not those that were published.
    #[error(
        "{location}: its {property} is {found}, expected {expected}; it is damaged or was changed, publish the model again"
    )]
    Mismatch {
        /// The file.
        location: String,
        /// `sha256`, `length`, `name` or `version`.
        property: &'static str,
        /// As published.
        expected: String,
        /// As found.
        found: String,
    },
    /// The manifest lists no such file.
    #[error("{location}: it lists no {what}")]
    NoSuchFile {
        /// The manifest.
        location: String,
        /// What was looked for.
        what: String,
    },
    /// A version of this name exists already with other contents; versions are never changed.
    #[error("{location}: this version exists already; publish under another version")]
    VersionExists {
        /// The folder.
        location: String,
    },
}

impl From<PathError> for StoreError {
    fn from(PathError { path, source }: PathError) -> Self {
        Self::Io { path, source }
    }
}

/// Names the file that an I/O error is about.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}
