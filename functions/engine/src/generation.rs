//! From a prompt to its continuation.

use std::time::{Duration, Instant};

use artifact::{Sampler, Sampling};

use crate::error::EngineError;
use crate::model::{KvCache, OnnxModel};

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerationOptions {
    /// The most tokens to generate.
    pub max_tokens: usize,
    /// How each is chosen.
    pub sampling: Sampling,
    /// Fixes the choices: the same prompt, options and model give the same ids.
    pub seed: u64,
    /// An id that ends the text; it is not part of it.
    pub stop_id: Option<u32>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It reached `max_tokens`.
    Length,
    /// The model ended the text.
    Stop,
}

/// A continuation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The new ids, without the prompt.
    pub ids: Vec<u32>,
    /// Why there are no more.
    pub finish_reason: FinishReason,
    /// From the call to the first id.
    pub first_token: Duration,
    /// From the call to the last id.
    pub total: Duration,
}

/// Generates with one model, one text at a time.
pub struct Engine {
    model: OnnxModel,
    slide_stride: usize,
}

impl Engine {
    /// An engine that, when the context is full, lets go of a quarter of it at once.
    pub fn new(model: OnnxModel) -> Self {
        let slide_stride = (model.config().context_length / 4).max(1);
        Self { model, slide_stride }
    }

    /// Sets how many of the oldest positions are let go of when the context is full, from 1 to the
    /// context length.
    ///
    /// Positions are absolute, so everything that stays is computed anew. 1 lets the model see as
    /// much as it can at every token, at the price of a whole context for each; a larger stride
    /// pays that price once in `stride` tokens.
    #[must_use]
    pub fn with_slide_stride(mut self, stride: usize) -> Self {
        self.slide_stride = stride.clamp(1, self.model.config().context_length);
        self
    }

    /// The model.
    pub fn model(&self) -> &OnnxModel {
        &self.model
    }

    /// Continues `prompt`. Of a prompt that is longer than the context, the model sees the end.
    ///
    /// # Errors
    /// If the prompt is empty or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        options: &GenerationOptions,
    ) -> Result<Generation, EngineError> {
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        let start = Instant::now();
        let context_length = self.model.config().context_length;
        let mut sampler = Sampler::new(options.sampling, options.seed);
        let mut cache = self.model.empty_cache()?;
        let mut ids = prompt.to_vec();
        let mut window_start = prompt.len().saturating_sub(context_length);
        let mut first_token = Duration::ZERO;
        let mut finish_reason = FinishReason::Length;

        while ids.len() - prompt.len() < options.max_tokens {
            if ids.len() - window_start > context_length {
                window_start = ids.len() - (context_length + 1 - self.slide_stride);
                cache = self.model.empty_cache()?;
            }
            let id = self.next_id(&ids[window_start..], &mut cache, &mut sampler)?;
            if first_token.is_zero() {
                first_token = start.elapsed();
            }
            if options.stop_id == Some(id) {
                finish_reason = FinishReason::Stop;
                break;
            }
            ids.push(id);
        }
        Ok(Generation {
            ids: ids.split_off(prompt.len()),
            finish_reason,
            first_token,
            total: start.elapsed(),
        })
    }

    /// Runs what is not in the cache yet of a window of ids, and chooses the id that follows it.
    fn next_id(
        &mut self,
        window: &[u32],
        cache: &mut KvCache,
        sampler: &mut Sampler,
    ) -> Result<u32, EngineError> {
        let new = &window[cache.length()..];
        self.model.run(new, &[new.len() - 1], cache, |logits| sampler.sample(logits))
    }
}
