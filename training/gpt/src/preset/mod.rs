//! Presets: the settings of a training run, in TOML.
//!
//! - [`settings`]: every setting, and its names in PyTorch, nanoGPT and Hugging Face's `Trainer`;
//! - `load`: built-in presets and files, with `overrides` from the command line;
//! - `validate`: the range of each setting, `pairs`: settings that depend on each other, and `synonyms`: a setting
//!   under another library's name.

mod error;
mod load;
mod overrides;
mod pairs;
pub mod settings;
mod synonyms;
mod validate;

pub use error::{FieldError, PairError, PresetError};
pub use load::{AUTO, built_in};
pub use overrides::{Override, OverrideError};
pub use pairs::{RunFacts, check_decided_by_weights};
pub use settings::{
    Decay, Initialization, MatrixOptimizer, Precision, Preset, SampleSettings, TokenizerSettings,
    TrainingSettings,
};

pub use crate::corpus::CorpusSettings;
