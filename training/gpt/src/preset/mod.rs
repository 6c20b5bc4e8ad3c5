//! Presets: the settings of a training run, in TOML.
//!
//! - [`settings`]: every setting, and its names in PyTorch, nanoGPT and Hugging Face's `Trainer`;
//! - `load`: built-in presets and files, with `overrides` from the command line;
//! - `validate`: the range of each setting, and `synonyms`: a setting under another library's name.

mod error;
mod load;
mod overrides;
pub mod settings;
mod synonyms;
mod validate;

pub use error::{FieldError, PresetError};
pub use overrides::{Override, OverrideError};
pub use settings::{Initialization, Preset, SampleSettings, TrainingSettings};

pub use crate::corpus::CorpusSettings;
