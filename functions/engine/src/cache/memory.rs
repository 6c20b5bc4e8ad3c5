//! Memory for KV caches: a bound on the sum of all, kept by what each text may need at most.
//!
//! A text gets memory as it grows, but its whole need is set aside before it begins: it may have to wait for that, and
//! never fails halfway.

use super::{PAGE, TextCache};

/// The caches of all texts of a model, in bounded memory. Sizes are positions.
pub(crate) struct KvMemory {
    capacity: usize,
    /// Set aside for texts.
    taken: usize,
    /// Caches of texts that have ended: their memory need not be mapped again.
    free: Vec<TextCache>,
}

impl KvMemory {
    /// Memory for `capacity` positions.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, taken: 0, free: Vec::new() }
    }

    /// Sets memory aside for a text of at most so many positions, and gives a cache of an earlier text for it or calls
    /// `make`; none if there is too little.
    pub(crate) fn take<E>(
        &mut self,
        positions: usize,
        make: impl FnOnce() -> Result<TextCache, E>,
    ) -> Result<Option<Share>, E> {
        let positions = positions.next_multiple_of(PAGE);
        let left = self.capacity.saturating_sub(self.taken);
        if positions > left {
            return Ok(None);
        }
        // The smallest that is large enough, or else the largest, which has to grow least.
        let found = self.free.iter().enumerate().filter(|(_, cache)| cache.capacity() <= left).min_by_key(
            |(_, cache)| {
                let capacity = cache.capacity();
                (capacity < positions, if capacity < positions { usize::MAX - capacity } else { capacity })
            },
        );
        let mut cache = match found.map(|(index, _)| index) {
            Some(index) => self.free.swap_remove(index),
            None => make()?,
        };
        let positions = positions.max(cache.capacity());
        if let TextCache::Slot(cache) = &mut cache {
            cache.bound(positions);
        }
        self.taken += positions;
        while self.taken + self.free.iter().map(TextCache::capacity).sum::<usize>() > self.capacity {
            self.free.pop();
        }
        Ok(Some(Share { cache, positions }))
    }

    /// Takes the memory of a text back.
    pub(crate) fn give_back(&mut self, share: Share) {
        let Share { mut cache, positions } = share;
        self.taken -= positions;
        if cache.truncate(0).is_ok() && cache.capacity() > 0 {
            self.free.push(cache);
        }
    }

    /// Positions that are set aside.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

/// What was set aside for a text.
pub(crate) struct Share {
    pub(crate) cache: TextCache,
    positions: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::CacheShape;

    const SHAPE: CacheShape =
        CacheShape { n_layers: 1, n_heads: 1, d_head: 1, context_length: 256, number_bytes: 2 };

    fn take(memory: &mut KvMemory, positions: usize) -> Option<Share> {
        memory.take(positions, || TextCache::new(SHAPE, None)).unwrap()
    }

    /// Grows as a run would make it.
    fn grow(share: &mut Share, positions: usize) {
        let TextCache::Slot(cache) = &mut share.cache else { panic!("not a slot") };
        cache.reserve(positions);
    }

    #[test]
    fn a_text_waits_for_the_whole_of_its_need() {
        let mut memory = KvMemory::new(256);
        let first = take(&mut memory, 150).unwrap();
        assert_eq!(memory.taken(), 160);
        assert!(take(&mut memory, 97).is_none());
        let second = take(&mut memory, 96).unwrap();
        assert!(take(&mut memory, 1).is_none());
        memory.give_back(first);
        memory.give_back(second);
        assert_eq!(memory.taken(), 0);
        assert!(take(&mut memory, 256).is_some());
    }

    #[test]
    fn memory_of_an_earlier_text_is_used_again() {
        let mut memory = KvMemory::new(512);
        for positions in [64, 128] {
            let mut share = take(&mut memory, positions).unwrap();
            grow(&mut share, positions);
            let other = take(&mut memory, 32).unwrap();
            memory.give_back(share);
            memory.give_back(other);
        }
        assert_eq!(memory.free.len(), 1, "the second text grew what the first had");
        assert_eq!(take(&mut memory, 40).unwrap().cache.capacity(), 128);
    }

    proptest! {
        /// Whatever comes and goes, the memory of all caches is within the bound, and all of it can be taken again.
        #[test]
        fn the_sum_is_bounded(steps in prop::collection::vec((1..257_usize, any::<prop::sample::Index>(), any::<bool>()), 1..60)) {
            let mut memory = KvMemory::new(600);
            let mut shares: Vec<Share> = Vec::new();
            for (positions, index, ends) in steps {
                if ends && !shares.is_empty() {
                    let share = shares.swap_remove(index.index(shares.len()));
                    memory.give_back(share);
                } else if let Some(mut share) = take(&mut memory, positions) {
                    let most = share.positions;
                    grow(&mut share, positions);
                    prop_assert!(share.cache.capacity() <= most);
                    shares.push(share);
                }
                let held = shares.iter().map(|share| &share.cache).chain(&memory.free);
                prop_assert!(held.map(TextCache::capacity).sum::<usize>() <= 600);
                prop_assert_eq!(memory.taken(), shares.iter().map(|share| share.positions).sum::<usize>());
            }
            shares.into_iter().for_each(|share| memory.give_back(share));
            prop_assert!(take(&mut memory, 256).is_some() && take(&mut memory, 256).is_some());
        }
    }
}
