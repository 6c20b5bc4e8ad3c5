//! I/O binding of passes of one shape: inputs and outputs, allocated and bound once.

use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_key, past_value,
    present_key, present_value,
};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::cache::CacheShape;
use crate::cache::tensors::TensorCache;

/// Keys and values of no texts: what ONNX Runtime gets where our own operators keep the caches.
pub(crate) fn no_texts(shape: CacheShape) -> ort::Result<Tensor<f32>> {
    let CacheShape { n_heads, context_length, d_head, .. } = shape;
    Tensor::from_array(([0, n_heads, context_length, d_head], Vec::new()))
}

/// The new positions of a text.
pub(crate) struct Rows<'a> {
    pub(crate) ids: &'a [u32],
    /// Which of them logits are wanted for.
    pub(crate) wanted: &'a [usize],
    /// Positions before them.
    pub(crate) past: usize,
}

/// A pass of `new` positions that gives logits at `wanted` of them.
pub(crate) struct Step {
    new: usize,
    wanted: usize,
    input_ids: Tensor<i64>,
    position_ids: Tensor<i64>,
    logit_positions: Tensor<i64>,
    seqlens_k: Tensor<i32>,
    total_sequence_length: Tensor<i32>,
    binding: IoBinding,
}

impl Step {
    /// For our own operators, which have the caches of all texts.
    pub(crate) fn on_no_texts(
        session: &Session,
        no_texts: &Tensor<f32>,
        n_layers: usize,
        new: usize,
        wanted: usize,
    ) -> ort::Result<Self> {
        let mut step = Self::new(session, new, wanted)?;
        for layer in 0..n_layers {
            step.binding.bind_input(past_key(layer), no_texts)?;
            step.binding.bind_input(past_value(layer), no_texts)?;
        }
        Ok(step)
    }

    /// For ONNX Runtime's operators, on the memory of one cache. Past and present are the same memory, which is what
    /// makes the attention operator write in place.
    pub(crate) fn on_cache(
        session: &Session,
        cache: &mut TensorCache,
        new: usize,
        wanted: usize,
    ) -> ort::Result<Self> {
        let mut step = Self::new(session, new, wanted)?;
        for (layer, tensors) in cache.tensors.chunks_exact_mut(2).enumerate() {
            let [key, value] = tensors else { continue };
            step.binding.bind_input(past_key(layer), key)?;
            step.binding.bind_input(past_value(layer), value)?;
            step.binding.bind_output(present_key(layer), key)?;
            step.binding.bind_output(present_value(layer), value)?;
        }
        Ok(step)
    }

    fn new(session: &Session, new: usize, wanted: usize) -> ort::Result<Self> {
        let allocator = Allocator::default();
        let mut step = Self {
            new,
            wanted,
            input_ids: Tensor::new(&allocator, [1, new])?,
            position_ids: Tensor::new(&allocator, [1, new])?,
            logit_positions: Tensor::new(&allocator, [wanted])?,
            seqlens_k: Tensor::new(&allocator, [1_usize])?,
            total_sequence_length: Tensor::new(&allocator, [0_usize; 0])?,
            binding: session.create_binding()?,
        };
        let binding = &mut step.binding;
        binding.bind_input(INPUT_IDS, &step.input_ids)?;
        binding.bind_input(POSITION_IDS, &step.position_ids)?;
        binding.bind_input(LOGIT_POSITIONS, &step.logit_positions)?;
        binding.bind_input(SEQLENS_K, &step.seqlens_k)?;
        binding.bind_input(TOTAL_SEQUENCE_LENGTH, &step.total_sequence_length)?;
        // Memory of the session's own, which it keeps for the next pass: that of many rows is many megabytes.
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
        binding.bind_output_to_device(LOGITS, &memory)?;
        Ok(step)
    }

    /// Whether it runs this many new positions with logits at this many of them.
    pub(crate) fn fits(&self, new: usize, wanted: usize) -> bool {
        (self.new, self.wanted) == (new, wanted)
    }

    /// Runs the new positions of some texts, and calls `read` with the logits that are wanted, in their order. One that
    /// ONNX Runtime's operators run is alone.
    pub(crate) fn run<R>(
        &mut self,
        session: &mut Session,
        rows: &[Rows<'_>],
        read: impl FnOnce(&[f32]) -> R,
    ) -> ort::Result<R> {
        let ids = rows.iter().flat_map(|rows| rows.ids);
        for (input, &id) in self.input_ids.extract_tensor_mut().1.iter_mut().zip(ids) {
            *input = i64::from(id);
        }
        let positions = rows.iter().flat_map(|rows| rows.past..rows.past + rows.ids.len());
        for (input, position) in self.position_ids.extract_tensor_mut().1.iter_mut().zip(positions) {
            *input = position as i64;
        }
        let starts = rows.iter().scan(0, |next, rows| {
            let start = *next;
            *next += rows.ids.len();
            Some((start, rows))
        });
        let wanted =
            starts.flat_map(|(start, rows)| rows.wanted.iter().map(move |position| start + position));
        for (input, position) in self.logit_positions.extract_tensor_mut().1.iter_mut().zip(wanted) {
            *input = position as i64;
        }
        let total = rows.first().map_or(0, |rows| rows.past + rows.ids.len()) as i32;
        self.seqlens_k.extract_tensor_mut().1.fill(total - 1);
        self.total_sequence_length.extract_tensor_mut().1.fill(total);
        let outputs = session.run_binding(&self.binding)?;
        let logits = outputs.get(LOGITS).ok_or_else(|| ort::Error::new("the pass gave no logits"))?;
        Ok(read(logits.try_extract_tensor::<f32>()?.1))
    }
}
