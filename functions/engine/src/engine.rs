//! Text generation engine: one model that continues prompts, one at a time.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use artifact::GptConfig;

use crate::continuation::Continuation;
use crate::error::EngineError;
use crate::generation::{FinishReason, Generation, GenerationOptions, Token, Work};
use crate::inspection::Inspection;
use crate::model::OnnxModel;
use crate::prefix_cache::PrefixCache;
pub use crate::runner::PREFILL_CHUNK;
use crate::runner::{ALL, Runner};
use crate::session::LoadTimes;
use crate::speculation::{DraftLength, Drafter, MAX_DRAFT, run_costs};

/// Memory for the keys and values of earlier prompts: three whole contexts of the largest preset.
pub const PREFIX_CACHE_BYTES: usize = 64 << 20;

/// Generates with one model, one text at a time; callers wait for each other.
pub struct Engine {
    state: Mutex<State>,
    config: GptConfig,
    load_times: LoadTimes,
    slide_stride: usize,
    /// Number of ids that a text can have; the model may have more, for padding.
    n_ids: usize,
}

struct State {
    model: OnnxModel,
    prefixes: PrefixCache,
    drafter: Option<Box<dyn Drafter>>,
}

impl Engine {
    /// An engine that, when the context is full, lets go of a quarter of it at once.
    pub fn new(model: OnnxModel) -> Self {
        let config = model.config().clone();
        let (slide_stride, n_ids) = ((config.context_length / 4).max(1), config.vocab_size);
        let load_times = model.load_times();
        let state = State { model, prefixes: PrefixCache::new(PREFIX_CACHE_BYTES), drafter: None };
        Self { state: Mutex::new(state), config, load_times, slide_stride, n_ids }
    }

    /// Sets how many ids the tokenizer has, if the model has more: the others, with which a vocabulary is filled up
    /// to a round number, are never drawn, have no logits in any result, and are errors in a prompt.
    #[must_use]
    pub fn with_tokenizer_size(mut self, n_ids: usize) -> Self {
        self.n_ids = n_ids.clamp(1, self.config.vocab_size);
        self
    }

    /// Sets how many of the oldest positions are let go of when the context is full, from 1 to the
    /// context length.
    ///
    /// Positions are absolute, so everything that stays is computed anew. 1 lets the model see as
    /// much as it can at every token, at the price of a whole context for each; a larger stride
    /// pays that price once in `stride` tokens.
    #[must_use]
    pub fn with_slide_stride(mut self, stride: usize) -> Self {
        self.slide_stride = stride.clamp(1, self.config.context_length);
        self
    }

    /// Uses speculative decoding with the drafts of `drafter`.
    #[must_use]
    pub fn with_drafter(mut self, drafter: Box<dyn Drafter>) -> Self {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).drafter = Some(drafter);
        self
    }

    /// Sets how much memory the keys and values of earlier prompts may take; 0 keeps none.
    #[must_use]
    pub fn with_prefix_cache(mut self, bytes: usize) -> Self {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).prefixes = PrefixCache::new(bytes);
        self
    }

    /// Shape of the model.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// Number of ids that a text can have.
    pub fn n_ids(&self) -> usize {
        self.n_ids
    }

    /// Checks that ids are those that a text can have.
    fn check(&self, ids: &[u32]) -> Result<(), EngineError> {
        match ids.iter().find(|&&id| id as usize >= self.n_ids) {
            Some(&id) => Err(EngineError::TokenOutOfRange { id, vocab_size: self.n_ids }),
            None => Ok(()),
        }
    }

    /// Times of loading the model.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    /// Continues `prompt`. Of a prompt that is longer than the context, the model sees the end.
    ///
    /// # Errors
    /// If the prompt is empty or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn generate(&self, prompt: &[u32], options: &GenerationOptions) -> Result<Generation, EngineError> {
        self.generate_with(prompt, options, |_| ControlFlow::Continue(()))
    }

    /// Runs `ids` and gives the activations inside the model; `None` if its graph does not have them.
    ///
    /// # Errors
    /// If `ids` is empty, too long or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn inspect(&self, ids: &[u32]) -> Result<Option<Inspection>, EngineError> {
        self.check(ids)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.model.is_inspectable() {
            return Ok(None);
        }
        let mut inspection = state.model.inspect(ids)?;
        inspection.logits.truncate(self.n_ids);
        Ok(Some(inspection))
    }

    /// Runs `ids`, which must fit into the context, and gives the logits at each position, of the token
    /// that follows it, to `read`.
    ///
    /// # Errors
    /// If `ids` is empty, too long or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn read_logits(&self, ids: &[u32], mut read: impl FnMut(usize, &[f32])) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        self.check(ids)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.model.truncate(0)?;
        for (chunk, ids) in ids.chunks(ALL.len()).enumerate() {
            state.model.run(ids, &ALL[..ids.len()], |logits| {
                for (index, logits) in logits.chunks(self.config.vocab_size).enumerate() {
                    read(chunk * ALL.len() + index, &logits[..self.n_ids]);
                }
            })?;
        }
        Ok(())
    }

    /// Continues `prompt` and gives each token to `take` when it is chosen, until that breaks.
    ///
    /// # Errors
    /// As of [`generate`](Self::generate).
    pub fn generate_with(
        &self,
        prompt: &[u32],
        options: &GenerationOptions,
        take: impl FnMut(Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, EngineError> {
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        self.check(prompt)?;
        let start = Instant::now();
        // A generation that panicked leaves nothing behind that the next one would look at.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { model, prefixes, drafter } = &mut *state;
        model.truncate(0)?;
        let mut text = Continuation::new(prompt, self.n_ids, options, start, take);
        let draft_length = DraftLength::new(run_costs(model.precision(), model.kernels()));
        let mut runner = Runner {
            context_length: self.config.context_length,
            vocab_size: self.config.vocab_size,
            slide_stride: self.slide_stride,
            window_start: prompt.len().saturating_sub(self.config.context_length),
            model,
            prefixes,
            drafter: drafter.as_deref().filter(|_| options.draft),
            draft_length,
            drafted: Vec::with_capacity(MAX_DRAFT + 1),
            work: Work::default(),
        };
        while text.finish_reason.is_none() {
            runner.advance(&mut text)?;
        }
        let mut ids = text.ids;
        Ok(Generation {
            ids: ids.split_off(prompt.len()),
            finish_reason: text.finish_reason.unwrap_or(FinishReason::Length),
            first_token: text.first_token,
            total: start.elapsed(),
            work: runner.work,
        })
    }
}
