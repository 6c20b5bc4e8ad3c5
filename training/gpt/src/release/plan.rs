//! Training plan: settings, texts, tokenizer and starting weights, checked before the training.

use std::path::Path;

use artifact::{GptConfig, Tokenizer};
use burn::tensor::Device;
use serde_json::json;

use super::error::ReleaseError;
use super::judgement::ValidationText;
use super::source::{ModelSource, downloads};
use crate::corpus::{Corpus, Dataset, dataset};
use crate::model::Gpt;
use crate::preset::Preset;
use crate::train::{Checkpoints, SampleWriter, new_model};

/// A training run that can begin.
pub struct TrainingPlan {
    /// Name of the model in the store.
    pub name: String,
    /// The effective settings.
    pub preset: Preset,
    /// The same as TOML.
    pub preset_toml: String,
    /// The model to start from, if not from random weights.
    pub start: Option<ModelSource>,
    /// The identity of that model.
    pub parent: Option<String>,
    /// How text becomes ids.
    pub tokenizer: Tokenizer,
    /// The texts.
    pub corpus: Corpus,
    /// Windows to train on.
    pub train_set: Dataset,
    /// Windows for the validation loss.
    pub validation_set: Dataset,
    /// The beginning of the text that is sampled after each epoch.
    pub prompt: String,
}

impl TrainingPlan {
    /// Cuts a corpus into windows and fixes the settings. `preset` has the model's shape, which is that
    /// of `start` if there is one.
    ///
    /// # Errors
    /// If the corpus is too short or has no paragraph to take a prompt from.
    pub fn new(
        name: String,
        preset: Preset,
        start: Option<ModelSource>,
        tokenizer: Tokenizer,
        corpus: Corpus,
    ) -> Result<Self, ReleaseError> {
        let preset_toml = preset.to_toml()?;
        let training = &preset.training;
        let (train_set, validation_set) =
            dataset::split(&corpus, preset.model.context_length, training.stride, training.batch_size)?;
        let prompt = corpus.example_prompts().first().ok_or(ReleaseError::NoPrompt)?.clone();
        let parent = start.as_ref().map(ModelSource::identity).transpose()?;
        Ok(Self {
            name,
            preset,
            preset_toml,
            start,
            parent,
            tokenizer,
            corpus,
            train_set,
            validation_set,
            prompt,
        })
    }

    /// The run's checkpoints, in a folder of the model's name below `folder`. They continue a run with the
    /// same settings, texts and starting weights only.
    pub fn checkpoints(&self, folder: &Path) -> Checkpoints {
        let run = json!({"preset": self.preset, "corpus": self.corpus.sha256(), "init": self.parent});
        Checkpoints::new(folder.join(&self.name), run)
    }

    /// Samples a text after each epoch, by a model on `device`, an autodiff device.
    pub fn sample_writer(&self, device: &Device) -> SampleWriter<'_> {
        SampleWriter {
            tokenizer: &self.tokenizer,
            prompt: self.prompt.clone(),
            settings: &self.preset.sample,
            seed: self.preset.training.seed,
            device: device.clone().without_autodiff(),
        }
    }

    /// The model to train, on `device`: random weights, or those of the model to start from.
    ///
    /// # Errors
    /// If a file of that model is missing or damaged.
    pub async fn model(&self, device: &Device) -> Result<Gpt, ReleaseError> {
        match &self.start {
            None => Ok(new_model(&self.preset.model, &self.preset.training, device)),
            Some(start) => start.trainable(device, downloads()?.path()).await,
        }
    }

    /// The text on which the finished model and its exports are judged.
    pub fn validation_text(&self) -> ValidationText {
        ValidationText::new(&self.corpus, &self.tokenizer, self.preset.training.final_evaluation_windows)
    }
}

/// Checks that a model has an id for each one of the tokenizer.
///
/// # Errors
/// If it has fewer.
pub fn check_vocabulary(config: &GptConfig, tokenizer: &Tokenizer) -> Result<(), ReleaseError> {
    if config.vocab_size >= tokenizer.vocab_size() {
        return Ok(());
    }
    Err(ReleaseError::Vocabulary {
        found: config.vocab_size,
        needed: tokenizer.vocab_size(),
        tokenizer: tokenizer.reference().name,
    })
}
