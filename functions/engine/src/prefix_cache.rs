//! Prefix cache: keys and values of earlier prompts, so that a prompt that begins like one of them runs only the
//! rest.
//!
//! A hit must never change the text. Runs of different numbers of positions round differently, so
//! prompts are run in chunks that begin at multiples of a fixed length, and only whole runs are kept:
//! a chunk is found again only by a prompt that would have run the same ids at the same positions
//! in a run of the same length, after the same prefix. It gets the bits that it would have computed.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::cache::CacheRows;

/// What texts of a request hold until they have run their prompt, if chunks of it are kept for them alone.
pub(crate) type Claim = Option<Arc<()>>;

/// One run of some prompt.
pub(crate) struct Chunk {
    /// The prompt up to the end of the run.
    prefix: Vec<u32>,
    /// Position of the run's first id.
    start: usize,
    /// Keys and values of its positions.
    pub(crate) rows: CacheRows,
    /// Logits at its last position, if it was the last run of its prompt.
    pub(crate) logits: Option<Vec<f32>>,
    /// Those who it is kept for, if not for all.
    claim: Option<Weak<()>>,
}

impl Chunk {
    /// The run from `start` to the end of `prefix`, kept for those who share the claim.
    pub(crate) fn new(
        prefix: &[u32],
        start: usize,
        rows: CacheRows,
        logits: Option<Vec<f32>>,
        claim: &Claim,
    ) -> Self {
        Self { prefix: prefix.to_vec(), start, rows, logits, claim: claim.as_ref().map(Arc::downgrade) }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.prefix[..])
            + self.rows.bytes()
            + self.logits.as_ref().map_or(0, |l| size_of_val(&l[..]))
    }
}

/// A least-recently-used cache of chunks, in bounded memory.
pub(crate) struct PrefixCache {
    /// The one used last comes first.
    chunks: VecDeque<Chunk>,
    capacity_bytes: usize,
    bytes: usize,
    /// Whether chunks are kept for later prompts too.
    is_for_all: bool,
}

impl PrefixCache {
    /// A cache that holds at most `capacity_bytes`.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self { chunks: VecDeque::new(), capacity_bytes, bytes: 0, is_for_all: true }
    }

    /// A cache of what is claimed alone, of at most `capacity_bytes`.
    pub(crate) fn of_requests(capacity_bytes: usize) -> Self {
        Self { is_for_all: false, ..Self::new(capacity_bytes) }
    }

    /// Whether chunks of a text with this claim are kept: otherwise they need not be copied.
    pub(crate) fn keeps(&self, claim: &Claim) -> bool {
        self.is_for_all || claim.is_some()
    }

    /// Lets go of what nobody has a claim to any more.
    pub(crate) fn let_go(&mut self) {
        self.chunks.retain(|chunk| {
            let stays = chunk.claim.as_ref().is_none_or(|claim| claim.strong_count() > 0);
            self.bytes -= if stays { 0 } else { chunk.bytes() };
            stays
        });
    }

    /// The run from `start` to the end of `prefix`, if it is there, with logits if they are needed.
    pub(crate) fn find(&mut self, prefix: &[u32], start: usize, needs_logits: bool) -> Option<&Chunk> {
        let is_it = |chunk: &Chunk| {
            chunk.start == start && chunk.prefix == prefix && (chunk.logits.is_some() || !needs_logits)
        };
        let index = self.chunks.iter().position(is_it)?;
        let chunk = self.chunks.remove(index)?;
        self.chunks.push_front(chunk);
        self.chunks.front()
    }

    /// Keeps a run, if it fits in; those that have not been used for the longest make room for it, but no run that the
    /// same prompt began with: without its beginning it would not be found.
    pub(crate) fn insert(&mut self, mut chunk: Chunk) {
        // Found without the logits that were needed, it has been run again.
        let same = |old: &Chunk| old.start == chunk.start && old.prefix == chunk.prefix;
        if let Some(index) = self.chunks.iter().position(same)
            && let Some(old) = self.chunks.remove(index)
        {
            self.bytes -= old.bytes();
            chunk.logits = chunk.logits.or(old.logits);
        }
        while self.bytes + chunk.bytes() > self.capacity_bytes {
            match self.chunks.pop_back_if(|oldest| !chunk.prefix.starts_with(&oldest.prefix)) {
                Some(oldest) => self.bytes -= oldest.bytes(),
                None => return,
            }
        }
        self.bytes += chunk.bytes();
        self.chunks.push_front(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheShape, TextCache};

    /// Two positions of one head of width 4, keys and values of one layer, of half precision: 32 bytes.
    fn rows() -> CacheRows {
        let shape = CacheShape { n_layers: 1, n_heads: 1, d_head: 4, context_length: 8, number_bytes: 2 };
        let mut cache = TextCache::new(shape, None).unwrap();
        if let TextCache::Slot(cache) = &mut cache {
            cache.reserve(2);
        }
        cache.rows(0, 2).unwrap()
    }

    #[test]
    fn finds_the_same_run_and_no_other() {
        let mut cache = PrefixCache::new(1 << 10);
        cache.insert(Chunk::new(&[1, 2], 0, rows(), None, &None));
        assert!(cache.find(&[1, 2], 0, false).is_some());
        assert!(cache.find(&[1, 2], 0, true).is_none(), "it has no logits");
        for (prefix, start) in [(&[1, 3][..], 0), (&[1, 2], 1), (&[1, 2, 3], 0), (&[1], 0)] {
            assert!(cache.find(prefix, start, false).is_none());
        }
        cache.insert(Chunk::new(&[1, 2], 0, rows(), Some(vec![0.5]), &None));
        assert_eq!(cache.find(&[1, 2], 0, true).unwrap().logits, Some(vec![0.5]));
        assert_eq!(cache.chunks.len(), 1);
    }

    #[test]
    fn lets_go_of_what_was_not_used_for_the_longest() {
        let one = Chunk::new(&[1, 2], 0, rows(), None, &None).bytes();
        assert_eq!(one, 2 * 4 + 32);
        let mut cache = PrefixCache::new(2 * one);
        cache.insert(Chunk::new(&[1, 2], 0, rows(), None, &None));
        cache.insert(Chunk::new(&[3, 4], 0, rows(), None, &None));
        assert!(cache.find(&[1, 2], 0, false).is_some());
        cache.insert(Chunk::new(&[5, 6], 0, rows(), None, &None));
        assert!(cache.find(&[3, 4], 0, false).is_none());
        assert!(cache.find(&[1, 2], 0, false).is_some() && cache.find(&[5, 6], 0, false).is_some());
        assert_eq!(cache.bytes, 2 * one);

        // A prompt that is longer than the cache keeps its beginning.
        for end in 2..6 {
            cache.insert(Chunk::new(&[7, 8, 9, 10, 11, 12][..end], end - 2, rows(), None, &None));
        }
        assert!(cache.find(&[7, 8], 0, false).is_some());
        assert!(cache.find(&[7, 8, 9, 10, 11], 3, false).is_none());
        assert!(cache.bytes <= 2 * one);
    }

    #[test]
    fn keeps_what_is_claimed_until_the_last_claim_goes() {
        let mut cache = PrefixCache::of_requests(1 << 10);
        let first: Claim = Some(Arc::default());
        let second = first.clone();
        assert!(cache.keeps(&first) && !cache.keeps(&None) && PrefixCache::new(1).keeps(&None));
        cache.insert(Chunk::new(&[1, 2], 0, rows(), None, &first));
        drop(first);
        cache.let_go();
        assert!(cache.find(&[1, 2], 0, false).is_some());
        drop(second);
        cache.let_go();
        assert!(cache.find(&[1, 2], 0, false).is_none());
        assert_eq!(cache.bytes, 0);
    }
}
