//! Presets: everything that a training run can be told, in TOML.

use std::path::{Path, PathBuf};

use artifact::GptConfig;
use artifact::config::ConfigError;
use serde::{Deserialize, Serialize};

use crate::corpus::Source;

/// The presets that are built in, by name.
const BUILT_IN: [(&str, &str); 3] = [
    ("the-verdict", include_str!("../../presets/the-verdict.toml")),
    ("tiny", include_str!("../../presets/tiny.toml")),
    ("books", include_str!("../../presets/books.toml")),
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

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Fixes weights, shuffles and dropout.
    pub seed: u64,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows in each step.
    pub batch_size: usize,
    /// Tokens between the starts of two windows.
    pub stride: usize,
    /// Share of the text's characters to train on; the rest validates.
    pub train_fraction: f64,
    /// Step size of AdamW.
    pub learning_rate: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Steps from one evaluation to the next.
    pub evaluate_every_steps: usize,
    /// Batches of each split in an evaluation.
    pub evaluation_batches: usize,
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
    /// The file is not a preset.
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
    #[error("preset {name}: `{field}` is {found}, expected {expected}")]
    Field {
        /// The preset.
        name: String,
        /// The field at fault.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| format!("`{name}`")).join(", ")
}

impl Preset {
    /// A built-in preset by its name, or a preset from a `.toml` file by its path.
    ///
    /// # Errors
    /// If there is no such preset, or it is not valid.
    pub fn named(name: &str) -> Result<Self, PresetError> {
        if let Some((_, toml)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, toml);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Err(PresetError::Unknown { name: name.to_owned() });
        }
        let toml = std::fs::read_to_string(path)
            .map_err(|source| PresetError::Io { path: path.to_owned(), source })?;
        Self::parse(name, &toml)
    }

    fn parse(name: &str, toml: &str) -> Result<Self, PresetError> {
        let preset: Self =
            toml::from_str(toml).map_err(|source| PresetError::Toml { name: name.to_owned(), source })?;
        preset.model.validate().map_err(|source| PresetError::Model { name: name.to_owned(), source })?;
        preset.validate().map_err(|(field, found, expected)| PresetError::Field {
            name: name.to_owned(),
            field,
            found,
            expected,
        })?;
        Ok(preset)
    }

    fn validate(&self) -> Result<(), (&'static str, String, &'static str)> {
        let TrainingSettings {
            seed: _,
            epochs,
            batch_size,
            stride,
            train_fraction,
            learning_rate,
            weight_decay,
            evaluate_every_steps,
            evaluation_batches,
        } = &self.training;
        let SampleSettings { max_tokens, temperature, top_k } = &self.sample;
        for (field, value) in [
            ("training.epochs", epochs),
            ("training.batch_size", batch_size),
            ("training.stride", stride),
            ("training.evaluate_every_steps", evaluate_every_steps),
            ("training.evaluation_batches", evaluation_batches),
            ("sample.max_tokens", max_tokens),
            ("sample.top_k", top_k),
        ] {
            if !(1..=1_000_000).contains(value) {
                return Err((field, value.to_string(), "a number from 1 to 1,000,000"));
            }
        }
        if !(*train_fraction > 0.0 && *train_fraction < 1.0) {
            return Err(("training.train_fraction", train_fraction.to_string(), "a share between 0 and 1"));
        }
        if !(*learning_rate > 0.0 && *learning_rate <= 1.0) {
            return Err(("training.learning_rate", learning_rate.to_string(), "a number above 0, at most 1"));
        }
        if !(0.0..=1.0).contains(weight_decay) {
            return Err(("training.weight_decay", weight_decay.to_string(), "a number from 0 to 1"));
        }
        if !(0.0..=100.0).contains(temperature) {
            return Err(("sample.temperature", temperature.to_string(), "a number from 0 to 100"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: (&str, &str)) -> String {
        let (_, toml) = BUILT_IN[1];
        assert!(toml.contains(change.0), "{} is not in the preset", change.0);
        Preset::parse("test", &toml.replace(change.0, change.1)).unwrap_err().to_string()
    }

    #[test]
    fn every_built_in_preset_is_valid() {
        for (name, _) in BUILT_IN {
            Preset::named(name).unwrap();
        }
        let tiny = Preset::named("tiny").unwrap().model.num_parameters();
        assert!((500_000..2_000_000).contains(&tiny), "{tiny}");
        assert_eq!(Preset::named("books").unwrap().corpus.unwrap().sources.len(), 3);
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
        let message = Preset::named("the-verdit").unwrap_err().to_string();
        assert!(message.contains("`the-verdict`") && message.contains("`tiny`"), "{message}");
        assert!(matches!(Preset::named("no/such.toml").unwrap_err(), PresetError::Io { .. }));
    }
}
