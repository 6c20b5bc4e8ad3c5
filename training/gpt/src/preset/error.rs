//! Errors of presets, by file and field.

use std::path::PathBuf;

use artifact::config::ConfigError;

use super::synonyms::Synonym;

/// A preset that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// Neither built in nor a file.
    #[error("there is no preset `{name}`; built in are {built_in}, or give the path of a .toml file")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names of the built-in presets.
        built_in: String,
    },
    /// The file could not be read.
    #[error("preset {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: std::io::Error,
    },
    /// It is not a preset, or not with its overrides.
    #[error("preset {name}: {source}")]
    Toml {
        /// The preset.
        name: String,
        /// Where and why not.
        #[source]
        source: toml::de::Error,
    },
    /// It cannot be written as TOML.
    #[error("preset {name}: {source}")]
    Write {
        /// The preset.
        name: String,
        /// Why not.
        #[source]
        source: toml::ser::Error,
    },
    /// A setting under the name of another library.
    #[error("preset {name}: {synonym}")]
    Synonym {
        /// The preset.
        name: String,
        /// Its name here.
        synonym: Synonym,
    },
    /// Its `[model]` describes no model.
    #[error("preset {name}: {source}")]
    Model {
        /// The preset.
        name: String,
        /// Which field.
        #[source]
        source: ConfigError,
    },
    /// A value out of its range.
    #[error("preset {name}: {source}")]
    Field {
        /// The preset.
        name: String,
        /// Which field.
        #[source]
        source: FieldError,
    },
}

/// A setting out of its range.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{field}` is {found}, expected {expected}")]
pub struct FieldError {
    /// The field at fault.
    pub field: &'static str,
    /// Its value.
    pub found: String,
    /// The values that are accepted.
    pub expected: &'static str,
}

/// Settings that cannot go together.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PairError {
    /// The warm-up is as long as the run.
    #[error(
        "`training.warmup_steps` is {warmup_steps}, and the run has {steps} steps: the learning rate would never \
         reach `training.learning_rate`; set fewer, or more epochs or `training.max_steps`"
    )]
    Warmup {
        /// Steps of the warm-up.
        warmup_steps: usize,
        /// Steps of the run.
        steps: usize,
    },
    /// The learning rate begins to decay before the length of the run is known.
    #[error(
        "`training.max_seconds` is {max_seconds}, and with `training.decay_fraction` 1 the learning rate decays over the \
         whole run, whose steps are known only by then; set training.decay_fraction below 1, such as 0.4, or \
         training.max_steps instead"
    )]
    Time {
        /// Training time.
        max_seconds: f64,
    },
    /// Batches do not make up a step.
    #[error(
        "`training.tokens_per_step` is {tokens}, and `training.batch_size` {batch_size} windows of \
         `model.context_length` {context_length} have {of_batch}{}: set a multiple of that, such as {}, or another \
         batch size",
        accumulated(.accumulate_batches),
        next_multiple(.tokens, .of_batch)
    )]
    TokensPerStep {
        /// Tokens of a step.
        tokens: usize,
        /// Windows of a batch.
        batch_size: usize,
        /// Tokens of a window.
        context_length: usize,
        /// Tokens of a batch.
        of_batch: usize,
        /// Batches of a step, where their number is given too.
        accumulate_batches: usize,
    },
    /// Fused operations are float32.
    #[error(
        "`training.precision` is bf16 and `training.fused` true, whose operations are float32: set training.fused=false \
         to train in bf16, or training.precision=float32"
    )]
    FusedInBf16,
    /// A setting that the weights to start from decide.
    #[error(
        "--set {field} has no effect in fine-tuning: the weights decide that; leave it out, or train a model from the beginning"
    )]
    DecidedByWeights {
        /// The field.
        field: String,
    },
}

fn next_multiple(number: &usize, of: &usize) -> usize {
    number.next_multiple_of(*of)
}

fn accumulated(batches: &usize) -> String {
    if *batches == 1 { String::new() } else { format!(", times `training.accumulate_batches` {batches}") }
}
