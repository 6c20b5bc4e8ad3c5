//! Prefill: the window of a text is run in chunks, those of a prompt unless an earlier one has run them.

use super::sequence::{PREFILL_CHUNK, Reader, Sequence, Task, Window};
use crate::prefix_cache::{Chunk, PrefixCache};

impl Sequence {
    /// Takes the chunks that earlier prompts have run; the first token too, if one of them was the same prompt. The next
    /// ones, as many as a pass may take, are then what it does in the next one.
    pub(super) fn plan_prefill(&mut self, prefixes: &mut PrefixCache, window: Window) -> ort::Result<()> {
        while self.prefills && !self.has_ended() {
            let (start, length) = (self.past(), self.window().len());
            let reads = self.text.reads_prompt;
            // All logits of a chunk are much memory.
            let (chunk, chunks) = if reads { (PREFILL_CHUNK, 1) } else { (window.chunk, window.chunks) };
            let mut end = length.min(start + chunk);
            let (is_last, is_prompt) = (end == length, self.window_is_prompt());
            let prefix = &self.text.ids[self.window_start..][..end];
            let found = if is_prompt && !reads { prefixes.find(prefix, start, is_last) } else { None };
            let Some(known) = found else {
                let most = length.min(start + chunks * chunk);
                while end < most {
                    let next = most.min(end + chunk);
                    let prefix = &self.text.ids[self.window_start..][..next];
                    if is_prompt && prefixes.find(prefix, end, false).is_some() {
                        break; // that need not be run
                    }
                    end = next;
                }
                let is_last = end == length;
                self.rows.clear();
                self.rows.extend_from_slice(&self.text.ids[self.window_start..][start..end]);
                let first_wanted = match (reads, is_last) {
                    (true, _) => 0,
                    (false, true) => end - start - 1,
                    (false, false) => end - start,
                };
                self.wanted.clear();
                self.wanted.extend(first_wanted..end - start);
                self.task = Task::Prefill { end, chunk, is_last, is_prompt };
                return Ok(());
            };
            self.share.cache.write(start, &known.rows)?;
            self.work.reused += end - start;
            if let (true, Some(logits)) = (is_last, &known.logits) {
                self.end_prefill();
                self.text.choose(logits);
                self.slide(window)?;
            }
        }
        Ok(())
    }

    /// Keeps the chunks of a prompt that have been run, with the logits at the end of the prompt, for later prompts.
    pub(super) fn conclude_prefill(
        &mut self,
        mut logits: Option<Vec<f32>>,
        prefixes: &mut PrefixCache,
    ) -> ort::Result<()> {
        let Task::Prefill { end, chunk, is_last, is_prompt } = self.task else { return Ok(()) };
        let start = end - self.rows.len();
        self.work.prefilled += end - start;
        if is_prompt && prefixes.keeps(&self.claim) {
            for start in (start..end).step_by(chunk) {
                let chunk_end = end.min(start + chunk);
                let rows = self.share.cache.rows(start, chunk_end)?;
                let logits = if chunk_end == end { logits.take() } else { None };
                prefixes.insert(Chunk::new(&self.window()[..chunk_end], start, rows, logits, &self.claim));
            }
        }
        if is_last {
            self.end_prefill();
            self.text.reads_prompt = false;
            self.text.end_if_due();
        }
        Ok(())
    }

    fn end_prefill(&mut self) {
        self.prefills = false;
        self.claim = None;
    }
}

impl Reader<'_> {
    /// Reads the logits of a chunk: all, if the caller reads those of the prompt; and those at its end, if it is the last,
    /// which are given back if they are to be kept.
    pub(super) fn read_chunk(
        self,
        logits: &[f32],
        vocab_size: usize,
        is_last: bool,
        keeps: bool,
    ) -> Option<Vec<f32>> {
        if self.text.reads_prompt {
            for (position, logits) in (self.past..).zip(logits.chunks_exact(vocab_size)) {
                self.text.read_prompt(position, logits);
            }
        }
        if !is_last || self.text.finish_reason.is_some() {
            return None;
        }
        let last = logits.chunks_exact(vocab_size).last()?;
        if self.text.remaining() > 0 {
            self.text.choose(last);
        }
        keeps.then(|| last.to_vec())
    }
}
