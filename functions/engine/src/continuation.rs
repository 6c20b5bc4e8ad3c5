//! Continuation of a prompt: ids that are sampled one by one, until there is a reason to end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use artifact::Sampler;

use crate::generation::{FinishReason, GenerationOptions, Token};

/// Room that a text gets at the beginning; a longer one makes more when it needs it.
const MAX_RESERVED_IDS: usize = 1 << 12;

/// A prompt and its continuation, which grows token by token.
pub(crate) struct Continuation<'a, F> {
    pub(crate) ids: Vec<u32>,
    pub(crate) prompt_length: usize,
    options: &'a GenerationOptions,
    sampler: Sampler,
    /// Number of ids that a text can have; logits of further ones are left out.
    n_ids: usize,
    take: F,
    start: Instant,
    pub(crate) first_token: Duration,
    pub(crate) finish_reason: Option<FinishReason>,
}

impl<'a, F: FnMut(Token<'_>) -> ControlFlow<()>> Continuation<'a, F> {
    pub(crate) fn new(
        prompt: &[u32],
        n_ids: usize,
        options: &'a GenerationOptions,
        start: Instant,
        take: F,
    ) -> Self {
        let mut ids = Vec::with_capacity(prompt.len() + options.max_tokens.min(MAX_RESERVED_IDS));
        ids.extend_from_slice(prompt);
        let mut continuation = Self {
            ids,
            prompt_length: prompt.len(),
            options,
            sampler: Sampler::new(options.sampling, options.seed),
            n_ids,
            take,
            start,
            first_token: Duration::ZERO,
            finish_reason: None,
        };
        continuation.end_if_due();
        continuation
    }

    /// Number of tokens that may still come.
    pub(crate) fn remaining(&self) -> usize {
        self.options.max_tokens - (self.ids.len() - self.prompt_length)
    }

    /// Chooses the next id from its logits.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> u32 {
        let logits = &logits[..self.n_ids];
        let id = self.sampler.sample(logits);
        if self.first_token.is_zero() {
            self.first_token = self.start.elapsed();
        }
        if self.options.stop_id == Some(id) {
            self.finish_reason = Some(FinishReason::Stop);
            return id;
        }
        self.ids.push(id);
        if (self.take)(Token { id, logits }).is_break() {
            self.finish_reason = Some(FinishReason::Cancelled);
            return id;
        }
        self.end_if_due();
        id
    }

    fn end_if_due(&mut self) {
        if self.remaining() == 0 {
            self.finish_reason = Some(FinishReason::Length);
        } else if self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.finish_reason = Some(FinishReason::Deadline);
        }
    }
}
