//! Sequence: a text that has a slot, with its cache and what it does in the next pass.

use super::job::Group;
use crate::cache::PAGE;
use crate::cache::memory::Share;
use crate::continuation::Continuation;
use crate::error::EngineError;
use crate::generation::Work;
use crate::graph::Part;
use crate::prefix_cache::Claim;
use crate::speculation::{DraftLength, TokensWithout};

/// Positions of a prompt that are kept together for later prompts, on kernels of our own: few enough that those which
/// begin alike share most. While other texts are decoded, a pass takes no more.
pub const PREFILL_CHUNK: usize = PAGE;
/// The same where ONNX Runtime's operators run: their products of few rows are slow.
pub(super) const LONG_PREFILL_CHUNK: usize = 4 * PREFILL_CHUNK;
/// Chunks of a prompt that a pass takes while no text is decoded: each pass reads all weights.
pub(super) const WIDE_CHUNKS: usize = 4;

/// What the model sees of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The most ids.
    pub(super) context_length: usize,
    /// Ids that it lets go of when it is full.
    pub(super) stride: usize,
    /// Ids of a chunk of a prompt.
    pub(super) chunk: usize,
    /// Chunks that a pass may take.
    pub(super) chunks: usize,
}

/// What a sequence does in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Nothing.
    Rest,
    /// Its last id is run, and a draft with it.
    Decode,
    /// Chunks of its window are run, up to `end`.
    Prefill {
        end: usize,
        /// Positions that are kept together.
        chunk: usize,
        /// Whether the window ends there.
        is_last: bool,
        /// Whether the window is the prompt, which others may begin with too.
        is_prompt: bool,
    },
}

/// A text in a slot.
pub(super) struct Sequence {
    pub(super) group: Group,
    pub(super) text: Continuation,
    pub(super) claim: Claim,
    pub(super) share: Share,
    /// The model sees the ids from here on.
    pub(super) window_start: usize,
    /// Whether positions of the window have still to be run, but for the last one of a text that grows.
    pub(super) prefills: bool,
    pub(super) draft_length: DraftLength,
    /// Of this text alone.
    pub(super) tokens_without: TokensWithout,
    pub(super) work: Work,
    pub(super) task: Task,
    /// The ids of the next pass.
    pub(super) rows: Vec<u32>,
    /// Which of them logits are wanted for.
    pub(super) wanted: Vec<usize>,
    /// Why it cannot go on.
    pub(super) failure: Option<EngineError>,
}

impl Sequence {
    pub(super) fn new(
        group: Group,
        text: Continuation,
        claim: Claim,
        share: Share,
        context_length: usize,
        draft_length: DraftLength,
    ) -> Self {
        Self {
            group,
            window_start: text.prompt_length.saturating_sub(context_length),
            text,
            claim,
            share,
            prefills: true,
            draft_length,
            tokens_without: 0,
            work: Work::default(),
            task: Task::Rest,
            rows: Vec::with_capacity(PREFILL_CHUNK),
            wanted: Vec::with_capacity(PREFILL_CHUNK),
            failure: None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.text.finish_reason.is_some() || self.failure.is_some()
    }

    /// Number of positions that have been run.
    pub(super) fn past(&self) -> usize {
        self.share.cache.length()
    }

    /// The ids that the model sees.
    pub(super) fn window(&self) -> &[u32] {
        &self.text.ids[self.window_start..]
    }

    /// Whether its window is the prompt: that of a text that has grown past the context belongs to it alone.
    pub(super) fn window_is_prompt(&self) -> bool {
        self.text.ids.len() == self.text.prompt_length
    }

    /// Lets go of the oldest ids if the context is full: the others have to be run anew.
    pub(super) fn slide(&mut self, Window { context_length, stride, .. }: Window) -> ort::Result<()> {
        if self.window().len() > context_length {
            self.window_start = self.text.ids.len() - (context_length + 1 - stride);
            self.share.cache.truncate(0)?;
            self.prefills = true;
        }
        Ok(())
    }

    /// Its part of the next pass, and what reads it.
    pub(super) fn split(&mut self) -> (Part<'_>, Reader<'_>) {
        let past = self.past();
        let Self { share, rows, wanted, text, task, .. } = self;
        let part = Part { cache: &mut share.cache, ids: rows, wanted };
        (part, Reader { text, rows, wanted: wanted.len(), task: *task, past })
    }
}

/// What reads the logits of a sequence.
pub(super) struct Reader<'a> {
    pub(super) text: &'a mut Continuation,
    pub(super) rows: &'a [u32],
    /// Number of rows of logits.
    pub(super) wanted: usize,
    pub(super) task: Task,
    /// Positions before the rows.
    pub(super) past: usize,
}

/// What came of a sequence's logits.
#[derive(Default)]
pub(super) struct Outcome {
    /// Guesses of its draft that were right.
    pub(super) accepted: usize,
    /// The logits at the end of a prompt, to be kept with its last chunk.
    pub(super) kept_logits: Option<Vec<f32>>,
}

impl Reader<'_> {
    /// Chooses the ids that follow, or gives the logits of a prompt to the caller who reads them. `logits` are
    /// `[wanted, vocab_size]`; those at the end of a prompt are kept if `keeps` says so.
    pub(super) fn read(self, logits: &[f32], vocab_size: usize, keeps: bool) -> Outcome {
        match self.task {
            Task::Decode => Outcome { accepted: self.verify(logits, vocab_size), kept_logits: None },
            Task::Prefill { is_last, is_prompt, .. } => Outcome {
                accepted: 0,
                kept_logits: self.read_chunk(logits, vocab_size, is_last, is_prompt && keeps),
            },
            Task::Rest => Outcome::default(),
        }
    }
}
