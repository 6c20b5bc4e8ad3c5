//! Error of a tokenizer that is not supported.

/// A tokenizer that is not supported, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UnsupportedTokenizer(pub String);
