//! Tokenizer: byte-level byte-pair encoding, GPT-2's or one of a model's own.
//!
//! - `tokenizer`: text to token ids and back, `special`: with special tokens by their spelling;
//! - [`bpe`]: a vocabulary, and the order in which merging makes its tokens;
//! - [`pattern`]: the regular expressions that split texts before, [`pre_tokenizer`]: all that is done to texts before;
//! - [`characters`]: how files spell bytes;
//! - [`mod@file`]: Hugging Face's files, read;
//! - [`byte_level`]: a vocabulary as text and merges, to write it and to recognise it;
//! - [`json`]: Hugging Face's `tokenizer.json`, written.

pub mod bpe;
pub mod byte_level;
pub mod characters;
mod error;
pub mod file;
pub mod json;
pub mod pattern;
pub mod pre_tokenizer;
mod special;
#[expect(clippy::module_inception, reason = "it is the tokenizer that this folder makes")]
mod tokenizer;

pub use bpe::Bpe;
pub use error::UnsupportedTokenizer;
pub use pattern::Pattern;
pub use pre_tokenizer::PreTokenizer;
pub use tokenizer::{END_OF_TEXT, FILE_NAME, GPT2, MAX_FILE_BYTES, Tokenizer, TokenizerError, UnknownToken};
