//! Options and results of a generation.

use std::time::{Duration, Instant};

use artifact::Sampling;
use artifact::sampling::LogitsProcessors;

/// Options of a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationOptions {
    /// The most tokens to generate.
    pub max_tokens: usize,
    /// Temperature, min-p, top-k and top-p.
    pub sampling: Sampling,
    /// What changes the logits before: bias and penalties.
    pub processors: LogitsProcessors,
    /// Fixes the choices: the same prompt, options and model give the same ids.
    pub seed: u64,
    /// Ids that end the text; they are not part of it.
    pub stop_ids: Vec<u32>,
    /// The time at which to end with the text so far.
    pub deadline: Option<Instant>,
    /// Whether to use speculative decoding, if the engine has a drafter: the same text, sooner. Without kernels of
    /// our own ([`OnnxModel::has_own_kernels`](crate::OnnxModel::has_own_kernels)) it can be another text of the
    /// same distribution, where two tokens are so near to each other that roundings decide.
    pub draft: bool,
    /// Whether the sink reads the logits at each position of the prompt, which must fit into the context.
    pub reads_prompt: bool,
}

impl GenerationOptions {
    /// At most `max_tokens` tokens, without an end other than that.
    pub fn new(max_tokens: usize, sampling: Sampling, seed: u64) -> Self {
        Self {
            max_tokens,
            sampling,
            processors: LogitsProcessors::default(),
            seed,
            stop_ids: Vec::new(),
            deadline: None,
            draft: true,
            reads_prompt: false,
        }
    }
}

/// A new token, as it is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Its id.
    pub id: u32,
    /// The logits of the model, before processors changed them, `[n_ids]`; see
    /// [`Engine::n_ids`](crate::Engine::n_ids).
    pub logits: &'a [f32],
    /// Whether it ends the text and so is not part of it.
    pub is_stop: bool,
}

/// Reason for the end of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It reached `max_tokens`.
    Length,
    /// The model ended the text.
    Stop,
    /// It reached its deadline.
    Deadline,
    /// The caller, who takes the tokens, wanted no more or has left.
    Cancelled,
}

/// A continuation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The new ids, without the prompt.
    pub ids: Vec<u32>,
    /// The reason that there are no more.
    pub finish_reason: FinishReason,
    /// From the call to the first id.
    pub first_token: Duration,
    /// From the call to the last id.
    pub total: Duration,
    /// The work that it took.
    pub work: Work,
}

/// Work of a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Passes of the model that it took part in.
    pub runs: usize,
    /// Time of these passes.
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
