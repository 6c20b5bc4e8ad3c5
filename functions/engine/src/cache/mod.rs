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

/// Positions by which caches grow.
pub(crate) const PAGE: usize = 32;

/// Numbers of a position in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) n_layers: usize,
    pub(crate) n_heads: usize,
    /// Heads may be wider than the model's: some graphs fill them up.
    pub(crate) d_head: usize,
    pub(crate) context_length: usize,
    /// Bytes of a number: of half precision on our own kernels, of single precision on ONNX Runtime's.
    pub(crate) number_bytes: usize,
}

impl CacheShape {
    /// With a layout of tensors, of ONNX Runtime's kernels.
    pub(crate) fn new(config: &GptConfig, d_head: usize, layout: Option<Layout>) -> Self {
        let GptConfig { n_layers, n_heads, context_length, .. } = *config;
        let number_bytes = if layout.is_some() { size_of::<f32>() } else { size_of::<F16>() };
        Self { n_layers, n_heads, d_head, context_length, number_bytes }
    }

    /// Keys and values of a position, in all layers.
    pub(crate) fn position_bytes(self) -> usize {
        2 * self.n_layers * self.n_heads * self.d_head * self.number_bytes
    }
}

/// The bits of a number of half precision.
pub(crate) type F16 = u16;

/// Keys and values of a range of positions, copied out of a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheRows {
    numbers: Numbers,
    positions: usize,
}

/// For each layer keys, then values; each `[n_heads, positions, d_head]`.
#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    /// Of our own kernels.
    Half(Vec<F16>),
    /// Of ONNX Runtime's.
    Single(Vec<f32>),
}

impl CacheRows {
    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Memory that they take.
    pub fn bytes(&self) -> usize {
        match &self.numbers {
            Numbers::Half(numbers) => size_of_val(&numbers[..]),
            Numbers::Single(numbers) => size_of_val(&numbers[..]),
        }
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
            Self::Slot(cache) => {
                Ok(CacheRows { numbers: Numbers::Half(cache.rows(start, end)), positions: end - start })
            }
            Self::Tensors(cache) => {
                Ok(CacheRows { numbers: Numbers::Single(cache.rows(start, end)?), positions: end - start })
            }
        }
    }

    /// Puts back what was copied, at the positions from `start`, which must be at most the length;
    /// what was beyond them is forgotten.
    pub(crate) fn write(&mut self, start: usize, rows: &CacheRows) -> ort::Result<()> {
        match (self, &rows.numbers) {
            (Self::Slot(cache), Numbers::Half(numbers)) => cache.write(start, rows.positions, numbers),
            (Self::Tensors(cache), Numbers::Single(numbers)) => {
                cache.write(start, rows.positions, numbers)?;
            }
            _ => return Err(ort::Error::new("expected rows of a cache of the same kernels")),
        }
        Ok(())
    }
}
