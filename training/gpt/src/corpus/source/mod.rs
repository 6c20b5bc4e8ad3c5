//! Sources of texts: addresses, and the local files that they become.
//!
//! - [`address`]: where texts lie;
//! - `files`: each source as files on this machine, without those that are `hidden` or no texts;
//! - `left_out`: what is said of those;
//! - `https`: downloads from public addresses.

pub mod address;
mod files;
mod hidden;
mod https;
mod left_out;

pub use address::{Source, SourceError};
pub(super) use files::{SourceFile, local_files};
pub(super) use hidden::is_hidden;
pub(super) use left_out::{LeftOut, left_out};
