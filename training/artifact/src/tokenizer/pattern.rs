//! Split patterns (pre-tokenization): the regular expressions by which byte-level tokenizers cut a text into pieces
//! before they encode each by itself.
//!
//! | name | tokenizers with it |
//! |---|---|
//! | `gpt2` | GPT-2, GPT-3, RoBERTa and most that Hugging Face's `ByteLevel` splits for |
//! | `cl100k` | GPT-4, Llama 3 |
//! | `qwen2` | Qwen 2 |
//! | `o200k` | GPT-4o |
//!
//! Every character is in a piece, so that encoding loses nothing. Others are not known: what a pattern does not match is
//! dropped by one library and kept by another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// GPT-2's, as Hugging Face writes it.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// The same, which backtracks less: tiktoken's.
const GPT2_POSSESSIVE: &str =
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A known split pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// GPT-2's: words and numbers with the space before them, runs of other characters.
    #[default]
    Gpt2,
    /// GPT-4's and Llama 3's: numbers in groups of three, line ends with the signs before them.
    Cl100k,
    /// Qwen 2's: as `cl100k`, and each digit by itself.
    Qwen2,
    /// GPT-4o's: as `cl100k`, words also cut before a capital letter.
    O200k,
}

/// The name of a pattern that is not known.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` is no split pattern, expected gpt2, cl100k, qwen2 or o200k")]
pub struct UnknownPattern(String);

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gpt2, Self::Cl100k, Self::Qwen2, Self::O200k];

    /// The regular expression as Hugging Face's `tokenizer.json` has it.
    pub fn expression(self) -> &'static str {
        match self {
            Self::Gpt2 => GPT2,
            Self::Cl100k => CL100K,
            Self::Qwen2 => QWEN2,
            Self::O200k => O200K,
        }
    }

    /// An expression with the same matches for a matcher that backtracks.
    pub fn expression_to_run(self) -> &'static str {
        match self {
            Self::Gpt2 => GPT2_POSSESSIVE,
            other => other.expression(),
        }
    }

    /// The pattern with this regular expression, if it is a known one.
    pub fn of_expression(expression: &str) -> Option<Self> {
        let has =
            |pattern: &Self| pattern.expression() == expression || pattern.expression_to_run() == expression;
        Self::ALL.into_iter().find(has)
    }
}

impl fmt::Display for Pattern {
    /// Its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt2 => "gpt2",
            Self::Cl100k => "cl100k",
            Self::Qwen2 => "qwen2",
            Self::O200k => "o200k",
        })
    }
}

impl FromStr for Pattern {
    type Err = UnknownPattern;

    fn from_str(text: &str) -> Result<Self, UnknownPattern> {
        let known = Self::ALL.into_iter().find(|pattern| pattern.to_string() == text);
        known.ok_or_else(|| UnknownPattern(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_known_by_its_name_and_its_expression() {
        for pattern in Pattern::ALL {
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
            assert_eq!(Pattern::of_expression(pattern.expression()), Some(pattern));
            assert_eq!(serde_json::to_value(pattern).unwrap(), pattern.to_string());
        }
        assert_eq!(Pattern::of_expression(r"\w+"), None);
        let error = "p50k".parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains("`p50k`") && error.contains("qwen2"), "{error}");
    }
}
