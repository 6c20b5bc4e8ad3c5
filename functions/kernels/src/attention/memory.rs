//! Memory of attention that the threads share, each of them the parts of its heads.

use crate::simd::F16;

/// The widest head: its numbers fill eight registers.
pub const MAX_D_HEAD: usize = 128;
/// The most queries whose scores are kept at a time.
pub(super) const QUERIES: usize = 32;

/// The sizes of a text's part of a run.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) heads: usize,
    pub(super) d_head: usize,
    /// Positions that keys and values have room for.
    pub(super) capacity: usize,
    /// New positions, which are the last ones.
    pub(super) new: usize,
    pub(super) total: usize,
    /// `total`, filled up to whole registers.
    pub(super) padded: usize,
    pub(super) scale: f32,
}

impl Run {
    /// Queries whose scores are kept at a time.
    pub(super) fn kept(&self) -> usize {
        self.new.min(QUERIES)
    }
}

/// The memory of all heads of a text; each reads and writes its own part.
pub(super) struct Memory {
    /// `[new, 3, heads, d_head]`: queries, keys, values
    pub(super) packed: *const f32,
    /// `[heads, capacity, d_head]`
    pub(super) keys: *mut F16,
    /// `[heads, capacity, d_head]`
    pub(super) values: *mut F16,
    /// `[new, heads, d_head]`
    pub(super) output: *mut f32,
    /// `[heads, new, total]`, or null
    pub(super) weights: *mut f32,
    /// `[heads, kept, padded]`
    pub(super) scores: *mut f32,
}

// SAFETY: the pointers are used by `Head` alone, whose constructor is unsafe: its callers give each head, and with
// it the memory that is written, to one thread at a time.
unsafe impl Sync for Memory {}
