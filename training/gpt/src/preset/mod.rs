//! Presets: everything that a training run can be told, in TOML.

use std::path::{Path, PathBuf};

use artifact::GptConfig;
use artifact::config::ConfigError;
use serde::{Deserialize, Serialize};

use crate::corpus::Source;

mod overrides;

pub use overrides::{Override, OverrideError};

/// The presets that are built in, by name.
const BUILT_IN: [(&str, &str); 3] = [
    ("the-verdict", include_str!("../../../presets/the-verdict.toml")),
    ("tiny", include_str!("../../../presets/tiny.toml")),
    ("books", include_str!("../../../presets/books.toml")),
];

/// A model and how to train it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The shape of the model.
    pub model: GptConfig,
    /// How it is trained.
    pub training: TrainingSettings,
    /// The text that is sampled after each epoch.
    pub sample: SampleSettings,
    /// What it is trained on, unless other texts are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusSettings>,
}

/// What a model is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusSettings {
    /// Files, folders, patterns and addresses, in this order.
    pub sources: Vec<Source>,
}

/// How a model is trained. What is optional is off unless it is set, and then the run is the seed's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Fixes weights, shuffles and dropout.
    pub seed: u64,
    /// From which distributions weights are drawn.
    #[serde(default)]
    pub initialization: Initialization,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows in each batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step.
    #[serde(default = "one")]
    pub accumulate_batches: usize,
    /// Tokens between the starts of two windows.
    pub stride: usize,
    /// Share of the text's characters to train on; the rest validates.
    pub train_fraction: f64,
    /// Step size of AdamW, the highest of the schedule.
    pub learning_rate: f64,
    /// Steps in which the step size rises from 0 to `learning_rate`.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Where a cosine takes the step size in the last step; without it, it stays.
    pub final_learning_rate: Option<f64>,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Whether biases and LayerNorms decay too, as in the seed, or matrices only.
    #[serde(default = "yes")]
    pub decay_vectors: bool,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub clip_gradient_norm: Option<f64>,
    /// Steps from one evaluation to the next.
    pub evaluate_every_steps: usize,
    /// Batches of each split in an evaluation.
    pub evaluation_batches: usize,
    /// Windows of the validation text on which the finished model and its exports are evaluated;
    /// without it, all.
    pub final_evaluation_windows: Option<usize>,
    /// Ends the training after so many evaluations without a better validation loss.
    pub stop_after_evaluations: Option<usize>,
    /// Publishes the weights with the best validation loss instead of the last ones.
    #[serde(default)]
    pub keep_best: bool,
    /// Steps from one checkpoint to the next; without it, only a signal makes one.
    pub checkpoint_every_steps: Option<usize>,
}

/// From which distributions weights are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// As PyTorch's layers: embeddings standard normal, linear maps uniform over `±1/sqrt(d_in)`.
    #[default]
    Pytorch,
    /// As GPT-2: normal with standard deviation 0.02, projections into the residual stream divided
    /// by `sqrt(2 n_layers)`, biases 0.
    Gpt2,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// A text to sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Its length.
    pub max_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// How many of the most likely tokens are in the draw.
    pub top_k: usize,
}

/// A preset that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// Neither built in nor a file.
    #[error("there is no preset `{name}`; built in are {}, or give the path of a .toml file", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file could not be read.
    #[error("preset {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not a preset, or not with what overrides it.
    #[error("preset {name}: {source}")]
    Toml {
        /// The preset.
        name: String,
        /// Where and why not.
        #[source]
        source: toml::de::Error,
    },
    /// It describes no model.
    #[error("preset {name}: {source}")]
    Model {
        /// The preset.
        name: String,
        /// Which field.
        #[source]
        source: ConfigError,
    },
    /// A value that cannot be right.
    #[error("preset {name}: {source}")]
    Field {
        /// The preset.
        name: String,
        /// Which field.
        #[source]
        source: FieldError,
    },
}

/// A setting that cannot be right.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{field}` is {found}, expected {expected}")]
pub struct FieldError {
    /// The field at fault.
    pub field: &'static str,
    /// Its value.
    pub found: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| format!("`{name}`")).join(", ")
}

impl Preset {
    /// A built-in preset by its name, or a preset from a `.toml` file by its path, with some of its
    /// fields set to other values.
    ///
    /// # Errors
    /// If there is no such preset, or it is not valid.
    pub fn named(name: &str, overrides: &[Override]) -> Result<Self, PresetError> {
        if let Some((_, toml)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, toml, overrides);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Err(PresetError::Unknown { name: name.to_owned() });
        }
        let toml = std::fs::read_to_string(path)
            .map_err(|source| PresetError::Io { path: path.to_owned(), source })?;
        Self::parse(name, &toml, overrides)
    }

    fn parse(name: &str, toml: &str, overrides: &[Override]) -> Result<Self, PresetError> {
        let invalid = |source| PresetError::Toml { name: name.to_owned(), source };
        // Read as a preset first, since only then errors tell the line.
        let mut preset: Self = toml::from_str(toml).map_err(invalid)?;
        if !overrides.is_empty() {
            let mut table: toml::Table = toml::from_str(toml).map_err(invalid)?;
            for setting in overrides {
                setting.apply(&mut table);
            }
            preset = table.try_into().map_err(invalid)?;
        }
        preset.model.validate().map_err(|source| PresetError::Model { name: name.to_owned(), source })?;
        preset.validate().map_err(|source| PresetError::Field { name: name.to_owned(), source })?;
        Ok(preset)
    }

    /// All settings, those that were left out included where they have a value, as they can be
    /// given to [`named`](Self::named) in a file.
    ///
    /// # Errors
    /// If a number is beyond those of TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<(), FieldError> {
        let training = &self.training;
        let count = |field, value: usize, smallest: usize| {
            let expected =
                if smallest == 0 { "a number from 0 to 1,000,000" } else { "a number from 1 to 1,000,000" };
            check(field, value, (smallest..=1_000_000).contains(&value), expected)
        };
        count("training.epochs", training.epochs, 1)?;
        count("training.batch_size", training.batch_size, 1)?;
        count("training.accumulate_batches", training.accumulate_batches, 1)?;
        count("training.stride", training.stride, 1)?;
        count("training.warmup_steps", training.warmup_steps, 0)?;
        count("training.evaluate_every_steps", training.evaluate_every_steps, 1)?;
        count("training.evaluation_batches", training.evaluation_batches, 1)?;
        count("training.final_evaluation_windows", training.final_evaluation_windows.unwrap_or(1), 1)?;
        count("training.stop_after_evaluations", training.stop_after_evaluations.unwrap_or(1), 1)?;
        count("training.checkpoint_every_steps", training.checkpoint_every_steps.unwrap_or(1), 1)?;
        count("sample.max_tokens", self.sample.max_tokens, 1)?;
        count("sample.top_k", self.sample.top_k, 1)?;

        let TrainingSettings { train_fraction, learning_rate, weight_decay, .. } = *training;
        let is_share = train_fraction > 0.0 && train_fraction < 1.0;
        check("training.train_fraction", train_fraction, is_share, "a share between 0 and 1")?;
        let is_rate = learning_rate > 0.0 && learning_rate <= 1.0;
        check("training.learning_rate", learning_rate, is_rate, "a number above 0, at most 1")?;
        let last = training.final_learning_rate.unwrap_or(0.0);
        let is_lower = (0.0..=learning_rate).contains(&last);
        check("training.final_learning_rate", last, is_lower, "a number from 0 to learning_rate")?;
        let is_decay = (0.0..=1.0).contains(&weight_decay);
        check("training.weight_decay", weight_decay, is_decay, "a number from 0 to 1")?;
        let norm = training.clip_gradient_norm.unwrap_or(1.0);
        check("training.clip_gradient_norm", norm, norm > 0.0 && norm.is_finite(), "a number above 0")?;
        let temperature = self.sample.temperature;
        let is_temperature = (0.0..=100.0).contains(&temperature);
        check("sample.temperature", temperature, is_temperature, "a number from 0 to 100")
    }
}

fn check(
    field: &'static str,
    found: impl std::fmt::Display,
    is_valid: bool,
    expected: &'static str,
) -> Result<(), FieldError> {
    if is_valid { Ok(()) } else { Err(FieldError { field, found: found.to_string(), expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: (&str, &str)) -> String {
        let (_, toml) = BUILT_IN[1];
        assert!(toml.contains(change.0), "{} is not in the preset", change.0);
        Preset::parse("test", &toml.replace(change.0, change.1), &[]).unwrap_err().to_string()
    }

    #[test]
    fn every_built_in_preset_is_valid() {
        for (name, _) in BUILT_IN {
            let preset = Preset::named(name, &[]).unwrap();
            // As it is stored beside a model, and trained from again.
            assert_eq!(Preset::parse(name, &preset.to_toml().unwrap(), &[]).unwrap(), preset);
        }
        let tiny = Preset::named("tiny", &[]).unwrap().model.num_parameters();
        assert!((500_000..2_000_000).contains(&tiny), "{tiny}");
        assert_eq!(Preset::named("books", &[]).unwrap().corpus.unwrap().sources.len(), 3);
    }

    #[test]
    fn a_bad_value_is_named() {
        assert!(refusal(("epochs = ", "epoch = ")).contains("unknown field `epoch`"));
        assert!(refusal(("batch_size = 2", "batch_size = 0")).contains("`training.batch_size` is 0"));
        assert!(refusal(("train_fraction = 0.9", "train_fraction = 1.5")).contains("train_fraction"));
        assert!(refusal(("learning_rate = ", "learning_rate = -")).contains("learning_rate"));
        assert!(refusal(("n_heads = 2", "n_heads = 5")).contains("n_heads"));
        let source = refusal(("[sample]", "[corpus]\nsources = [\"http://example.org/a\"]\n[sample]"));
        assert!(source.contains("https:// only"), "{source}");
        assert!(refusal(("[sample]", "[corpus]\nsource = []\n[sample]")).contains("unknown field `source`"));
    }

    #[test]
    fn an_unknown_preset_lists_those_that_exist() {
        let message = Preset::named("the-verdit", &[]).unwrap_err().to_string();
        assert!(message.contains("`the-verdict`") && message.contains("`tiny`"), "{message}");
        assert!(matches!(Preset::named("no/such.toml", &[]).unwrap_err(), PresetError::Io { .. }));
    }
}
