//! Errors of a release, by file and remedy.

use std::io;
use std::path::{Path, PathBuf};

use artifact::chat::TemplateError;
use artifact::config::ConfigError;
use artifact::draft::DraftError;
use artifact::tokenizer::{TokenizerError, UnknownToken};
use engine::EngineError;
use store::{StoreError, VersionRef};

use super::report::plot::PlotError;
use crate::corpus::{CorpusError, TooShort};
use crate::onnx::ExportError;
use crate::preset::PairError;
use crate::tasks::TasksError;
use crate::train::{CheckpointError, TrainError};
use crate::weights::{ImportError, SaveError};

/// An error of a release. Until the last step of a publication, nothing of it is visible in the store.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A file that could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Ids are not of the tokenizer that they should be of.
    #[error(transparent)]
    UnknownToken(#[from] UnknownToken),
    /// Weights that could not be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Weights that could not be written.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// An ONNX file that could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// ONNX Runtime refuses an export, or fails to run it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A validation text without a whole window.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// The validation text could not be encoded for another tokenizer.
    #[error("encoding the validation text for the version being served: {0}")]
    Corpus(#[from] CorpusError),
    /// A model configuration that describes no model.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Checkpoints could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Steps could not be made to measure them.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Settings that cannot go together.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// A tokenizer that this build does not have.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Tasks could not be scored.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The chat template of a model fails.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Only a model with a tokenizer reads and writes texts.
    #[error("{model} has no tokenizer, so it can be asked nothing")]
    NoTokenizerToAsk {
        /// The model.
        model: String,
    },
    /// The chat template of a version cannot be used.
    #[error("{version}: {reason}; it was written for another build of gpt, or is not what its author meant")]
    ChatTemplate {
        /// The version.
        version: VersionRef,
        /// Why not.
        reason: String,
    },
    /// The draft index of the training text could not be built.
    #[error("building the draft index of the training text: {0}")]
    Draft(#[from] DraftError),
    /// The report could not be rendered.
    #[error("rendering the report: {0}")]
    Report(#[from] askama::Error),
    /// The loss curve could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The settings of the training could not be written as JSON.
    #[error("writing the settings of the training as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The settings of the training could not be written as TOML.
    #[error("writing the settings of the training as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    /// The model has fewer ids than the tokenizer.
    #[error(
        "`model.vocab_size` is {found}, expected at least {needed}, the size of the {tokenizer} vocabulary"
    )]
    Vocabulary {
        /// Ids of the model.
        found: usize,
        /// Ids of the tokenizer.
        needed: usize,
        /// Name of the tokenizer.
        tokenizer: String,
    },
    /// A version knows for certain what the option would say.
    #[error("{option} is for files of weights; a published version says it in its manifest")]
    OptionOfWeights {
        /// The option.
        option: &'static str,
    },
    /// The model to train on has no tokenizer, so no text has ids for it.
    #[error("the model to start from has no tokenizer, so it cannot be trained on text here")]
    NoTokenizer,
    /// Without a prompt, there is nothing to sample after an epoch.
    #[error(
        "the corpus has no paragraph of at least four words to take a prompt from; use a text with paragraphs"
    )]
    NoPrompt,
    /// A channel or version was asked for without a store.
    #[error("channels and versions are in a store: pass --store, or the path of a file of weights")]
    NoStore,
    /// The store has no version of this model.
    #[error("the store has no model `{name}`; `gpt models` lists those that it has")]
    NoModel {
        /// The name that was asked for.
        name: String,
    },
    /// The gate would have nothing to compare two versions on.
    #[error(
        "channel {channel} names {serving} already, and the new version's validation loss must not be \
         higher on the same text: pass --corpus"
    )]
    NoText {
        /// The channel.
        channel: String,
        /// The version that it names.
        serving: VersionRef,
    },
    /// A version without a tokenizer predicts no text.
    #[error(
        "{serving} has no tokenizer, so it predicts no text and the two cannot be compared; use another channel"
    )]
    NoTokenizerToCompare {
        /// The version being served.
        serving: VersionRef,
    },
}

impl ReleaseError {
    /// Names the file that an I/O error is about.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
