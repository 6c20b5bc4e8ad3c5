//! `GroupQueryAttention`: causal attention of the texts of a plan, whose KV caches are written in place.
//!
//! Keys and values are not among ONNX Runtime's tensors: past and present ones, which the graph declares, have no
//! texts in them here. The plan has the caches, each as long as its text.

use std::sync::{Arc, Mutex, PoisonError};

use artifact::onnx::layer_of_past_key;
use kernels::{
    AttentionBuffers, AttentionScratch, AttentionSegment, AttentionShape, Instructions, MAX_D_HEAD,
    ThreadPool, attention,
};
use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input, input_name};
use crate::plan::SharedPlan;

pub(super) struct GroupQueryAttention {
    instructions: Instructions,
    pool: Arc<ThreadPool>,
    /// Layers run one after the other: they share this memory.
    scratch: Arc<Mutex<AttentionScratch>>,
    plan: SharedPlan,
}

impl GroupQueryAttention {
    pub(super) fn new(instructions: Instructions, pool: Arc<ThreadPool>, plan: SharedPlan) -> Self {
        Self { instructions, pool, scratch: Arc::default(), plan }
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
        let layer = layer_of_past_key(&input_name(context, 3)?);
        let scale = context.get::<f32>("scale").filter(|&scale| scale > 0.0);
        let (true, Some(scale), Some(layer)) = (heads > 0 && plain && packed && keeps, scale, layer) else {
            return Err(Error::new(
                "GroupQueryAttention: expected queries, keys and values in one input, past ones of a layer, as many \
                 heads of keys as of queries, a `scale`, and nothing else",
            ));
        };
        let (scratch, plan) = (Arc::clone(&self.scratch), self.plan.clone());
        let (instructions, pool) = (self.instructions, Arc::clone(&self.pool));
        Ok(Attention { instructions, layer, heads, scale, pool, scratch, plan })
    }
}

pub(super) struct Attention {
    instructions: Instructions,
    layer: usize,
    heads: usize,
    scale: f32,
    pool: Arc<ThreadPool>,
    scratch: Arc<Mutex<AttentionScratch>>,
    plan: SharedPlan,
}

impl Kernel for Attention {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let packed = Tensor::<f32>::input(context, 0)?;
        let past_keys = Tensor::<f32>::input(context, 3)?;
        // SAFETY: these inputs do not change while an operator runs.
        let packed_numbers = unsafe { packed.numbers() };

        let wrong = |what: String| Err(Error::new(format!("GroupQueryAttention: {what}")));
        let (&[1, new, width], &[0, heads, _, d_head]) = (packed.shape, past_keys.shape) else {
            let (packed, past) = (packed.shape, past_keys.shape);
            return wrong(format!(
                "expected one row and no past texts, found queries {packed:?} and past keys {past:?}"
            ));
        };
        let (new, width, d_head) = (new as usize, width as usize, d_head as usize);
        let fits = heads as usize == self.heads
            && (1..=MAX_D_HEAD).contains(&d_head)
            && width == 3 * self.heads * d_head;
        if !fits {
            let (packed, keys) = (packed.shape, past_keys.shape);
            return wrong(format!("queries {packed:?} and past keys {keys:?} do not fit"));
        }
        let mut plan = self.plan.lock();
        let planned: usize = plan.texts.iter().map(|text| text.new).sum();
        if planned != new {
            return wrong(format!("expected the {planned} new positions of the plan, found {new}"));
        }
        for output in [1, 2] {
            Tensor::<f32>::output(context, output, past_keys.shape)?;
        }
        let output = Tensor::<f32>::output(context, 0, &[1, new as i64, (self.heads * d_head) as i64])?;
        let weights = match &plan.texts[..] {
            [text] if plan.inspected => {
                let total = text.cache.length() + new;
                let shape = [1, self.heads as i64, new as i64, total as i64];
                Some(Tensor::<f32>::output(context, 3, &shape)?)
            }
            _ => None,
        };
        // SAFETY: these are two outputs, each memory of its own, and no input's, since this operator does not allow it.
        let buffers = unsafe {
            AttentionBuffers {
                packed: packed_numbers,
                output: output.numbers_mut(),
                weights: weights.map(|weights| weights.numbers_mut()),
            }
        };
        let segments = plan.texts.iter_mut().map(|text| {
            let (new, total) = (text.new, text.cache.length() + text.new);
            let [keys, values] = text.cache.layer_mut(self.layer);
            AttentionSegment { new, total, keys, values }
        });
        let mut segments: Vec<_> = segments.collect();
        let shape = AttentionShape { n_heads: self.heads, d_head, scale: self.scale };
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        attention(self.instructions, &self.pool, shape, &mut segments, buffers, &mut scratch);
        Ok(())
    }
}
