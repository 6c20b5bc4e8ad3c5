//! Sources of texts: addresses, and the local files that they become.
//!
//! - [`address`]: where texts lie;
//! - `files`: each source as files on this machine;
//! - `https`: downloads from public addresses.

pub mod address;
mod files;
mod https;

pub use address::{Source, SourceError};
pub(super) use files::local_files;
