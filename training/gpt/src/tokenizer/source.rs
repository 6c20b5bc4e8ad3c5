//! Tokenizer of a model: GPT-2's, the 256 bytes, one trained on its texts, one in a file, or none.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use artifact::tokenizer::bpe::MAX_IDS;
use artifact::tokenizer::characters::BYTES;
use serde::{Deserialize, Serialize};

/// The smallest vocabulary: the bytes and the token between documents.
pub const MIN_VOCAB_SIZE: usize = BYTES + 1;
/// The largest vocabulary.
pub const MAX_VOCAB_SIZE: usize = MAX_IDS;

/// The tokenizer of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenizerSource {
    /// GPT-2's byte-pair encoding, 50,257 ids.
    #[default]
    Gpt2,
    /// The 256 bytes and the token between documents.
    Bytes,
    /// Byte-pair encoding trained on the corpus, with so many ids; without a number, as many as
    /// [`default_vocab_size`](super::default_vocab_size) says.
    Train(Option<usize>),
    /// A `tokenizer.json`, a `vocab.json` with its `merges.txt`, or the folder of one.
    File(PathBuf),
    /// None: the model reads and writes no text.
    None,
}

/// A tokenizer that cannot be trained.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "`{0}`: expected train, or train:N with a vocabulary of {MIN_VOCAB_SIZE} to {MAX_VOCAB_SIZE} ids, such as train:4096"
)]
pub struct TokenizerSourceError(String);

impl FromStr for TokenizerSource {
    type Err = TokenizerSourceError;

    fn from_str(text: &str) -> Result<Self, TokenizerSourceError> {
        Ok(match text.split_once(':').unwrap_or((text, "")) {
            ("gpt2", "") => Self::Gpt2,
            ("bytes", "") => Self::Bytes,
            ("none", "") => Self::None,
            ("train", "") if text == "train" => Self::Train(None),
            ("train", size) => match size.parse() {
                Ok(size) if (MIN_VOCAB_SIZE..=MAX_VOCAB_SIZE).contains(&size) => Self::Train(Some(size)),
                _ => return Err(TokenizerSourceError(text.to_owned())),
            },
            _ => Self::File(text.into()),
        })
    }
}

impl fmt::Display for TokenizerSource {
    /// As it is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpt2 => f.write_str("gpt2"),
            Self::Bytes => f.write_str("bytes"),
            Self::Train(None) => f.write_str("train"),
            Self::Train(Some(size)) => write!(f, "train:{size}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::None => f.write_str("none"),
        }
    }
}

impl TryFrom<String> for TokenizerSource {
    type Error = TokenizerSourceError;

    fn try_from(text: String) -> Result<Self, TokenizerSourceError> {
        text.parse()
    }
}

impl From<TokenizerSource> for String {
    fn from(source: TokenizerSource) -> Self {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_is_named_trained_or_in_a_file() {
        for (text, expected) in [
            ("gpt2", TokenizerSource::Gpt2),
            ("bytes", TokenizerSource::Bytes),
            ("none", TokenizerSource::None),
            ("train", TokenizerSource::Train(None)),
            ("train:4096", TokenizerSource::Train(Some(4096))),
            ("train:1048576", TokenizerSource::Train(Some(1_048_576))),
            ("models/tokenizer.json", TokenizerSource::File("models/tokenizer.json".into())),
            ("./gpt2", TokenizerSource::File("./gpt2".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
        for text in ["train:", "train:256", "train:many", "train:1048577", "train:-1"] {
            let error = text.parse::<TokenizerSource>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("257 to 1048576"), "{error}");
        }
    }
}
