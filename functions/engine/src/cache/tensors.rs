//! KV cache of a text as tensors, for ONNX Runtime's kernels.

use ort::memory::Allocator;
use ort::value::{DynValue, Tensor};

use super::CacheShape;

/// Layout of a graph's KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Tensors as long as the cache: each run gives longer ones.
    Growing,
    /// Tensors with room for the whole context, written in place.
    InPlace,
}

/// The cache of one text.
pub(crate) struct TensorCache {
    layout: Layout,
    /// Of each layer keys, then values, f32 `[1, n_heads, room, d_head]`; `room` is the number of
    /// positions if the layout grows, else the context length.
    pub(crate) tensors: Vec<DynValue>,
    shape: CacheShape,
    length: usize,
}

impl TensorCache {
    /// A cache without positions.
    pub(crate) fn new(layout: Layout, shape: CacheShape) -> ort::Result<Self> {
        let room = match layout {
            Layout::Growing => 0,
            Layout::InPlace => shape.context_length,
        };
        let mut cache = Self { layout, tensors: Vec::new(), shape, length: 0 };
        cache.tensors = (0..2 * shape.n_layers).map(|_| cache.tensor(room)).collect::<ort::Result<_>>()?;
        Ok(cache)
    }

    /// How its graph lays it out.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Number of positions whose memory it holds.
    pub(crate) fn capacity(&self) -> usize {
        match self.layout {
            Layout::Growing => self.length,
            Layout::InPlace => self.shape.context_length,
        }
    }

    /// Number of positions in it.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Tells that a run has added positions.
    pub(crate) fn grown_to(&mut self, length: usize) {
        self.length = length;
    }

    /// Forgets all but the first `length` positions.
    pub(crate) fn truncate(&mut self, length: usize) -> ort::Result<()> {
        if length >= self.length {
            return Ok(());
        }
        if self.layout == Layout::Growing {
            let kept = self.rows(0, length)?;
            return self.write(0, length, &kept);
        }
        self.length = length;
        Ok(())
    }

    /// Copies the positions `start..end`: for each layer keys, then values; each `[n_heads, positions, d_head]`.
    pub(crate) fn rows(&self, start: usize, end: usize) -> ort::Result<Vec<f32>> {
        let positions = end - start;
        let mut rows =
            Vec::with_capacity(self.tensors.len() * self.shape.n_heads * positions * self.shape.d_head);
        for tensor in &self.tensors {
            let (shape, values) = tensor.try_extract_tensor::<f32>()?;
            let head = shape[2] as usize * self.shape.d_head;
            for head in values.chunks_exact(head.max(1)) {
                rows.extend_from_slice(&head[start * self.shape.d_head..end * self.shape.d_head]);
            }
        }
        Ok(rows)
    }

    /// Puts back what was copied, at the positions from `start`, which must be at most the length;
    /// what was beyond them is forgotten.
    pub(crate) fn write(&mut self, start: usize, positions: usize, rows: &[f32]) -> ort::Result<()> {
        let length = start + positions;
        if self.layout == Layout::Growing {
            let before = self.rows(0, start)?;
            for index in 0..self.tensors.len() {
                self.tensors[index] = self.tensor(length)?;
            }
            self.copy_in(0, start, &before)?;
        }
        self.copy_in(start, positions, rows)?;
        self.length = length;
        Ok(())
    }

    fn copy_in(&mut self, start: usize, positions: usize, rows: &[f32]) -> ort::Result<()> {
        let width = positions * self.shape.d_head;
        if width == 0 {
            return Ok(());
        }
        let mut heads = rows.chunks_exact(width);
        for tensor in &mut self.tensors {
            let (shape, values) = tensor.try_extract_tensor_mut::<f32>()?;
            let room = shape[2] as usize * self.shape.d_head;
            for (head, copied) in values.chunks_exact_mut(room).zip(&mut heads) {
                head[start * self.shape.d_head..][..width].copy_from_slice(copied);
            }
        }
        Ok(())
    }

    /// A tensor of zeros: memory that ONNX Runtime gives is not initialised.
    fn tensor(&self, room: usize) -> ort::Result<DynValue> {
        let shape = [1, self.shape.n_heads, room, self.shape.d_head];
        if room == 0 {
            return Ok(Tensor::from_array((shape, Vec::<f32>::new()))?.into_dyn());
        }
        let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape)?;
        tensor.extract_tensor_mut().1.fill(0.0);
        Ok(tensor.into_dyn())
    }
}
