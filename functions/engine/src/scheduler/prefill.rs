//! Prefill: the window of a text is run in chunks, those of a prompt unless an earlier one has run them.

use super::sequence::{PREFILL_CHUNK, Reader, Sequence, Task, Window};
use crate::prefix_cache::{Chunk, PrefixCache};

impl Sequence {
    /// Takes the chunks that earlier prompts have run; the first token too, if one of them was the same prompt. The next
    /// chunk, if there is one, is then what it does in the next pass.
    pub(super) fn plan_prefill(&mut self, prefixes: &mut PrefixCache, window: Window) -> ort::Result<()> {
        while self.prefills && !self.has_ended() {
            let (start, length) = (self.past(), self.window().len());
            let end = length.min(start + PREFILL_CHUNK);
            let (is_last, is_prompt) = (end == length, self.window_is_prompt());
            let reads = self.text.reads_prompt;
            let prefix = &self.text.ids[self.window_start..][..end];
            let found = if is_prompt && !reads { prefixes.find(prefix, start, is_last) } else { None };
            let Some(chunk) = found else {
                self.rows.clear();
                self.rows.extend_from_slice(&prefix[start..]);
                let first_wanted = match (reads, is_last) {
                    (true, _) => 0,
                    (false, true) => end - start - 1,
                    (false, false) => end - start,
                };
                self.wanted.clear();
                self.wanted.extend(first_wanted..end - start);
                self.task = Task::Prefill { end, is_last, is_prompt };
                return Ok(());
            };
            self.share.cache.write(start, &chunk.rows)?;
            self.work.reused += end - start;
            if let (true, Some(logits)) = (is_last, &chunk.logits) {
                self.end_prefill();
                self.text.choose(logits);
                self.slide(window)?;
            }
        }
        Ok(())
    }

    /// Keeps the chunk of a prompt that has been run, with the logits at the end of the prompt, for later prompts.
    pub(super) fn conclude_prefill(
        &mut self,
        logits: Option<Vec<f32>>,
        prefixes: &mut PrefixCache,
    ) -> ort::Result<()> {
        let Task::Prefill { end, is_last, is_prompt } = self.task else { return Ok(()) };
        let start = end - self.rows.len();
        self.work.prefilled += end - start;
        if is_prompt && prefixes.keeps(&self.claim) {
            let rows = self.share.cache.rows(start, end)?;
            let prefix = &self.text.ids[self.window_start..][..end];
            prefixes.insert(Chunk::new(prefix, start, rows, logits, &self.claim));
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
