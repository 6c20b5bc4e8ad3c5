//! Sample texts, which show what a model in training has learned.

use std::fmt;

use artifact::chat::{ChatTemplate, Message, Role};
use artifact::{Sampler, Sampling, Tokenizer};
use burn::tensor::Device;

use crate::model::{Gpt, generate};
use crate::preset::SampleSettings;

/// When a text was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After an epoch, from 1.
    Epoch(usize),
    /// After an optimizer step, from 1.
    Step(usize),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch(epoch) => write!(f, "epoch {epoch}"),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}

/// A text that was sampled in training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// When.
    pub moment: Moment,
    /// The prompt and its continuation.
    pub text: &'a str,
}

/// Lets a model write a text.
pub struct SampleWriter<'a> {
    /// Encodes the prompt and decodes the text.
    pub tokenizer: &'a Tokenizer,
    /// How conversations are written, if the model answers.
    pub chat_template: Option<&'a ChatTemplate>,
    /// Beginning of the text, or what is asked.
    pub prompt: String,
    /// Length and sampling parameters.
    pub settings: &'a SampleSettings,
    /// Random seed.
    pub seed: u64,
    /// The model's device, without autodiff.
    pub device: Device,
}

impl SampleWriter<'_> {
    /// The prompt and its continuation by a model, which must be in evaluation mode.
    pub fn text(&self, model: &Gpt) -> String {
        let (ids, separator) = match self.chat_template {
            None => (self.tokenizer.encode(&self.prompt), ""),
            Some(template) => {
                let asked = [Message::new(Role::User, &*self.prompt)];
                match template.prompt(self.tokenizer, &asked) {
                    Ok(ids) => (ids, "\n\n"),
                    Err(error) => return error.to_string(),
                }
            }
        };
        let end =
            self.chat_template.and_then(|template| template.end_of_answer(self.tokenizer).ok().flatten());
        let sampling = Sampling::new(self.settings.temperature, Some(self.settings.top_k));
        let mut sampler = Sampler::new(sampling, self.seed).among(self.tokenizer.vocab_size());
        let new_ids = generate(model, &ids, self.settings.max_tokens, &mut sampler, &self.device);
        let answered = new_ids.iter().position(|id| Some(*id) == end).unwrap_or(new_ids.len());
        match self.tokenizer.decode(&new_ids[..answered]) {
            Ok(text) => format!("{}{separator}{text}", self.prompt),
            // A model may have more ids than its tokenizer; then there is no text to show.
            Err(error) => error.to_string(),
        }
    }
}
