//! KV cache of a text on our own kernels: memory that grows with the text and is written in place.

use super::{CacheShape, F16, PAGE};

/// The cache of one text. Where it is, is its owner's business: a run borrows it.
#[derive(Debug, Default)]
pub(crate) struct SlotCache {
    shape: CacheShape,
    /// `[n_layers, 2, n_heads, capacity, d_head]`: of each layer keys, then values.
    numbers: Vec<F16>,
    capacity: usize,
    /// What the capacity may grow to, in whole pages.
    most: usize,
    length: usize,
}

impl SlotCache {
    /// A cache without positions and without memory.
    pub(crate) fn new(shape: CacheShape) -> Self {
        Self { shape, most: shape.context_length.next_multiple_of(PAGE), ..Self::default() }
    }

    /// Bounds what it may grow to, in whole pages.
    pub(crate) fn bound(&mut self, positions: usize) {
        self.most = positions;
    }

    /// Number of positions in it.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Number of positions that it has memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tells that a run has added positions.
    pub(crate) fn grown_to(&mut self, length: usize) {
        self.length = length;
    }

    /// Forgets all but the first `length` positions; their memory stays.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Makes room for so many positions, which must be within its bound: twice what there was, or more if that is not
    /// enough.
    pub(crate) fn reserve(&mut self, positions: usize) {
        if positions <= self.capacity {
            return;
        }
        let doubled = (2 * self.capacity).min(self.most);
        self.set_capacity(positions.max(doubled).next_multiple_of(PAGE));
    }

    /// Makes room for so many positions and no more. Memory that the system has not given yet costs nothing: zeros are
    /// mapped when they are written.
    fn set_capacity(&mut self, capacity: usize) {
        let CacheShape { n_layers, n_heads, d_head, .. } = self.shape;
        let mut numbers = vec![0; 2 * n_layers * n_heads * capacity * d_head];
        let kept = self.length * d_head;
        if kept > 0 {
            let heads = self.numbers.chunks_exact(self.capacity * d_head);
            for (new, old) in numbers.chunks_exact_mut(capacity * d_head).zip(heads) {
                new[..kept].copy_from_slice(&old[..kept]);
            }
        }
        self.numbers = numbers;
        self.capacity = capacity;
    }

    /// Keys and values of a layer, each `[n_heads, capacity, d_head]`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn layer_mut(&mut self, layer: usize) -> [&mut [F16]; 2] {
        let width = self.shape.n_heads * self.capacity * self.shape.d_head;
        let (keys, values) = self.numbers[2 * layer * width..][..2 * width].split_at_mut(width);
        [keys, values]
    }

    /// Copies the positions `start..end`: for each layer keys, then values; each `[n_heads, positions, d_head]`.
    pub(crate) fn rows(&self, start: usize, end: usize) -> Vec<F16> {
        let d_head = self.shape.d_head;
        let mut rows = Vec::with_capacity((end - start) * self.shape.position_bytes() / size_of::<F16>());
        for head in self.numbers.chunks_exact((self.capacity * d_head).max(1)) {
            rows.extend_from_slice(&head[start * d_head..end * d_head]);
        }
        rows
    }

    /// Puts back what was copied, at the positions from `start`; what was beyond them is forgotten.
    pub(crate) fn write(&mut self, start: usize, positions: usize, rows: &[F16]) {
        let d_head = self.shape.d_head;
        let width = positions * d_head;
        self.truncate(start);
        self.reserve(start + positions);
        if width > 0 {
            let heads = self.numbers.chunks_exact_mut(self.capacity * d_head);
            for (head, copied) in heads.zip(rows.chunks_exact(width)) {
                head[start * d_head..][..width].copy_from_slice(copied);
            }
        }
        self.length = start + positions;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        n_layers: 2,
        n_heads: 3,
        d_head: 4,
        context_length: 100,
        number_bytes: size_of::<F16>(),
    };

    /// Each number says where it belongs: growing moves none, and what was copied comes back.
    #[test]
    fn positions_stay_what_they_are_while_it_grows() {
        let rows = |positions: usize| -> Vec<F16> { (0..positions as F16 * 2 * 2 * 3 * 4).collect() };
        let mut cache = SlotCache::new(SHAPE);
        assert_eq!((cache.length(), cache.capacity()), (0, 0));
        cache.write(0, 20, &rows(20));
        assert_eq!((cache.length(), cache.capacity()), (20, 32));
        assert_eq!(cache.rows(0, 20), rows(20));
        let [first, second] = [cache.rows(0, 7), cache.rows(7, 20)];
        cache.reserve(33);
        assert_eq!((cache.length(), cache.capacity()), (20, 64));
        assert_eq!(cache.rows(0, 20), rows(20));
        cache.reserve(65);
        assert_eq!(cache.capacity(), 128, "of a context of 100, in whole pages");
        let mut bounded = SlotCache::new(SHAPE);
        bounded.bound(96);
        let capacities = [1, 33, 65, 96].map(|positions| {
            bounded.reserve(positions);
            bounded.capacity()
        });
        assert_eq!(capacities, [32, 64, 96, 96]);
        assert_eq!([cache.rows(0, 7), cache.rows(7, 20)], [first.clone(), second.clone()]);

        let mut other = SlotCache::new(SHAPE);
        other.write(0, 7, &first);
        other.write(7, 13, &second);
        assert_eq!(other.rows(0, 20), rows(20));
        other.truncate(5);
        other.truncate(9);
        assert_eq!((other.length(), other.rows(0, 5)), (5, cache.rows(0, 5)));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn layers_are_apart() {
        let mut cache = SlotCache::new(SHAPE);
        cache.reserve(1);
        for layer in 0..2 {
            let [keys, values] = cache.layer_mut(layer.into());
            assert_eq!([keys.len(), values.len()], [3 * 32 * 4; 2]);
            keys.fill(layer);
            values.fill(10 + layer);
        }
        cache.grown_to(1);
        let numbers = cache.rows(0, 1);
        assert_eq!(numbers, [[0; 12], [10; 12], [1; 12], [11; 12]].concat());
    }
}
