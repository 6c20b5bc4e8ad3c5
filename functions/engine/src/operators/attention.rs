//! `GroupQueryAttention`: causal attention with a KV cache, written in place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernels::{
    AttentionBuffers, AttentionScratch, AttentionShape, Instructions, MAX_D_HEAD, ThreadPool, attention,
};
use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};

pub(super) struct GroupQueryAttention {
    instructions: Instructions,
    pool: Arc<ThreadPool>,
    /// Layers run one after the other: they share this memory.
    scratch: Arc<Mutex<AttentionScratch>>,
    /// Whether somebody asks for the weights.
    inspected: Arc<AtomicBool>,
}

impl GroupQueryAttention {
    pub(super) fn new(instructions: Instructions, pool: Arc<ThreadPool>, inspected: Arc<AtomicBool>) -> Self {
        Self { instructions, pool, scratch: Arc::default(), inspected }
    }
}

impl Operator for GroupQueryAttention {
    type Kernel<'attr> = Attention;

    fn name(&self) -> &str {
        "GroupQueryAttention"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32), // queries, keys and values
            OperatorInput::optional(TensorElementType::Float32), // keys
            OperatorInput::optional(TensorElementType::Float32), // values
            OperatorInput::optional(TensorElementType::Float32), // past keys
            OperatorInput::optional(TensorElementType::Float32), // past values
            OperatorInput::required(TensorElementType::Int32),   // positions, less one, of each text
            OperatorInput::required(TensorElementType::Int32),   // positions
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [
            OperatorOutput::required(TensorElementType::Float32),
            OperatorOutput::required(TensorElementType::Float32), // keys
            OperatorOutput::required(TensorElementType::Float32), // values
            OperatorOutput::optional(TensorElementType::Float32), // weights
        ]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Attention> {
        let attribute = |name: &str| context.get::<i64>(name);
        let heads = attribute("num_heads").and_then(|heads| usize::try_from(heads).ok()).unwrap_or(0);
        let plain = attribute("kv_num_heads") == Some(heads as i64)
            && attribute("do_rotary").unwrap_or(0) == 0
            && attribute("local_window_size").unwrap_or(-1) == -1
            && attribute("smooth_softmax").unwrap_or(0) == 0
            && matches!(attribute("qk_output").unwrap_or(0), 0 | 2) // no weights, or those after softmax
            && context.get::<f32>("softcap").unwrap_or(0.0) == 0.0;
        let packed = !has_input(context, 1)? && !has_input(context, 2)?;
        let keeps = has_input(context, 3)? && has_input(context, 4)?;
        let scale = context.get::<f32>("scale").filter(|&scale| scale > 0.0);
        let (true, Some(scale)) = (heads > 0 && plain && packed && keeps, scale) else {
            return Err(Error::new(
                "GroupQueryAttention: expected queries, keys and values in one input, past ones, as many heads \
                 of keys as of queries, a `scale`, and nothing else",
            ));
        };
        let (scratch, inspected) = (Arc::clone(&self.scratch), Arc::clone(&self.inspected));
        let (instructions, pool) = (self.instructions, Arc::clone(&self.pool));
        Ok(Attention { instructions, heads, scale, pool, scratch, inspected })
    }
}

pub(super) struct Attention {
    instructions: Instructions,
    heads: usize,
    scale: f32,
    pool: Arc<ThreadPool>,
    scratch: Arc<Mutex<AttentionScratch>>,
    inspected: Arc<AtomicBool>,
}

impl Kernel for Attention {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let packed = Tensor::<f32>::input(context, 0)?;
        let [past_keys, past_values] = [3, 4].map(|index| Tensor::<f32>::input(context, index));
        let (past_keys, past_values) = (past_keys?, past_values?);
        let total = Tensor::<i32>::input(context, 6)?;
        // SAFETY: these inputs do not change while an operator runs. Keys and values do, and are not borrowed here.
        let (packed_numbers, total) = unsafe { (packed.numbers(), total.numbers()) };

        let wrong = |what: String| Err(Error::new(format!("GroupQueryAttention: {what}")));
        let (&[1, new, width], &[1, heads, capacity, d_head]) = (packed.shape, past_keys.shape) else {
            let (packed, past) = (packed.shape, past_keys.shape);
            return wrong(format!("expected one text, found queries {packed:?} and past keys {past:?}"));
        };
        let (new, width, capacity, d_head) =
            (new as usize, width as usize, capacity as usize, d_head as usize);
        let fits = heads as usize == self.heads
            && (1..=MAX_D_HEAD).contains(&d_head)
            && width == 3 * self.heads * d_head;
        if !fits || past_values.shape != past_keys.shape {
            let (packed, keys, values) = (packed.shape, past_keys.shape, past_values.shape);
            return wrong(format!("queries {packed:?}, past keys {keys:?} and values {values:?} do not fit"));
        }
        let total = total.first().map_or(0, |&total| total.max(0) as usize);
        if total < new || total > capacity {
            return wrong(format!("expected {new} to {capacity} positions, found {total}"));
        }

        let keys = Tensor::<f32>::output(context, 1, past_keys.shape)?;
        let values = Tensor::<f32>::output(context, 2, past_keys.shape)?;
        // SAFETY: nothing borrows keys or values yet.
        unsafe {
            keys.copy_from(&past_keys);
            values.copy_from(&past_values);
        }
        let output = Tensor::<f32>::output(context, 0, &[1, new as i64, (self.heads * d_head) as i64])?;
        let weights = if self.inspected.load(Ordering::Relaxed) {
            let shape = [1, self.heads as i64, new as i64, total as i64];
            Some(Tensor::<f32>::output(context, 3, &shape)?)
        } else {
            None
        };
        // SAFETY: these are four outputs, each memory of its own. Keys and values may be the memory of past ones,
        // which are not borrowed; no other input may be, since this operator does not allow it.
        let buffers = unsafe {
            AttentionBuffers {
                packed: packed_numbers,
                keys: keys.numbers_mut(),
                values: values.numbers_mut(),
                output: output.numbers_mut(),
                weights: weights.map(|weights| weights.numbers_mut()),
            }
        };
        let shape = AttentionShape { n_heads: self.heads, d_head, capacity, new, total };
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        attention(self.instructions, &self.pool, shape, self.scale, buffers, &mut scratch);
        Ok(())
    }
}
