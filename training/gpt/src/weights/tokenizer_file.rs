//! Tokenizer beside a file of weights, recognised by its contents.
//!
//! A vocabulary of the same size is not the same vocabulary: with another one's ids, a model reads and writes
//! gibberish.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use artifact::Tokenizer;
use artifact::manifest::TokenizerRef;
use artifact::tokenizer::byte_level::Vocabulary;
use serde::Deserialize;
use serde_json::Value;

use super::error::ImportError;
use super::small_file::read_small;

/// More than a tokenizer needs: that of a quarter of a million tokens takes 20 MB.
const MAX_BYTES: u64 = 64 << 20;

/// Files of tokenizers that are none of GPT-2's, and what writes them.
const FOREIGN: [(&str, &str); 5] = [
    ("tokenizer.model", "SentencePiece"),
    ("spiece.model", "SentencePiece"),
    ("sentencepiece.bpe.model", "SentencePiece"),
    ("vocab.txt", "WordPiece"),
    ("meta.pkl", "nanoGPT's characters"),
];

/// Pairs of files with tokens and merges, by transformers and by OpenAI.
const PAIRS: [[&str; 2]; 2] = [["vocab.json", "merges.txt"], ["encoder.json", "vocab.bpe"]];

/// The tokenizer of a model from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TokenizerChoice {
    /// GPT-2's byte-pair encoding; ids beyond its 50257 are padding and are never sampled.
    Gpt2,
    /// None: the model reads and writes no text.
    None,
}

/// A tokenizer that was found.
#[derive(Debug, PartialEq)]
pub(super) enum TokenizerFile {
    /// GPT-2's, in the file `path`, with so many further tokens.
    Gpt2 {
        /// The file.
        path: PathBuf,
        /// The tokens.
        added: Vec<String>,
    },
    /// A manifest says that there is none.
    Without,
    /// Another one.
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
}

impl TokenizerFile {
    /// The tokenizer in the folder of a file of weights, if there is one.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn beside(weights: &Path, gpt2: &Tokenizer) -> Result<Option<Self>, ImportError> {
        let judged = |path: PathBuf, found: Result<Vec<String>, String>| match found {
            Ok(added) => Self::Gpt2 { path, added },
            Err(reason) => Self::Foreign { path, reason },
        };
        let path = weights.with_file_name("tokenizer.json");
        if let Some(json) = read_small(&path, MAX_BYTES)? {
            return Ok(Some(judged(path, compare_tokenizer(&json, gpt2))));
        }
        for [tokens, merges] in PAIRS {
            let path = weights.with_file_name(tokens);
            if let Some(json) = read_small(&path, MAX_BYTES)? {
                let text = read_small(&weights.with_file_name(merges), MAX_BYTES)?;
                let compared = match text {
                    Some(text) => compare_pair(&json, &text, gpt2),
                    None => Err(format!("{merges} is not beside it")),
                };
                return Ok(Some(judged(path, compared)));
            }
        }
        let foreign = FOREIGN.into_iter().map(|(name, what)| (weights.with_file_name(name), what));
        if let Some((path, what)) = foreign.into_iter().find(|(path, _)| path.exists()) {
            return Ok(Some(Self::Foreign { path, reason: format!("it is a tokenizer of {what}") }));
        }
        in_manifest(&weights.with_file_name(store::MANIFEST))
    }
}

/// The tokenizer that a version's manifest names.
fn in_manifest(path: &Path) -> Result<Option<TokenizerFile>, ImportError> {
    #[derive(Deserialize)]
    struct Manifest {
        tokenizer: Option<TokenizerRef>,
    }
    let Some(json) = read_small(path, MAX_BYTES)? else { return Ok(None) };
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|source| ImportError::ConfigFile { path: path.to_owned(), source })?;
    let path = path.to_owned();
    Ok(Some(match manifest.tokenizer.as_ref().map(Tokenizer::from_manifest).transpose() {
        Ok(Some(_)) => TokenizerFile::Gpt2 { path, added: Vec::new() },
        Ok(None) => TokenizerFile::Without,
        Err(error) => TokenizerFile::Foreign { path, reason: error.to_string() },
    }))
}

/// `tokenizer.json` of Hugging Face's tokenizers, as far as it decides the ids of a text.
#[derive(Deserialize)]
struct TokenizerJson {
    model: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: usize,
    content: String,
}

/// Byte-pair encoding: tokens by name, and merges as texts or as pairs.
#[derive(Deserialize)]
struct Bpe {
    vocab: HashMap<String, usize>,
    merges: Vec<Merge>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

/// The tokens that a `tokenizer.json` adds to GPT-2's, or how it differs.
fn compare_tokenizer(json: &[u8], gpt2: &Tokenizer) -> Result<Vec<String>, String> {
    let file: TokenizerJson = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let of_type = |value: &Value| value["type"].as_str().unwrap_or("nothing").to_owned();
    let kind = of_type(&file.model);
    // Files of early versions name no type.
    if kind != "BPE" && file.model.get("type").is_some() {
        return Err(format!("its model is {kind}, expected BPE"));
    }
    if !file.normalizer.is_null() {
        return Err(format!("it normalizes texts by {}", of_type(&file.normalizer)));
    }
    let by_bytes = of_type(&file.pre_tokenizer) == "ByteLevel"
        && file.pre_tokenizer["add_prefix_space"] == Value::Bool(false)
        && file.pre_tokenizer["use_regex"] != Value::Bool(false);
    if !by_bytes {
        let found = of_type(&file.pre_tokenizer);
        return Err(format!(
            "it splits texts by {found}, expected ByteLevel without a space before the text"
        ));
    }
    let bpe: Bpe = serde_json::from_value(file.model).map_err(|error| error.to_string())?;
    let affixes = [bpe.continuing_subword_prefix, bpe.end_of_word_suffix];
    if let Some(affix) = affixes.into_iter().flatten().find(|affix| !affix.is_empty()) {
        return Err(format!("it marks parts of words with `{affix}`"));
    }
    let merges = bpe.merges.into_iter().map(|merge| match merge {
        Merge::Pair(left, right) => Ok((left, right)),
        Merge::Text(text) => pair(&text),
    });
    let mut tokens = bpe.vocab;
    tokens.extend(file.added_tokens.into_iter().map(|token| (token.content, token.id)));
    compare(&tokens, &merges.collect::<Result<Vec<_>, _>>()?, gpt2)
}

/// The same of `vocab.json` and `merges.txt`.
fn compare_pair(tokens: &[u8], merges: &[u8], gpt2: &Tokenizer) -> Result<Vec<String>, String> {
    let tokens: HashMap<String, usize> = serde_json::from_slice(tokens).map_err(|error| error.to_string())?;
    let merges = std::str::from_utf8(merges).map_err(|error| error.to_string())?;
    let lines = merges
        .lines()
        .enumerate()
        .filter(|(number, line)| !(line.is_empty() || *number == 0 && line.starts_with("#version")));
    compare(&tokens, &lines.map(|(_, line)| pair(line)).collect::<Result<Vec<_>, _>>()?, gpt2)
}

fn compare(
    tokens: &HashMap<String, usize>,
    merges: &[(String, String)],
    gpt2: &Tokenizer,
) -> Result<Vec<String>, String> {
    let vocabulary = Vocabulary::of(gpt2).map_err(|error| error.to_string())?;
    vocabulary.compare(tokens, merges).map_err(|difference| difference.to_string())
}

/// The two tokens of a merge.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once(' ') {
        Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
        None => Err(format!("its merge `{text}` is not a pair")),
    }
}
