//! Sources of texts: addresses, and the local files that they become.
//!
//! - [`address`]: where texts lie;
//! - `files`: each source as files on this machine, without those that are `hidden` or no texts;
//! - `https`: downloads from public addresses.

pub mod address;
mod files;
mod hidden;
mod https;

pub use address::{Source, SourceError};
pub(super) use files::{SourceFile, local_files};
pub(super) use hidden::is_hidden;
