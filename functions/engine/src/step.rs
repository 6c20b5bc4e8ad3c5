//! I/O binding for runs of one shape: inputs and outputs, allocated and bound once.

use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_key, past_value,
    present_key, present_value,
};
use ort::memory::Allocator;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::cache::KvCache;

/// A run of `ids` new positions that gives logits at `wanted` of them, on the memory of one cache.
pub(crate) struct Step {
    ids: usize,
    wanted: usize,
    input_ids: Tensor<i64>,
    position_ids: Tensor<i64>,
    logit_positions: Tensor<i64>,
    seqlens_k: Tensor<i32>,
    total_sequence_length: Tensor<i32>,
    /// `[1, wanted, vocab_size]`
    logits: Tensor<f32>,
    binding: IoBinding,
}

impl Step {
    /// Allocates and binds. Past and present are the same memory, which is what makes the attention
    /// operator write in place.
    pub(crate) fn new(
        session: &Session,
        cache: &mut KvCache,
        ids: usize,
        wanted: usize,
        vocab_size: usize,
    ) -> ort::Result<Self> {
        let allocator = Allocator::default();
        let mut step = Self {
            ids,
            wanted,
            input_ids: Tensor::new(&allocator, [1, ids])?,
            position_ids: Tensor::new(&allocator, [1, ids])?,
            logit_positions: Tensor::new(&allocator, [wanted])?,
            seqlens_k: Tensor::new(&allocator, [1_usize])?,
            total_sequence_length: Tensor::new(&allocator, [0_usize; 0])?,
            logits: Tensor::new(&allocator, [1, wanted, vocab_size])?,
            binding: session.create_binding()?,
        };
        let binding = &mut step.binding;
        binding.bind_input(INPUT_IDS, &step.input_ids)?;
        binding.bind_input(POSITION_IDS, &step.position_ids)?;
        binding.bind_input(LOGIT_POSITIONS, &step.logit_positions)?;
        binding.bind_input(SEQLENS_K, &step.seqlens_k)?;
        binding.bind_input(TOTAL_SEQUENCE_LENGTH, &step.total_sequence_length)?;
        binding.bind_output(LOGITS, &mut step.logits)?;
        for (layer, tensors) in cache.tensors.chunks_exact_mut(2).enumerate() {
            let [key, value] = tensors else { continue };
            binding.bind_input(past_key(layer), key)?;
            binding.bind_input(past_value(layer), value)?;
            binding.bind_output(present_key(layer), key)?;
            binding.bind_output(present_value(layer), value)?;
        }
        Ok(step)
    }

    /// Whether it runs this many new positions with logits at this many of them.
    pub(crate) fn fits(&self, ids: usize, wanted: usize) -> bool {
        (self.ids, self.wanted) == (ids, wanted)
    }

    /// Runs `ids` after `past` positions; gives the logits at the positions `wanted` of them.
    pub(crate) fn run(
        &mut self,
        session: &mut Session,
        ids: &[u32],
        wanted: &[usize],
        past: usize,
    ) -> ort::Result<&[f32]> {
        let total = (past + ids.len()) as i32;
        for (input, &id) in self.input_ids.extract_tensor_mut().1.iter_mut().zip(ids) {
            *input = i64::from(id);
        }
        for (input, position) in self.position_ids.extract_tensor_mut().1.iter_mut().zip(past..) {
            *input = position as i64;
        }
        for (input, &position) in self.logit_positions.extract_tensor_mut().1.iter_mut().zip(wanted) {
            *input = position as i64;
        }
        self.seqlens_k.extract_tensor_mut().1.fill(total - 1);
        self.total_sequence_length.extract_tensor_mut().1.fill(total);
        drop(session.run_binding(&self.binding)?);
        Ok(self.logits.extract_tensor().1)
    }
}
