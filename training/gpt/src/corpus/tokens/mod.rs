//! Token ids on disk: texts are encoded once and read in windows.
//!
//! - `chunks`: a document cut where that changes no id;
//! - `surveyed`: the documents of a corpus, in chunks;
//! - `encode`: chunks encoded on all cores; `words`: their words, counted to train a tokenizer;
//! - `shard`: files of ids, which belong to a `shelf`;
//! - [`ids`]: the ids of one split, shard after shard;
//! - `cache`: all of this, once for each corpus;
//! - `reencode`: the ids of the same text for another tokenizer;
//! - `token_bytes`: how many bytes of text ids stand for.

mod cache;
mod chunks;
mod encode;
pub mod ids;
mod reencode;
mod shard;
mod shelf;
mod surveyed;
mod token_bytes;
mod words;

pub(super) use cache::encoded;
pub use cache::{Encoded, Index};
pub use encode::Lengths;
pub use ids::Tokens;
pub use reencode::reencode;
pub use shelf::{Damage, IdBytes, Shelf, Split};
pub use surveyed::Placed;
pub use token_bytes::TokenBytes;
pub use words::WordCounts;
pub(super) use words::count_words;
