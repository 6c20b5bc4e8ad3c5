//! Validation of a preset: the range of each setting.

use super::error::FieldError;
use super::settings::{Preset, TrainingSettings};
use crate::model::LoraSettings;
use crate::tokenizer::TokenizerSource;

/// They go into a manifest.
const MAX_PROMPTS: usize = 20;
const MAX_PROMPT_BYTES: usize = 1_000;
/// More than epochs of the longest text have.
const MAX_STEPS: usize = 1_000_000_000_000;
const MAX_TOKENS_PER_STEP: usize = 1_000_000_000;
/// The beginning of one is held back while a text is read.
const MAX_SEPARATOR_BYTES: usize = 1_000;

impl Preset {
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
        let tokens = training.tokens_per_step.unwrap_or(1);
        let are_tokens = (1..=MAX_TOKENS_PER_STEP).contains(&tokens);
        check("training.tokens_per_step", tokens, are_tokens, "a number from 1 to 1,000,000,000")?;
        count("training.stride", training.stride.unwrap_or(1), 1)?;
        let fits = (1..=self.model.context_length).contains(&self.window());
        check("training.window", self.window(), fits, "a number from 1 to model.context_length")?;
        if let Some(lora) = &self.lora {
            lora.validate(self.model.d_model)?;
        }
        count("training.warmup_steps", training.warmup_steps, 0)?;
        count("training.evaluate_every_steps", training.evaluate_every_steps, 1)?;
        count("training.evaluation_batches", training.evaluation_batches, 1)?;
        count("training.final_evaluation_windows", training.final_evaluation_windows.unwrap_or(1), 1)?;
        count("training.stop_after_evaluations", training.stop_after_evaluations.unwrap_or(1), 1)?;
        count("training.checkpoint_every_steps", training.checkpoint_every_steps.unwrap_or(1), 1)?;
        count("training.sample_every_steps", training.sample_every_steps.unwrap_or(1), 1)?;
        count("sample.max_tokens", self.sample.max_tokens, 1)?;
        count("sample.top_k", self.sample.top_k, 1)?;

        training.validate_extent()?;
        training.validate_optimizer()?;
        let temperature = self.sample.temperature;
        let is_temperature = (0.0..=100.0).contains(&temperature);
        check("sample.temperature", temperature, is_temperature, "a number from 0 to 100")?;
        let is_prompt = |prompt: &String| !prompt.trim().is_empty() && prompt.len() <= MAX_PROMPT_BYTES;
        let prompts = &self.sample.prompts;
        let are_prompts = prompts.len() <= MAX_PROMPTS && prompts.iter().all(is_prompt);
        check("sample.prompts", prompts.join(", "), are_prompts, "at most 20 texts of 1 to 1,000 bytes")?;
        let source = &self.tokenizer.source;
        let has_one = *source != TokenizerSource::None;
        check(
            "tokenizer.source",
            source,
            has_one,
            "gpt2, bytes, train, train:N or a path, to train on text",
        )?;
        let Some(corpus) = &self.corpus else { return Ok(()) };
        // Line ends are line feeds by the time that a separator is looked for.
        let is_short = corpus.separator.len() <= MAX_SEPARATOR_BYTES && !corpus.separator.contains('\r');
        check("corpus.separator", &corpus.separator, is_short, "a text of at most 1,000 bytes, without \\r")?;
        check("corpus.text_field", &corpus.text_field, !corpus.text_field.is_empty(), "the name of a field")
    }
}

impl TrainingSettings {
    /// Where the text is divided, and how long the run is.
    fn validate_extent(&self) -> Result<(), FieldError> {
        let train_fraction = self.train_fraction;
        let is_share = train_fraction > 0.0 && train_fraction < 1.0;
        check("training.train_fraction", train_fraction, is_share, "a share between 0 and 1")?;
        let steps = self.max_steps.unwrap_or(1);
        let are_steps = (1..=MAX_STEPS).contains(&steps);
        check("training.max_steps", steps, are_steps, "a number from 1 to 1,000,000,000,000")?;
        let seconds = self.max_seconds.unwrap_or(1.0);
        let is_time = seconds > 0.0 && seconds.is_finite();
        check("training.max_seconds", seconds, is_time, "a number above 0")
    }

    /// Learning rates and what else an optimizer has.
    fn validate_optimizer(&self) -> Result<(), FieldError> {
        let Self { learning_rate, decay_fraction, weight_decay, beta_1, beta_2, epsilon, .. } = *self;
        let rate = |field, value: f64| {
            check(field, value, value > 0.0 && value <= 1.0, "a number above 0, at most 1")
        };
        rate("training.learning_rate", learning_rate)?;
        rate("training.muon_learning_rate", self.muon_learning_rate())?;
        let last = self.final_learning_rate.unwrap_or(0.0);
        let is_lower = (0.0..=learning_rate).contains(&last);
        check("training.final_learning_rate", last, is_lower, "a number from 0 to learning_rate")?;
        rate("training.decay_fraction", decay_fraction)?;
        let is_decay = (0.0..=1.0).contains(&weight_decay);
        check("training.weight_decay", weight_decay, is_decay, "a number from 0 to 1")?;
        for (field, beta) in [("training.beta_1", beta_1), ("training.beta_2", beta_2)] {
            check(field, beta, (0.0..1.0).contains(&beta), "a number from 0, below 1")?;
        }
        rate("training.epsilon", epsilon)?;
        let norm = self.clip_gradient_norm.unwrap_or(1.0);
        check("training.clip_gradient_norm", norm, norm > 0.0 && norm.is_finite(), "a number above 0")
    }
}

impl LoraSettings {
    fn validate(&self, d_model: usize) -> Result<(), FieldError> {
        let is_low = (1..=d_model).contains(&self.rank);
        check("lora.rank", self.rank, is_low, "a number from 1 to model.d_model")?;
        check("lora.alpha", self.alpha, self.alpha > 0.0 && self.alpha.is_finite(), "a number above 0")?;
        check("lora.dropout", self.dropout, (0.0..1.0).contains(&self.dropout), "a share from 0, below 1")?;
        let expected = "at least one of query, key, value, output, expand and contract";
        check("lora.targets", "[]", !self.targets.is_empty(), expected)
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
