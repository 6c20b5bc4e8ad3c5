//! Tokenizer in a file, recognised by its contents: `tokenizer.json`, or `vocab.json` with `merges.txt`.
//!
//! A vocabulary of the same size is not the same vocabulary: with another one's ids, a model reads and writes
//! gibberish.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use artifact::Tokenizer;
use artifact::tokenizer::byte_level::Vocabulary;
use artifact::tokenizer::file::TokenizerFile;
use artifact::tokenizer::{FILE_NAME, MAX_FILE_BYTES, Pattern, TokenizerError, UnsupportedTokenizer};

/// Files of tokenizers that are no BPE of bytes, and what writes them.
const FOREIGN: [(&str, &str); 5] = [
    ("tokenizer.model", "SentencePiece"),
    ("spiece.model", "SentencePiece"),
    ("sentencepiece.bpe.model", "SentencePiece"),
    ("vocab.txt", "WordPiece"),
    ("meta.pkl", "nanoGPT's characters"),
];

/// Settings of transformers, beside files that say none.
const CONFIG: &str = "tokenizer_config.json";

/// Pairs of files with tokens and merges, by transformers and by OpenAI.
const PAIRS: [[&str; 2]; 2] = [["vocab.json", "merges.txt"], ["encoder.json", "vocab.bpe"]];

/// A tokenizer that was found.
pub struct FoundTokenizer {
    /// The file.
    pub path: PathBuf,
    /// It; GPT-2's if the file has GPT-2's ids.
    pub tokenizer: Tokenizer,
    /// How it differs from GPT-2's, or the tokens that it adds to that: they are neither read nor written.
    pub beyond_gpt2: Result<Vec<String>, String>,
    file: TokenizerFile,
}

impl FoundTokenizer {
    /// It with the tokens that it adds to GPT-2's, which a chat template may write.
    ///
    /// # Errors
    /// If they are not supported.
    pub fn with_added(self) -> Result<Tokenizer, TokenizerFileError> {
        match self.beyond_gpt2 {
            Ok(added) if !added.is_empty() => complete(&self.path, &self.file),
            _ => Ok(self.tokenizer),
        }
    }
}

/// Why a tokenizer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerFileError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is another kind of tokenizer.
    #[error("{path}: {reason}. Only byte-level BPE is supported, as of GPT-2, GPT-4, Llama 3 or Qwen")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        reason: UnsupportedTokenizer,
    },
    /// There is none.
    #[error("{path}: there is no tokenizer; expected a tokenizer.json, or a vocab.json with merges.txt")]
    Nothing {
        /// The file or folder.
        path: PathBuf,
    },
    /// It did not load.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Reads the tokenizer in a file, or in a folder.
///
/// # Errors
/// If there is none, or it is not supported.
pub fn read_tokenizer(path: &Path) -> Result<FoundTokenizer, TokenizerFileError> {
    let nothing = || TokenizerFileError::Nothing { path: path.to_owned() };
    if path.is_dir() {
        return find_tokenizer(path)?.ok_or_else(nothing);
    }
    let name = path.file_name().unwrap_or_default();
    if let Some([_, merges]) = PAIRS.into_iter().find(|[tokens, _]| name == *tokens) {
        return read_pair(path, merges)?.ok_or_else(nothing);
    }
    if let Some((_, what)) = FOREIGN.into_iter().find(|(foreign, _)| name == *foreign) {
        return Err(foreign(path.to_owned(), what));
    }
    read_json(path)?.ok_or_else(nothing)
}

/// The tokenizer in a folder, if there is one.
///
/// # Errors
/// If it is not supported.
pub fn find_tokenizer(folder: &Path) -> Result<Option<FoundTokenizer>, TokenizerFileError> {
    if let Some(found) = read_json(&folder.join(FILE_NAME))? {
        return Ok(Some(found));
    }
    for [tokens, merges] in PAIRS {
        if let Some(found) = read_pair(&folder.join(tokens), merges)? {
            return Ok(Some(found));
        }
    }
    let there =
        FOREIGN.map(|(name, what)| (folder.join(name), what)).into_iter().find(|(path, _)| path.exists());
    match there {
        Some((path, what)) => Err(foreign(path, what)),
        None => Ok(None),
    }
}

fn read_json(path: &Path) -> Result<Option<FoundTokenizer>, TokenizerFileError> {
    let Some(json) = read_small(path)? else { return Ok(None) };
    let file = TokenizerFile::from_json(&json).map_err(unsupported(path))?;
    recognised(path, file).map(Some)
}

fn read_pair(path: &Path, merges: &str) -> Result<Option<FoundTokenizer>, TokenizerFileError> {
    let Some(tokens) = read_small(path)? else { return Ok(None) };
    let Some(merges_text) = read_small(&path.with_file_name(merges))? else {
        return Err(unsupported(path)(UnsupportedTokenizer(format!("{merges} is not beside it"))));
    };
    let config = read_config(&path.with_file_name(CONFIG))?;
    if let Some(setting) =
        ["add_bos_token", "add_eos_token"].into_iter().find(|setting| config[*setting] == true)
    {
        let reason = format!("{CONFIG} beside it adds something to each text (`{setting}`)");
        return Err(unsupported(path)(UnsupportedTokenizer(reason)));
    }
    let mut file = TokenizerFile::from_pair(&tokens, &merges_text).map_err(unsupported(path))?;
    file.pre_tokenizer.prefix_space = config["add_prefix_space"] == true;
    recognised(path, file).map(Some)
}

/// Settings of transformers; null if there are none.
fn read_config(path: &Path) -> Result<serde_json::Value, TokenizerFileError> {
    match read_small(path)? {
        Some(json) => serde_json::from_slice(&json)
            .map_err(|error| unsupported(path)(UnsupportedTokenizer(error.to_string()))),
        None => Ok(serde_json::Value::Null),
    }
}

/// GPT-2's, if it has the same ids, or the tokenizer in the file.
fn recognised(path: &Path, file: TokenizerFile) -> Result<FoundTokenizer, TokenizerFileError> {
    let gpt2 = Tokenizer::gpt2()?;
    let beyond_gpt2 = match file.pre_tokenizer.known() {
        Some(Pattern::Gpt2) => Vocabulary::of(&gpt2)
            .compare(&file.tokens, &file.merges)
            .map_err(|difference| difference.to_string()),
        _ => Err(format!("it prepares texts otherwise: {}", file.pre_tokenizer)),
    };
    let tokenizer = match &beyond_gpt2 {
        Ok(_) => gpt2,
        Err(_) => complete(path, &file)?,
    };
    Ok(FoundTokenizer { path: path.to_owned(), tokenizer, beyond_gpt2, file })
}

/// The tokenizer in the file, with all of its ids.
fn complete(path: &Path, file: &TokenizerFile) -> Result<Tokenizer, TokenizerFileError> {
    Ok(Tokenizer::new(file.imported().map_err(unsupported(path))?)?)
}

fn unsupported(path: &Path) -> impl FnOnce(UnsupportedTokenizer) -> TokenizerFileError {
    let path = path.to_owned();
    move |reason| TokenizerFileError::Unsupported { path, reason }
}

fn foreign(path: PathBuf, what: &str) -> TokenizerFileError {
    unsupported(&path)(UnsupportedTokenizer(format!("it is a tokenizer of {what}")))
}

/// Reads a file if it is there; what is beyond the limit is cut off, and the rest no valid JSON.
fn read_small(path: &Path) -> Result<Option<Vec<u8>>, TokenizerFileError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TokenizerFileError::Io { path: path.to_owned(), source }),
    }
}
