//! KV cache: keys and values of the positions that a text has run, so that none is computed twice.
//!
//! - [`slot`] is the cache of a text on our own kernels, which grows with the text and is written in place;
//! - [`tensors`] is that of a text on ONNX Runtime's;
//! - [`memory`] bounds the sum of all.

pub(crate) mod memory;
pub(crate) mod slot;
pub(crate) mod tensors;

use artifact::GptConfig;

use slot::SlotCache;
use tensors::{Layout, TensorCache};

/// Positions by which caches grow, and that a run of a prompt takes.
pub(crate) const PAGE: usize = 32;

/// Numbers of a position in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) n_layers: usize,
    pub(crate) n_heads: usize,
    /// Heads may be wider than the model's: some graphs fill them up.
    pub(crate) d_head: usize,
    pub(crate) context_length: usize,
}

impl CacheShape {
    pub(crate) fn new(config: &GptConfig, d_head: usize) -> Self {
        let GptConfig { n_layers, n_heads, context_length, .. } = *config;
        Self { n_layers, n_heads, d_head, context_length }
    }

    /// Keys and values of a position, in all layers.
    pub(crate) fn position_bytes(self) -> usize {
        2 * self.n_layers * self.n_heads * self.d_head * size_of::<f32>()
    }
}

/// Keys and values of a range of positions, copied out of a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheRows {
    /// For each layer keys, then values; each `[n_heads, positions, d_head]`.
    rows: Vec<f32>,
    positions: usize,
}

impl CacheRows {
    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Memory that they take.
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<f32>()
    }
}

/// The cache of one text.
pub(crate) enum TextCache {
    Slot(SlotCache),
    Tensors(TensorCache),
}

impl TextCache {
    /// A cache without positions: with a layout of tensors, one for ONNX Runtime's kernels.
    pub(crate) fn new(shape: CacheShape, layout: Option<Layout>) -> ort::Result<Self> {
        Ok(match layout {
            Some(layout) => Self::Tensors(TensorCache::new(layout, shape)?),
            None => Self::Slot(SlotCache::new(shape)),
        })
    }

    /// Number of positions in it.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Slot(cache) => cache.length(),
            Self::Tensors(cache) => cache.length(),
        }
    }

    /// Number of positions whose memory it holds.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Slot(cache) => cache.capacity(),
            Self::Tensors(cache) => cache.capacity(),
        }
    }

    /// Forgets all but the first `length` positions.
    pub(crate) fn truncate(&mut self, length: usize) -> ort::Result<()> {
        match self {
            Self::Slot(cache) => cache.truncate(length),
            Self::Tensors(cache) => cache.truncate(length)?,
        }
        Ok(())
    }

    /// Copies the positions `start..end`.
    pub(crate) fn rows(&self, start: usize, end: usize) -> ort::Result<CacheRows> {
        match self {
            Self::Slot(cache) => Ok(cache.rows(start, end)),
            Self::Tensors(cache) => cache.rows(start, end),
        }
    }

    /// Puts back what was copied, at the positions from `start`, which must be at most the length;
    /// what was beyond them is forgotten.
    pub(crate) fn write(&mut self, start: usize, rows: &CacheRows) -> ort::Result<()> {
        match self {
            Self::Slot(cache) => cache.write(start, rows),
            Self::Tensors(cache) => cache.write(start, rows)?,
        }
        Ok(())
    }
}
