//! Tokenizers of training runs: which one a run has, and training one on its texts.
//!
//! - [`source`]: GPT-2's, bytes, one that is trained, or one in a file;
//! - [`training`]: byte-pair encoding trained on the words of a corpus;
//! - [`file`]: `tokenizer.json`, or `vocab.json` with `merges.txt`, recognised by its contents.

pub mod file;
pub mod source;
pub mod training;

pub use file::{FoundTokenizer, TokenizerFileError, find_tokenizer, read_tokenizer};
pub use source::{TokenizerSource, TokenizerSourceError};
pub use training::{TrainingError, default_vocab_size, train_tokenizer};

#[cfg(test)]
mod tests;
