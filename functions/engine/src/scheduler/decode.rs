//! Decoding: the last id of a text is run with a draft of the next ones, and the draft is verified.

use super::sequence::{Reader, Sequence, Task};
use crate::speculation::{Drafter, TokensWithout};

impl Sequence {
    /// The last id, and a draft of the next ones, if there is a drafter and it pays with so many texts in the pass.
    /// `without` is given if texts learn from each other.
    pub(super) fn plan_decode(
        &mut self,
        drafter: Option<&dyn Drafter>,
        context_length: usize,
        texts: usize,
        without: Option<&mut TokensWithout>,
    ) {
        self.rows.clear();
        self.rows.extend(self.text.ids.last());
        if let Some(drafter) = drafter.filter(|_| self.text.options.draft) {
            let room = context_length - self.past() - 1;
            let without = without.unwrap_or(&mut self.tokens_without);
            let max = self.draft_length.next(texts, without).min(room).min(self.text.remaining() - 1);
            if max > 0 {
                drafter.draft(&self.text.ids[self.window_start..], max, &mut self.rows);
                self.rows.truncate(max + 1);
            }
        }
        self.wanted.clear();
        self.wanted.extend(0..self.rows.len());
        self.task = Task::Decode;
    }

    /// Forgets the positions of guesses that were wrong.
    pub(super) fn conclude_decode(&mut self, accepted: usize) -> ort::Result<()> {
        let drafted = self.rows.len() - 1;
        if drafted > 0 {
            self.work.drafted += drafted;
            self.work.accepted += accepted;
            self.draft_length.record(drafted, accepted);
            let past = self.past() - self.rows.len();
            self.share.cache.truncate(past + 1 + accepted)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Chooses an id after the last one, and after each guess that equals what was chosen before it. Gives the number of
    /// these guesses.
    pub(super) fn verify(self, logits: &[f32], vocab_size: usize) -> usize {
        let guesses = &self.rows[1..];
        let mut accepted = 0;
        for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
            let id = self.text.choose(logits);
            if self.text.finish_reason.is_some() || guesses.get(row) != Some(&id) {
                break;
            }
            accepted += 1;
        }
        accepted
    }
}
