//! Continuation of a prompt: ids that are sampled one by one, until there is a reason to end.

use std::time::{Duration, Instant};

use artifact::Sampler;

use crate::generation::{FinishReason, Generation, GenerationOptions, Token, Work};
use crate::sink::Sink;

/// Room that a text gets at the beginning; a longer one makes more when it needs it.
const MAX_RESERVED_IDS: usize = 1 << 12;

/// A prompt and its continuation, which grows token by token.
pub(crate) struct Continuation {
    pub(crate) ids: Vec<u32>,
    pub(crate) prompt_length: usize,
    pub(crate) options: GenerationOptions,
    sampler: Sampler,
    /// Number of ids that a text can have; logits of further ones are left out.
    n_ids: usize,
    sink: Box<dyn Sink>,
    /// Whether the caller is to read the logits at the prompt's positions.
    pub(crate) reads_prompt: bool,
    start: Instant,
    first_token: Duration,
    pub(crate) finish_reason: Option<FinishReason>,
}

impl Continuation {
    /// Begins with a prompt, which is not empty.
    pub(crate) fn new(prompt: &[u32], n_ids: usize, options: GenerationOptions, sink: Box<dyn Sink>) -> Self {
        let mut ids = Vec::with_capacity(prompt.len() + options.max_tokens.min(MAX_RESERVED_IDS));
        ids.extend_from_slice(prompt);
        Self {
            ids,
            prompt_length: prompt.len(),
            sampler: Sampler::new(options.sampling, options.seed).processed(&options.processors, prompt),
            reads_prompt: options.reads_prompt,
            options,
            n_ids,
            sink,
            start: Instant::now(),
            first_token: Duration::ZERO,
            finish_reason: None,
        }
    }

    /// Number of tokens that may still come.
    pub(crate) fn remaining(&self) -> usize {
        self.options.max_tokens - (self.ids.len() - self.prompt_length)
    }

    /// Gives the logits at a position of the prompt to the caller.
    pub(crate) fn read_prompt(&mut self, position: usize, logits: &[f32]) {
        if self.finish_reason.is_none() && self.sink.read_prompt(position, &logits[..self.n_ids]).is_break() {
            self.finish_reason = Some(FinishReason::Cancelled);
        }
    }

    /// Chooses the next id from its logits.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> u32 {
        let logits = &logits[..self.n_ids];
        let id = self.sampler.sample(logits);
        if self.first_token.is_zero() {
            self.first_token = self.start.elapsed();
        }
        let is_stop = self.options.stop_ids.contains(&id);
        let taken = self.sink.take(Token { id, logits, is_stop });
        if is_stop {
            self.finish_reason = Some(FinishReason::Stop);
            return id;
        }
        self.ids.push(id);
        if taken.is_break() {
            self.finish_reason = Some(FinishReason::Cancelled);
            return id;
        }
        self.end_if_due();
        id
    }

    /// Ends if the caller has left, all tokens have come, or the deadline has.
    pub(crate) fn end_if_due(&mut self) {
        if self.finish_reason.is_some() {
            return;
        }
        if !self.sink.is_open() {
            self.finish_reason = Some(FinishReason::Cancelled);
        } else if self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.finish_reason = Some(FinishReason::Deadline);
        } else if self.remaining() == 0 && !self.reads_prompt {
            self.finish_reason = Some(FinishReason::Length);
        }
    }

    /// Tells the caller how it has ended.
    pub(crate) fn finish(mut self, work: Work) {
        let generation = Generation {
            ids: self.ids.split_off(self.prompt_length),
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Length),
            first_token: self.first_token,
            total: self.start.elapsed(),
            work,
        };
        self.sink.end(Ok(generation));
    }

    /// The caller, to be told of an error.
    pub(crate) fn into_sink(self) -> Box<dyn Sink> {
        self.sink
    }
}
