//! Training texts: from files, folders and addresses to batches of token ids.
//!
//! The pipeline, in order:
//!
//! 1. [`source`]: texts on this machine, on public addresses or in S3 ([`s3`]), as local files;
//! 2. [`format`]: a file as records of text, whatever its kind, compression and encoding;
//! 3. [`text`]: records as documents of normalized text;
//! 4. [`outline`]: length and hash of every document, and in which split it is;
//! 5. [`tokens`]: documents encoded on all cores, and their ids in files that are written once;
//! 6. [`dataset`] and [`permutation`]: windows of ids in shuffled batches.
//!
//! [`conversations`] take the same way to batches, from records of JSON by a chat template.
//!
//! [`corpus`] runs all but the last for a [`loader`] and [`settings`], and [`report`] says what was read.
//!
//! Each split has whole documents wherever there are many; one document alone, or a few long ones, are cut
//! ([`outline::split`]). In each split, documents are separated by the tokenizer's id for the end of a text. Nothing here
//! takes memory that grows with the length of a text or the number of documents; a line of JSON or a page of Parquet is
//! in memory as a whole.

mod batch;
pub mod conversations;
#[expect(clippy::module_inception, reason = "it is the corpus that this folder makes")]
pub mod corpus;
pub mod dataset;
mod error;
pub mod format;
pub mod loader;
mod numbers;
pub mod outline;
pub mod permutation;
pub mod report;
pub mod s3;
pub mod settings;
pub mod source;
pub mod text;
pub mod tokens;

pub use batch::Batch;
pub use corpus::Corpus;
pub use dataset::{Dataset, TooShort};
pub use error::CorpusError;
pub use loader::{FetchS3, Loader, default_cache};
pub use settings::CorpusSettings;
pub use source::Source;
pub use tokens::{Tokens, WordCounts};
