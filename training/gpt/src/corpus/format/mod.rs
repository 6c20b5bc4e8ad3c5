//! File formats: what is in a file, by its first bytes and its name, and its text as records.
//!
//! ```text
//! file → compression (gzip, Zstandard) → encoding (UTF-8, -16, -32) → plain text, or JSON Lines
//! file → Parquet
//! ```
//!
//! - [`detect`]: the format of a file, or why it cannot be read (`unreadable`, with the remedy);
//! - `compression` and `encoding`: a file as a stream of UTF-8;
//! - `plain`, `json_lines`, `parquet`: readers of [`records`], which `open` chooses from.
//!
//! A reader holds one block, line or page of a file, of whatever length the file is.

mod compression;
pub mod detect;
mod encoding;
mod json_lines;
mod open;
pub(crate) mod parquet;
mod plain;
pub mod records;
pub mod unreadable;

pub use detect::{Format, Kind, detect, is_searched_for, of_json, unpacked_name};
pub use open::{open, open_stream};
pub use records::{Records, Step};
pub use unreadable::Unreadable;
