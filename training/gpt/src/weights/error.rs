//! Errors of reading and writing weights, by file and tensor.

use std::io;
use std::path::PathBuf;

use artifact::chat::TemplateError;
use artifact::config::{Activation, ConfigError};
use artifact::tokenizer::TokenizerError;
use store::PathError;

use crate::tokenizer::TokenizerFileError;

/// Why a file of weights cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// A folder without weights.
    #[error("{path}: it holds no file of weights; looked for {looked_for}")]
    NoFile {
        /// The folder.
        path: PathBuf,
        /// The names that were looked for.
        looked_for: String,
    },
    /// An adapter that is no change of the model.
    #[error("{path}: {problem}")]
    Adapter {
        /// The file.
        path: PathBuf,
        /// What was expected, and what was found.
        problem: String,
    },
    /// It is one of several files that hold a model together.
    #[error("{path}: it is one of several files of a model; give their folder, with its .index.json")]
    Shard {
        /// The file.
        path: PathBuf,
    },
    /// The index of several files is not valid.
    #[error("{path}: it is not a valid index of files with weights: {problem}")]
    Index {
        /// The index.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Weights of a library whose files are not read.
    #[error(
        "{path}: it is a file of {what}, which is not read here; expected safetensors or a PyTorch checkpoint, such \
         as save_pretrained of transformers writes"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose file it is.
        what: &'static str,
    },
    /// An output head that is said to be the embedding, and differs from it.
    #[error(
        "{path}: `{head}` is not `{embedding}`, though a tied output head was expected, as Hugging Face does without \
         `tie_word_embeddings`; if they are meant to differ, set `tie_word_embeddings` to false in config.json"
    )]
    NotTied {
        /// The file.
        path: PathBuf,
        /// Name of the output head.
        head: String,
        /// Name of the token embedding.
        embedding: String,
    },
    /// The chat template beside the weights cannot be used.
    #[error("{path}: {reason}; without a chat template, the model continues texts and answers nothing")]
    ChatTemplate {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// GPT-2's tokenizer was asked for, and the one beside the weights is another.
    #[error(
        "{path}: the model's tokenizer is not GPT-2's: {reason}; without --tokenizer gpt2 it is taken as it is"
    )]
    OtherTokenizer {
        /// The tokenizer.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// The tokenizer cannot be read or is not supported.
    #[error("{0}; --tokenizer none takes the model without one, and then it reads and writes no text")]
    TokenizerFile(#[from] TokenizerFileError),
    /// A tokenizer is trained before its model is.
    #[error(
        "--tokenizer train is for a model from random weights; these weights have ids of a tokenizer already: pass its \
         tokenizer.json, gpt2, bytes or none"
    )]
    TrainedTokenizer,
    /// Nothing but the size of the vocabulary says which tokenizer it is.
    #[error(
        "{path}: there is no tokenizer beside it, and a vocabulary of {vocab_size} ids can be that of any; put its \
         tokenizer.json there, or pass --tokenizer gpt2 if it is GPT-2's, or --tokenizer none"
    )]
    UnknownTokenizer {
        /// The file of weights.
        path: PathBuf,
        /// Its number of ids.
        vocab_size: usize,
    },
    /// The model has fewer ids than the tokenizer.
    #[error(
        "{path}: the model has {vocab_size} ids, fewer than the {needed} of its tokenizer; pass --tokenizer none"
    )]
    SmallVocabulary {
        /// The file of weights.
        path: PathBuf,
        /// Its number of ids.
        vocab_size: usize,
        /// Ids of the tokenizer.
        needed: usize,
    },
    /// The tokenizer that is compiled in did not load.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// It looks like a safetensors file and is none.
    #[error("{path}: it is not a valid safetensors file: {problem}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// It is not a PyTorch checkpoint either.
    #[error("{path}: it is neither a valid safetensors file nor a PyTorch checkpoint: {source}")]
    PyTorch {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pytorch_reader::PytorchError,
    },
    /// Tensors that repeat a few stored numbers, as no file of weights does.
    #[error("{path}: its tensors would take {claimed} bytes, more than twice its {found} bytes")]
    Inflated {
        /// The file.
        path: PathBuf,
        /// Bytes of all tensors.
        claimed: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The names are those of some other model.
    #[error(
        "{path}: it holds no GPT: no tensor is named `tok_emb.weight`, as in LLMs-from-scratch, or \
         `wte.weight`, as in Hugging Face's GPT-2 and in nanoGPT"
    )]
    UnknownModel {
        /// The file.
        path: PathBuf,
    },
    /// A weight of the model is not in the file.
    #[error("{path}: it has no tensor `{name}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A weight of the model has another shape or type in the file.
    #[error("{path}: tensor `{name}` is {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that the configuration asks for.
        expected: String,
    },
    /// The file has a weight that the model has no place for, so the model is another one.
    #[error("{path}: tensor `{name}` has no place in a GPT-2 of this shape")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The configuration beside the weights cannot be read.
    #[error("{path}: it is not a model configuration: {source}")]
    ConfigFile {
        /// The configuration.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration beside the weights contradicts them, or asks for what a [`Gpt`](crate::Gpt)
    /// does not compute.
    #[error("{path}: `{field}` is {found}, expected {expected}")]
    Config {
        /// The configuration.
        path: PathBuf,
        /// The field at fault.
        field: &'static str,
        /// Its value.
        found: String,
        /// Accepted values.
        expected: String,
    },
    /// Tensors have the same shapes whatever the number of heads.
    #[error(
        "{path}: its tensors do not tell the number of attention heads; pass --n-heads, or put a \
         config.json with `n_heads` beside it"
    )]
    UnknownHeads {
        /// The file.
        path: PathBuf,
    },
    /// Tensors and configuration together describe no model.
    #[error("{path}: {source}")]
    InvalidShape {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ConfigError,
    },
}

/// Why weights cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A file or folder could not be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The weights could not be written.
    #[error("{path}: {source}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// The chat template does not say where an answer ends.
    #[error(transparent)]
    ChatTemplate(#[from] TemplateError),
    /// An export does not replace what is there.
    #[error("{path}: it exists already; remove it or export to another place")]
    Exists {
        /// The folder or file.
        path: PathBuf,
    },
    /// The format has no way to say what the model computes.
    #[error("llama.cpp computes gpt2 with `gelu_tanh` alone, and this model's activation is `{found}`")]
    Activation {
        /// The model's activation.
        found: Activation,
    },
    /// The format has no name for what the tokenizer does to texts first.
    #[error("llama.cpp has no name for the model's pre-tokenizer ({found})")]
    PreTokenizer {
        /// The model's.
        found: String,
    },
    /// A weight is beyond the numbers of float16.
    #[error("tensor `{name}` has a weight of {value:e}, beyond float16; export it as float32")]
    BeyondFloat16 {
        /// The tensor.
        name: String,
        /// The weight.
        value: f32,
    },
}
