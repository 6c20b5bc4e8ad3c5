//! Training texts: from files, folders and addresses to batches of token ids.
//!
//! The pipeline, in order:
//!
//! 1. [`source`]: texts on this machine, on public addresses or in S3 ([`s3`]), as local files;
//! 2. [`text`]: a file as normalized text, and which part of it is read;
//! 3. [`tokens`]: texts encoded on all cores, and their ids in files that are written once;
//! 4. [`dataset`] and [`permutation`]: windows of ids in shuffled batches.
//!
//! [`corpus`] runs the first three for a [`loader`].
//!
//! Each document is split by characters: its first part is for training, the rest for validation.
//! So every document is in both, and one document alone is split as it always was. In each split,
//! documents are separated by the id of `<|endoftext|>`. Nothing here takes memory that grows with
//! the length of a text.

#[expect(clippy::module_inception, reason = "it is the corpus that this folder makes")]
pub mod corpus;
pub mod dataset;
mod error;
pub mod loader;
pub mod permutation;
pub mod s3;
pub mod source;
pub mod text;
pub mod tokens;

pub use corpus::Corpus;
pub use dataset::{Batch, Dataset, TooShort};
pub use error::CorpusError;
pub use loader::{FetchS3, Loader, default_cache};
pub use source::Source;
pub use tokens::Tokens;
