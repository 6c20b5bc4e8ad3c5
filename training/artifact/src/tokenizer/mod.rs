//! GPT-2 tokenizer, and its vocabulary in the form that other libraries write.
//!
//! - `gpt2`: byte-pair encoding of text to token ids and back;
//! - [`byte_level`]: the vocabulary as text and merges, to write it and to recognise it.

pub mod byte_level;
mod gpt2;

pub use gpt2::{END_OF_TEXT, GPT2, Tokenizer, TokenizerError, UnknownToken};
