//! Model registry in a directory or in S3: versions of models, channels, checkpoints of training runs.
//!
//! A *store* is what MLflow calls a model registry, and a *channel* is what it calls an alias: a name such
//! as `live` that points to one version of a model and can be moved to another.
//!
//! ```text
//! <store>/models/<name>/<version>/    immutable; manifest.json is the commit point
//! <store>/channels/<channel>.json     the live version and those before it; replaced atomically
//! <store>/checkpoints/<key>           files from which an interrupted training run continues
//! ```
//!
//! A version without a manifest does not exist for readers. In a directory a version is written to a
//! hidden folder and renamed when it is complete ([`AtomicFolder`]); in S3 its files are written first and
//! its manifest last.
//!
//! | module | holds |
//! |---|---|
//! | `store`, `version`, `verify`, `publish`, `channel`, `history`, `checkpoints` | the rules, the same for every store |
//! | `signature` | signatures of versions, and the keys that are trusted |
//! | `objects`, `object` | the seam below them: objects under keys |
//! | `directory`, `s3` | the two kinds of store; only `s3` names the AWS SDK |
//! | `bucket` | objects of a bucket that is not a store |
//! | `atomic` | files and folders that appear whole or not at all |
//! | `cache` | downloads: a folder of one user, shared by processes |
//! | [`awake`] | timers for a process that is stopped now and then |
//! | `layout`, `key`, `location`, `error` | keys of a store, safe keys, addresses, errors |

pub use self::atomic::{AtomicFile, AtomicFolder, PathError};
pub use self::bucket::Bucket;
pub use self::cache::{Lease, default_cache};
pub use self::channel::Channel;
pub use self::error::StoreError;
pub use self::history::{Cause, Move, Reason};
pub use self::layout::MANIFEST;
pub use self::prune::{Kept, Pruning, PruningRule, Removed};
pub use self::publish::StagedVersion;
pub use self::s3::{Credentials, ListedObject};
pub use self::signature::{KeyError, SigningKey, TrustedKeys};
pub use self::store::Store;
pub use self::version::{ModelVersion, VersionRef};

mod atomic;
pub mod awake;
mod bucket;
mod cache;
mod channel;
mod checkpoints;
mod directory;
mod error;
mod history;
mod key;
mod layout;
mod location;
mod object;
mod objects;
mod prune;
mod publish;
mod s3;
mod signature;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod version;
