//! `SkipLayerNormalization`: the sum of a residual connection and its LayerNorm.

use std::sync::Arc;

use kernels::{Instructions, ThreadPool, skip_layer_norm};
use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};

pub(super) struct SkipLayerNormalization {
    pub(super) instructions: Instructions,
    pub(super) pool: Arc<ThreadPool>,
}

impl Operator for SkipLayerNormalization {
    type Kernel<'attr> = Normalization;

    fn name(&self) -> &str {
        "SkipLayerNormalization"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32),
            OperatorInput::required(TensorElementType::Float32), // what is added to it
            OperatorInput::required(TensorElementType::Float32), // scale
            OperatorInput::optional(TensorElementType::Float32), // shift
            OperatorInput::optional(TensorElementType::Float32), // bias
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [
            OperatorOutput::required(TensorElementType::Float32),
            OperatorOutput::optional(TensorElementType::Float32), // mean
            OperatorOutput::optional(TensorElementType::Float32), // inverse standard deviation
            OperatorOutput::optional(TensorElementType::Float32), // the sum
        ]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Normalization> {
        if !has_input(context, 3)? || has_input(context, 4)? {
            return Err(Error::new("SkipLayerNormalization: expected a shift and no bias"));
        }
        let epsilon = context
            .get::<f32>("epsilon")
            .ok_or_else(|| Error::new("SkipLayerNormalization: expected `epsilon`"))?;
        Ok(Normalization { instructions: self.instructions, pool: Arc::clone(&self.pool), epsilon })
    }
}

pub(super) struct Normalization {
    instructions: Instructions,
    pool: Arc<ThreadPool>,
    epsilon: f32,
}

impl Kernel for Normalization {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [x, residual, scale, shift] = [0, 1, 2, 3].map(|index| Tensor::<f32>::input(context, index));
        let (x, residual, scale, shift) = (x?, residual?, scale?, shift?);
        let width = scale.len();
        let ends_in_width = width > 0 && x.shape.last().is_some_and(|&last| last as usize == width);
        if x.shape != residual.shape || shift.len() != width || !ends_in_width {
            return Err(Error::new(format!(
                "SkipLayerNormalization: expected two tensors [.., {width}] and {width} shifts, found {:?}, {:?} and {}",
                x.shape,
                residual.shape,
                shift.len()
            )));
        }
        let normalised = Tensor::<f32>::output(context, 0, x.shape)?;
        let sum = Tensor::<f32>::output(context, 3, x.shape)?;
        // SAFETY: inputs do not change while an operator runs; outputs are memory of their own, since this operator
        // does not allow that they take that of inputs.
        let (x, residual, scale, shift, normalised, sum) = unsafe {
            (
                x.numbers(),
                residual.numbers(),
                scale.numbers(),
                shift.numbers(),
                normalised.numbers_mut(),
                sum.numbers_mut(),
            )
        };
        let Self { instructions, pool, epsilon } = self;
        skip_layer_norm(*instructions, pool, [x, residual], [scale, shift], *epsilon, [normalised, sum]);
        Ok(())
    }
}
