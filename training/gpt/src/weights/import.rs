//! Import of a model from a file of weights whose format and shape are not known.

use std::fmt;
use std::path::{Path, PathBuf};

use artifact::manifest::TokenizerRef;
use artifact::tokenizer::END_OF_TEXT;
use artifact::{ChatTemplate, GptConfig, Sha256Hex, Tokenizer};
use burn::tensor::Device;
use serde::Deserialize;

use super::chat_template;
use super::config_file::ConfigFile;
use super::error::ImportError;
use super::load::load as load_parameters;
use super::names::{Convention, Names};
use super::safetensors::SAFETENSORS;
use super::shape::{ImportOptions, infer};
use super::small_file::read_small;
use super::tensor_file::{Container, TensorFile};
use crate::model::Gpt;
use crate::tokenizer::{FoundTokenizer, TokenizerSource, find_tokenizer, read_tokenizer};

/// More than a manifest needs.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// File names that are looked for in a folder.
const FILES: [&str; 6] = [
    SAFETENSORS,
    "model.safetensors.index.json",
    "model.pth",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "ckpt.pt",
];

/// Files of weights for other libraries, which are named where there are no others.
const FOREIGN: [(&str, &str); 3] =
    [("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax"), ("model.ckpt.index", "TensorFlow")];

/// Format of a file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A PyTorch checkpoint of LLMs-from-scratch (chapter 5), `model.pth`.
    PyTorch,
    /// Safetensors under the same names, such as this project publishes.
    Safetensors,
    /// Hugging Face's GPT-2, as safetensors or as a PyTorch checkpoint.
    HuggingFace,
    /// A checkpoint of nanoGPT, `ckpt.pt`.
    NanoGpt,
}

impl fmt::Display for Format {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::Safetensors => "safetensors",
            Self::HuggingFace => "Hugging Face GPT-2",
            Self::NanoGpt => "nanoGPT",
        })
    }
}

/// A model from elsewhere.
#[derive(Debug)]
pub struct Imported {
    /// The model.
    pub model: Gpt,
    /// Its shape.
    pub config: GptConfig,
    /// Format of the file.
    pub source: Format,
    /// The file that it was read from, or the index of several.
    pub file: PathBuf,
    /// The files that an index names.
    pub shards: Vec<PathBuf>,
    choice: Option<TokenizerSource>,
}

impl Imported {
    /// Its tokenizer: the one that was asked for, else the one beside the weights. A model that is too small for
    /// GPT-2's and has none beside it has none.
    ///
    /// # Errors
    /// If it is not the one that was asked for, is not supported, or nothing but the size of the vocabulary speaks for
    /// one.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, ImportError> {
        let tokenizer = match &self.choice {
            None => self.own_tokenizer()?,
            Some(TokenizerSource::None) => None,
            Some(TokenizerSource::Gpt2) => Some(self.gpt2()?),
            Some(TokenizerSource::Bytes) => Some(Tokenizer::bytes()?),
            Some(TokenizerSource::File(path)) => Some(read_tokenizer(path)?.tokenizer),
            Some(TokenizerSource::Train(_)) => return Err(ImportError::TrainedTokenizer),
        };
        let (path, vocab_size) = (self.file.clone(), self.config.vocab_size);
        match tokenizer.as_ref().map(Tokenizer::vocab_size) {
            Some(needed) if vocab_size < needed => {
                Err(ImportError::SmallVocabulary { path, vocab_size, needed })
            }
            _ => Ok(tokenizer),
        }
    }

    /// The chat template beside the weights, if the model has a tokenizer and so reads texts.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, ImportError> {
        match self.tokenizer()? {
            Some(_) => chat_template::beside(self.folder()),
            None => Ok(None),
        }
    }

    /// The tokenizer beside the weights. Tokens beyond GPT-2's count in a model that answers: its template writes them.
    fn own_tokenizer(&self) -> Result<Option<Tokenizer>, ImportError> {
        if let Some(found) = self.beside()? {
            let answers = chat_template::beside(self.folder())?.is_some();
            return Ok(Some(if answers { found.with_added()? } else { found.tokenizer }));
        }
        let (path, vocab_size) = (self.file.clone(), self.config.vocab_size);
        match in_manifest(&self.file.with_file_name(store::MANIFEST))? {
            Some(tokenizer) => Ok(tokenizer),
            None if vocab_size <= END_OF_TEXT as usize => Ok(None),
            None => Err(ImportError::UnknownTokenizer { path, vocab_size }),
        }
    }

    /// GPT-2's tokenizer, unless the one beside the weights is another.
    fn gpt2(&self) -> Result<Tokenizer, ImportError> {
        match self.beside()? {
            Some(FoundTokenizer { path, beyond_gpt2: Err(reason), .. }) => {
                Err(ImportError::OtherTokenizer { path, reason })
            }
            _ => Ok(Tokenizer::gpt2()?),
        }
    }

    fn beside(&self) -> Result<Option<FoundTokenizer>, ImportError> {
        Ok(find_tokenizer(self.folder())?)
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// What a person should know of its tokenizer: tokens beyond GPT-2's are neither read nor written.
    ///
    /// # Errors
    /// As of [`tokenizer`](Self::tokenizer).
    pub fn tokenizer_note(&self) -> Result<Option<String>, ImportError> {
        if self.choice.is_some() || self.chat_template()?.is_some() {
            return Ok(None);
        }
        let Some(FoundTokenizer { path, beyond_gpt2: Ok(added), .. }) = self.beside()? else {
            return Ok(None);
        };
        let [first, ..] = &added[..] else { return Ok(None) };
        let (path, count) = (path.display(), added.len());
        Ok(Some(format!(
            "{path}: {count} tokens beyond GPT-2's, such as `{first}`, are neither read nor written"
        )))
    }

    /// Digest of the file of weights; of several, that of their digests and names as `sha256sum` lists them, the
    /// index first.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn sha256(&self) -> Result<Sha256Hex, ImportError> {
        let digest = |path: &PathBuf| match Sha256Hex::of_file(path) {
            Ok((sha256, _)) => Ok(sha256),
            Err(source) => Err(ImportError::Io { path: path.clone(), source }),
        };
        if self.shards.is_empty() {
            return digest(&self.file);
        }
        let mut list = String::new();
        for path in std::iter::once(&self.file).chain(&self.shards) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            list += &format!("{}  {name}\n", digest(path)?);
        }
        Ok(Sha256Hex::of_bytes(list.as_bytes()))
    }
}

/// The tokenizer that a version's manifest names, if there is a manifest.
fn in_manifest(path: &Path) -> Result<Option<Option<Tokenizer>>, ImportError> {
    #[derive(Deserialize)]
    struct Manifest {
        tokenizer: Option<TokenizerRef>,
    }
    let Some(json) = read_small(path, MAX_MANIFEST_BYTES)? else { return Ok(None) };
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|source| ImportError::ConfigFile { path: path.to_owned(), source })?;
    let tokenizer = manifest.tokenizer.map(|reference| Tokenizer::from_manifest(&reference, None));
    Ok(Some(tokenizer.transpose()?))
}

/// Reads a model whose shape is not known: a file of weights, or a folder with one.
///
/// The file is recognised by its contents. What the tensors do not tell is taken from `options`, or
/// from a `config.json` or manifest beside the file in the words of this project, LLMs-from-scratch,
/// nanoGPT or Hugging Face.
///
/// # Errors
/// If it is no GPT-2, or not wholly; names the file and what is wrong with it.
pub fn import(path: &Path, options: &ImportOptions, device: &Device) -> Result<Imported, ImportError> {
    let file = TensorFile::open(&find_file(path)?)?;
    file.check_complete()?;
    let beside = match ConfigFile::beside(&file.path)? {
        None if file.container == Container::PyTorch && file.shards.is_empty() => {
            ConfigFile::inside(&file.path)?
        }
        beside => beside,
    };
    if let Some(beside) = &beside {
        beside.check_kind()?;
    }
    let names = detect(&file)?;
    let config = infer(&file, &names, beside.as_ref(), options)?;
    let model = load_parameters(&config, &file, &names, device)?;
    let source = match (names.convention, file.container) {
        (Convention::HuggingFace, _) => Format::HuggingFace,
        (Convention::NanoGpt, _) => Format::NanoGpt,
        (Convention::LlmsFromScratch, Container::Safetensors) => Format::Safetensors,
        (Convention::LlmsFromScratch, Container::PyTorch) => Format::PyTorch,
    };
    let TensorFile { path: file, shards, .. } = file;
    Ok(Imported { model, config, source, file, shards, choice: options.tokenizer.clone() })
}

/// The names in a file. Hugging Face and nanoGPT differ in layout alone: the map to queries, keys and values has
/// three times as many outputs as inputs, and these are its columns or its rows.
fn detect(file: &TensorFile) -> Result<Names, ImportError> {
    let names =
        Names::detect(file.names()).ok_or_else(|| ImportError::UnknownModel { path: file.path.clone() })?;
    let qkv = names.place("blocks.0.attention.query.weight", true).name;
    let has_outputs_as_rows = matches!(file.shape(&qkv), Some([rows, columns]) if rows > columns);
    if names.convention == Convention::HuggingFace && has_outputs_as_rows {
        let has_biases = file.has(&names.place("final_norm.shift", false).name);
        return Ok(names.of_nano_gpt(!has_biases));
    }
    Ok(names)
}

/// Reads a model of a known, [valid](GptConfig::validate) shape under the names of LLMs-from-scratch.
///
/// # Errors
/// If a weight is missing, has another shape, or has no place in the model.
pub fn load(config: &GptConfig, path: &Path, device: &Device) -> Result<Gpt, ImportError> {
    load_parameters(config, &TensorFile::open(path)?, &Names::ours(), device)
}

/// The file itself, or the first of [`FILES`] in a folder.
fn find_file(path: &Path) -> Result<PathBuf, ImportError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    if let Some(file) = FILES.map(|name| path.join(name)).into_iter().find(|file| file.exists()) {
        return Ok(file);
    }
    match FOREIGN.map(|(name, what)| (path.join(name), what)).into_iter().find(|(file, _)| file.exists()) {
        Some((path, what)) => Err(ImportError::Foreign { path, what }),
        None => Err(ImportError::NoFile { path: path.to_owned(), looked_for: FILES.join(", ") }),
    }
}
