//! Runs of a model over a growing text: prefill in chunks, decoding with drafts, and the sliding window.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::continuation::Continuation;
use crate::error::EngineError;
use crate::generation::{Token, Work};
use crate::model::OnnxModel;
use crate::prefix_cache::{Chunk, PrefixCache};
use crate::speculation::{DraftLength, Drafter, MAX_DRAFT};

/// Positions that a run of a prompt takes: few enough that prompts which begin alike share most, many
/// enough that a position costs no more than in a longer run.
pub const PREFILL_CHUNK: usize = 32;

/// The positions of a verification that logits are wanted for: all.
pub(crate) const ALL: [usize; MAX_DRAFT + 1] = [0, 1, 2, 3, 4, 5];

/// Runs the model over a text that grows.
pub(crate) struct Runner<'a> {
    pub(crate) context_length: usize,
    pub(crate) vocab_size: usize,
    pub(crate) slide_stride: usize,
    /// The model sees the ids from here on.
    pub(crate) window_start: usize,
    pub(crate) model: &'a mut OnnxModel,
    pub(crate) prefixes: &'a mut PrefixCache,
    pub(crate) drafter: Option<&'a dyn Drafter>,
    pub(crate) draft_length: DraftLength,
    /// The ids of a run: the last one of the text, and a draft of the next ones.
    pub(crate) drafted: Vec<u32>,
    pub(crate) work: Work,
}

impl Runner<'_> {
    /// Runs what has not been run of a text, and chooses at least one id that follows it.
    pub(crate) fn advance<F>(&mut self, text: &mut Continuation<'_, F>) -> Result<(), EngineError>
    where
        F: FnMut(Token<'_>) -> ControlFlow<()>,
    {
        if text.ids.len() - self.window_start > self.context_length {
            self.window_start = text.ids.len() - (self.context_length + 1 - self.slide_stride);
            self.model.truncate(0)?;
        }
        let window = self.window_start;
        if self.model.length() > 0 && self.model.length() + 1 == text.ids.len() - window {
            return self.decode(text);
        }
        let logits = self.prefill(&text.ids[window..], text.ids.len() == text.prompt_length)?;
        text.choose(&logits);
        Ok(())
    }

    /// Runs the last id of a text, and a draft of the next ones with it.
    fn decode<F>(&mut self, text: &mut Continuation<'_, F>) -> Result<(), EngineError>
    where
        F: FnMut(Token<'_>) -> ControlFlow<()>,
    {
        let past = self.model.length();
        self.drafted.clear();
        self.drafted.extend(text.ids.last());
        if let Some(drafter) = self.drafter {
            let room = self.context_length - past - 1;
            let max = self.draft_length.next().min(room).min(text.remaining() - 1);
            if max > 0 {
                drafter.draft(&text.ids[self.window_start..], max, &mut self.drafted);
                self.drafted.truncate(max + 1);
            }
        }
        let (ids, vocab_size) = (&self.drafted, self.vocab_size);
        let guesses = &ids[1..];
        let mut accepted = 0;
        let begin = Instant::now();
        let mut run_time = Duration::ZERO;
        self.model.run(ids, &ALL[..ids.len()], |logits| {
            run_time = begin.elapsed();
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                let id = text.choose(logits);
                if text.finish_reason.is_some() || guesses.get(row) != Some(&id) {
                    break;
                }
                accepted += 1;
            }
        })?;
        self.work.runs += 1;
        self.work.run_time += run_time;
        if !guesses.is_empty() {
            self.work.drafted += guesses.len();
            self.work.accepted += accepted;
            self.draft_length.record(guesses.len(), accepted);
            self.model.truncate(past + 1 + accepted)?;
        }
        Ok(())
    }

    /// Runs a window from its beginning, in chunks; gives the logits at its last position. Chunks of a
    /// prompt are looked for among those of earlier prompts.
    fn prefill(&mut self, window: &[u32], is_prompt: bool) -> Result<Vec<f32>, EngineError> {
        for start in (0..window.len()).step_by(PREFILL_CHUNK) {
            let end = window.len().min(start + PREFILL_CHUNK);
            let is_last = end == window.len();
            let prefix = &window[..end];
            if is_prompt && let Some(chunk) = self.prefixes.find(prefix, start, is_last) {
                self.model.restore(start, &chunk.rows)?;
                self.work.reused += end - start;
                if let (true, Some(logits)) = (is_last, &chunk.logits) {
                    return Ok(logits.clone());
                }
                continue;
            }
            let wanted: &[usize] = if is_last { &[end - start - 1] } else { &[] };
            let begin = Instant::now();
            let logits = self.model.run(&prefix[start..], wanted, <[f32]>::to_vec)?;
            self.work.runs += 1;
            self.work.run_time += begin.elapsed();
            self.work.prefilled += end - start;
            if is_prompt && self.prefixes.is_on() {
                let rows = self.model.rows(start, end)?;
                let logits = is_last.then(|| logits.clone());
                self.prefixes.insert(Chunk::new(prefix, start, rows, logits));
            }
            if is_last {
                return Ok(logits);
            }
        }
        Err(EngineError::EmptyPrompt)
    }
}
