//! Errors of stores, with the location and a remedy.

use std::io;
use std::path::{Path, PathBuf};

use artifact::manifest::{ManifestError, NAME_RULE};

use crate::atomic::PathError;
use crate::key::KEY_RULE;
use crate::signature::KeyError;

/// An error of a store.
///
/// A `location` is a path, or an address that begins with `s3://`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location is not that of a store.
    #[error(
        "`{location}` is not a store: {reason}; expected a directory, file:///DIRECTORY or s3://BUCKET/PREFIX"
    )]
    Location {
        /// The given location.
        location: String,
        /// The part at fault.
        reason: &'static str,
    },
    /// The address is not that of objects in S3.
    #[error(
        "`{address}` names no objects: expected s3://BUCKET/KEY, the bucket 3 to 63 of the characters a-z 0-9 . -"
    )]
    Address {
        /// The given address.
        address: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The disk is too full for a file.
    #[error("{path}: {needed} bytes are needed and {free} are free; make room, or choose another folder")]
    NoSpace {
        /// Its path.
        path: PathBuf,
        /// Its length in bytes.
        needed: u64,
        /// Bytes left on the disk.
        free: u64,
    },
    /// Others than this user could change the files in the folder of downloads.
    #[error(
        "{path}: it belongs to user {owner}, mode {mode:04o}; downloads need a folder of this user's own that nobody \
         else may write, choose another one (generate --cache)"
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Id of its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// S3 refused a request or did not answer.
    #[error("{location}: {problem}; {remedy}")]
    S3 {
        /// The object.
        location: String,
        /// The problem, with the error code and message of the server or the network.
        problem: String,
        /// A possible remedy.
        remedy: &'static str,
    },
    /// The name of a model, version, file or channel could lead out of the store.
    #[error("`{name}` cannot name a {what}: expected {NAME_RULE}")]
    Name {
        /// Kind of thing to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The key of a file could lead out of the store.
    #[error("`{key}` cannot be the key of a file: expected {KEY_RULE}")]
    Key {
        /// The key.
        key: String,
    },
    /// There is no file of this key.
    #[error("{location}: there is no such file")]
    NoFile {
        /// Its path or address.
        location: String,
    },
    /// A manifest or channel is too long to be one.
    #[error("{location}: it is longer than the {limit} bytes that a manifest or channel may have")]
    TooLong {
        /// The file.
        location: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The channel has never been set.
    #[error(
        "{location}: there is no channel `{channel}`; publish a model to it first (gpt train --store STORE)"
    )]
    NoChannel {
        /// Its name.
        channel: String,
        /// Its path or address.
        location: String,
    },
    /// The channel's file is not valid JSON of a channel.
    #[error("{location}: it is not a valid channel: {source}")]
    Channel {
        /// The file.
        location: String,
        /// The error of the parser.
        #[source]
        source: serde_json::Error,
    },
    /// The channel was changed by another writer since it was read.
    #[error(
        "{location}: another writer has changed the channel meanwhile: expected {expected}, found {found}; \
         nothing was changed, look at it and decide again"
    )]
    LostRace {
        /// The channel's file.
        location: String,
        /// The version that it named when it was read.
        expected: String,
        /// The version that it names now.
        found: String,
    },
    /// The channel has no version to roll back to.
    #[error("{location}: the channel has no previous version to return to")]
    NoPrevious {
        /// The channel's file.
        location: String,
    },
    /// The channel has never named a version of this name, as far as it remembers.
    #[error(
        "{location}: the channel has not named the version `{version}` before; gpt models --history lists what it has \
         named, gpt promote makes any version live"
    )]
    NeverNamed {
        /// The channel's file.
        location: String,
        /// The version.
        version: String,
    },
    /// A version could not be signed.
    #[error("{location}: the version could not be signed: {source}")]
    NotSigned {
        /// Where the signature would be.
        location: String,
        /// What is wrong with the key.
        #[source]
        source: KeyError,
    },
    /// A version that must be signed has no signature.
    #[error(
        "{location}: the version has no signature, and only versions of trusted keys are served; sign it: gpt sign"
    )]
    Unsigned {
        /// Where the signature would be.
        location: String,
    },
    /// A version's signature does not hold.
    #[error("{location}: the signature does not hold: {reason}; the version is not served")]
    BadSignature {
        /// The signature's file.
        location: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no manifest, and therefore no version.
    #[error("{location}: there is no such version, or its publication was never completed")]
    NoVersion {
        /// Path or address of the manifest.
        location: String,
    },
    /// The manifest is invalid.
    #[error("{location}: {source}")]
    Manifest {
        /// The file.
        location: String,
        /// The reason.
        #[source]
        source: ManifestError,
    },
    /// A file differs from what was published.
    #[error(
        "{location}: its {property} is {found}, expected {expected}; it is damaged or was changed, publish the model again"
    )]
    Mismatch {
        /// The file.
        location: String,
        /// `sha256`, `length`, `name` or `version`.
        property: &'static str,
        /// The published value.
        expected: String,
        /// The value found.
        found: String,
    },
    /// The manifest does not list a file that the reader needs.
    #[error("{location}: it lists no {what}")]
    NoSuchFile {
        /// The manifest.
        location: String,
        /// The kind of file.
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
