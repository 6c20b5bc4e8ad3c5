//! `FastGelu`: GELU in its tanh form, without a bias.

use std::sync::Arc;

use kernels::{Instructions, ThreadPool, gelu};
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};

pub(super) struct FastGelu {
    pub(super) instructions: Instructions,
    pub(super) pool: Arc<ThreadPool>,
}

impl Operator for FastGelu {
    type Kernel<'attr> = Gelu;

    fn name(&self) -> &str {
        "FastGelu"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32),
            OperatorInput::optional(TensorElementType::Float32), // bias
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Gelu> {
        if has_input(context, 1)? {
            return Err(ort::Error::new("FastGelu: expected no bias"));
        }
        Ok(Gelu { instructions: self.instructions, pool: Arc::clone(&self.pool) })
    }
}

pub(super) struct Gelu {
    instructions: Instructions,
    pool: Arc<ThreadPool>,
}

impl Kernel for Gelu {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let input = Tensor::<f32>::input(context, 0)?;
        let output = Tensor::<f32>::output(context, 0, input.shape)?;
        // SAFETY: inputs do not change while an operator runs; the output is memory of its own, since this operator
        // does not allow that it takes that of an input.
        let (input, output) = unsafe { (input.numbers(), output.numbers_mut()) };
        gelu(self.instructions, &self.pool, input, output);
        Ok(())
    }
}
