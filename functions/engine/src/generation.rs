//! What a generation takes and gives.

use std::time::{Duration, Instant};

use artifact::Sampling;

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
    /// When to end with what there is by then.
    pub deadline: Option<Instant>,
    /// Whether to draft, if the engine has a drafter: the same text, sooner. Without kernels of our own
    /// ([`OnnxModel::has_own_kernels`](crate::OnnxModel::has_own_kernels)) it can be another text of the
    /// same distribution, where two tokens are so near to each other that roundings decide.
    pub draft: bool,
}

impl GenerationOptions {
    /// At most `max_tokens` tokens, without an end other than that.
    pub fn new(max_tokens: usize, sampling: Sampling, seed: u64) -> Self {
        Self { max_tokens, sampling, seed, stop_id: None, deadline: None, draft: true }
    }
}

/// A new token, as it is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Its id.
    pub id: u32,
    /// The logits that it was chosen from, `[vocab_size]`.
    pub logits: &'a [f32],
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It reached `max_tokens`.
    Length,
    /// The model ended the text.
    Stop,
    /// It reached its deadline.
    Deadline,
    /// Whoever takes the tokens wanted no more.
    Cancelled,
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
    /// What it took.
    pub work: Work,
}

/// What a generation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Runs of the model.
    pub runs: usize,
    /// Time inside them.
    pub run_time: Duration,
    /// Positions of the prompt that were run.
    pub prefilled: usize,
    /// Positions of the prompt that an earlier one had run.
    pub reused: usize,
    /// Ids that were drafted.
    pub drafted: usize,
    /// Ids of these that were right.
    pub accepted: usize,
}
