//! Training plan: settings, texts, tokenizer and starting weights, checked before the training.

use std::path::Path;

use artifact::tokenizer::END_OF_TEXT;
use artifact::{ChatTemplate, GptConfig, Sha256Hex, Tokenizer};
use burn::tensor::Device;
use indicatif::HumanCount;

use super::error::ReleaseError;
use super::judgement::ValidationText;
use super::source::{ModelSource, downloads};
use crate::auto::Expectation;
use crate::corpus::conversations::Examples;
use crate::corpus::{Corpus, Dataset, dataset};
use crate::model::Gpt;
use crate::onnx::check_exportable;
use crate::preset::{Preset, RunFacts};
use crate::train::identity::identity;
use crate::train::{Checkpoints, Extent, Position, SampleWriter, new_model};

/// Number of ids of GPT-2's tokenizer.
const GPT2_IDS: usize = END_OF_TEXT as usize + 1;

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
    /// How conversations are written, if the model answers.
    pub chat_template: Option<ChatTemplate>,
    /// The beginning of the texts that are sampled.
    pub prompt: String,
    /// What users should know of the settings before the training.
    pub notes: Vec<String>,
    /// What was promised of the run, if it was planned for a budget.
    pub expected: Option<Expectation>,
}

impl TrainingPlan {
    /// Cuts a corpus into windows and fixes the settings. `preset` has the model's shape, which is that
    /// of `start` if there is one.
    ///
    /// # Errors
    /// If the model could not be exported, the corpus is too short or has no paragraph to take a prompt from, or
    /// settings cannot go together.
    pub fn new(
        name: String,
        preset: Preset,
        start: Option<ModelSource>,
        tokenizer: Tokenizer,
        chat_template: Option<ChatTemplate>,
        corpus: Corpus,
    ) -> Result<Self, ReleaseError> {
        check_exportable(&preset.model)?;
        let preset_toml = preset.to_toml()?;
        let training = &preset.training;
        let (train_set, validation_set) =
            dataset::split(&corpus, preset.window(), preset.stride(), training.batch_size)?;
        let prompt = corpus.example_prompts().first().ok_or(ReleaseError::NoPrompt)?.clone();
        let parent = start.as_ref().map(ModelSource::identity).transpose()?;
        let extent = Extent::new(&train_set, training);
        let mut notes: Vec<String> = left_out(&corpus, &preset).into_iter().collect();
        let pairs = preset.check_pairs(&RunFacts {
            batches_per_epoch: extent.batches_per_epoch,
            steps: extent.total_steps(),
            evaluations: extent.evaluations(),
            from_weights: start.is_some(),
        })?;
        notes.extend(pairs);
        Ok(Self {
            name,
            preset,
            preset_toml,
            start,
            parent,
            tokenizer,
            chat_template,
            corpus,
            train_set,
            validation_set,
            prompt,
            notes,
            expected: None,
        })
    }

    /// How long the run is.
    pub fn extent(&self) -> Extent<'_> {
        Extent::new(&self.train_set, &self.preset.training)
    }

    /// How long the run is, in words.
    pub fn describe_extent(&self) -> String {
        let training = &self.preset.training;
        let count = |number: usize| HumanCount(number as u64);
        let units = training.batch_size * training.accumulate_batches;
        let of = match self.corpus.conversations() {
            Some(_) => format!("{} conversations", count(units)),
            None => format!("{} tokens", count(units * self.preset.window())),
        };
        let steps = self.extent().total_steps();
        let run = format!("{} epochs, {} steps of {of}", training.epochs, count(steps));
        match training.max_seconds {
            Some(seconds) => format!("{run} at the most, within {seconds} s"),
            None => run,
        }
    }

    /// The settings with which a run that came to `position` is trained again to the same weights: with the number of
    /// steps that its time was enough for, instead of the time.
    pub fn settings_of(&self, position: &Position) -> Preset {
        let mut preset = self.preset.clone();
        if preset.training.max_seconds.take().is_some() {
            preset.training.max_steps = Some(self.extent().total_steps_of(position));
        }
        preset
    }

    /// The run's checkpoints, below `root`.
    ///
    /// # Errors
    /// If the weights to start from cannot be read.
    pub fn checkpoints(&self, root: &Path) -> Result<Checkpoints, ReleaseError> {
        let init = self.start.as_ref().map(weights_digest).transpose()?;
        let run = identity(&self.preset, self.corpus.sha256(), init.as_ref());
        Ok(Checkpoints::of_run(root, &self.name, run))
    }

    /// Samples texts in the training, by a model on `device`, an autodiff device.
    pub fn sample_writer(&self, device: &Device) -> SampleWriter<'_> {
        SampleWriter {
            tokenizer: &self.tokenizer,
            chat_template: self.chat_template.as_ref(),
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
        let model = match &self.start {
            None => new_model(&self.preset, device),
            Some(start) => start.trainable(device, downloads()?.path()).await?,
        };
        let mut model = model.with_vocab_size(self.preset.model.vocab_size);
        if let Some(lora) = &self.preset.lora {
            device.seed(self.preset.training.seed);
            model = model.with_lora(lora);
        }
        Ok(model.with_arithmetic(self.preset.training.arithmetic()))
    }

    /// The text on which the finished model and its exports are judged.
    pub fn validation_text(&self) -> ValidationText {
        ValidationText::new(&self.corpus, &self.tokenizer, self.preset.training.final_evaluation_windows)
    }
}

/// What to say of conversations that are longer than the window.
fn left_out(corpus: &Corpus, preset: &Preset) -> Option<String> {
    let splits = corpus.conversations()?;
    let window = preset.window();
    let longer: usize = splits.iter().map(|examples| examples.fitting(window).1).sum();
    let all: usize = splits.iter().map(Examples::count).sum();
    let longest = splits.iter().map(Examples::longest).max()?;
    (longer > 0).then(|| {
        format!(
            "{longer} of {all} conversations are longer than the context of {window} tokens and are left out; the longest has \
             {longest}"
        )
    })
}

/// Digest of weights to start from, wherever they lie.
fn weights_digest(start: &ModelSource) -> Result<Sha256Hex, ReleaseError> {
    match start {
        ModelSource::Weights(imported) => Ok(imported.sha256()?),
        ModelSource::Version(version, _) => Ok(version.reference.manifest_sha256.clone()),
    }
}

/// Gives a model as many ids as its tokenizer has, if that is not GPT-2's and nobody has asked for another number
/// (`is_set`) or, in a preset of its own, for more. Returns a note where there are more.
pub fn fit_vocabulary(config: &mut GptConfig, tokenizer: &Tokenizer, is_set: bool) -> Option<String> {
    let (found, needed) = (config.vocab_size, tokenizer.vocab_size());
    if tokenizer.is_gpt2() || is_set || found == needed {
        return None;
    }
    // The number of the built-in presets is that of GPT-2's tokenizer.
    if found < needed || found == GPT2_IDS {
        config.vocab_size = needed;
        return None;
    }
    Some(format!(
        "note: `model.vocab_size` is {found} and the tokenizer has {needed} ids: {} are padding",
        found - needed
    ))
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
