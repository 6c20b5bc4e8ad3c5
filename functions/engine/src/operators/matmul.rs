//! `MatMulNBits`: rows of activations times block-wise quantized weights.

use std::sync::{Arc, Mutex, PoisonError};

use artifact::onnx::LOGITS;
use kernels::{
    Activations, Arena, Format, Instructions, Matrix, PackedWeights, ShortlistedMatrix, ThreadPool,
};
use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::{TensorElementType, TensorValueType, ValueRef};

use super::context::{Tensor, has_input, with_last};
use crate::mapping::let_go;

pub(super) struct MatMulNBits {
    instructions: Instructions,
    pool: Arc<ThreadPool>,
    /// Whether an output head may be read in two passes.
    shortlist: bool,
    /// Matrices are multiplied one after the other: they share this memory.
    activations: Arc<Mutex<Activations>>,
    arena: Arena,
}

impl MatMulNBits {
    pub(super) fn new(instructions: Instructions, pool: Arc<ThreadPool>, shortlist: bool) -> Self {
        Self { instructions, pool, shortlist, activations: Arc::default(), arena: Arena::default() }
    }
}

impl Operator for MatMulNBits {
    type Kernel<'attr> = Multiplication;

    fn name(&self) -> &str {
        "MatMulNBits"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32), // activations
            OperatorInput::required(TensorElementType::Uint8),   // weights
            OperatorInput::required(TensorElementType::Float32), // scales
            OperatorInput::optional(TensorElementType::Uint8),   // zero points
            OperatorInput::optional(TensorElementType::Int32),   // group indices
            OperatorInput::optional(TensorElementType::Float32), // bias
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Multiplication> {
        let refused = |error: kernels::WeightsError| Error::new(format!("MatMulNBits: {error}"));
        let attribute = |name: &str| {
            let value: Option<i64> = context.get(name);
            let value = value.and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0);
            value.ok_or_else(|| Error::new(format!("MatMulNBits: expected a positive attribute `{name}`")))
        };
        let format =
            Format::new(attribute("K")?, attribute("N")?, attribute("bits")?, attribute("block_size")?)
                .map_err(refused)?;
        if has_input(context, 3)? || has_input(context, 4)? {
            return Err(Error::new("MatMulNBits: expected no zero points and no group indices"));
        }
        let weights: ValueRef<'_, TensorValueType<u8>> = context.constant_input(1)?;
        let scales: ValueRef<'_, TensorValueType<f32>> = context.constant_input(2)?;
        let bias: Option<ValueRef<'_, TensorValueType<f32>>> =
            if has_input(context, 5)? { Some(context.constant_input(5)?) } else { None };
        let bias = bias.as_ref().map(|bias| bias.extract_tensor().1);
        let packed = PackedWeights { weights: weights.extract_tensor().1, scales: scales.extract_tensor().1 };
        let two_passes = self.shortlist
            && ShortlistedMatrix::is_worth_it(format)
            && context.outputs()?.iter().any(|output| output.name() == LOGITS);
        let (instructions, arena, pool) = (self.instructions, &self.arena, &self.pool);
        let matrix = if two_passes {
            ShortlistedMatrix::new(instructions, arena, pool, format, packed, bias).map(Weights::Shortlisted)
        } else {
            let matrix = Matrix::new(instructions, arena, pool, format, packed, bias).map(Weights::Whole);
            // SAFETY: what ONNX Runtime maps from a file are constants of the graph, which it does not write to.
            unsafe { let_go(packed.weights) };
            matrix
        };
        let (weights, pool) = (matrix.map_err(refused)?, Arc::clone(&self.pool));
        Ok(Multiplication { format, weights, pool, activations: Arc::clone(&self.activations) })
    }
}

pub(super) struct Multiplication {
    format: Format,
    weights: Weights,
    pool: Arc<ThreadPool>,
    activations: Arc<Mutex<Activations>>,
}

enum Weights {
    Whole(Matrix),
    /// An output head; its columns are read again where ONNX Runtime has them: memory-mapped from the model's file,
    /// if it was loaded from one.
    Shortlisted(ShortlistedMatrix),
}

impl Kernel for Multiplication {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let (d_in, d_out) = (self.format.d_in(), self.format.d_out());
        let x = Tensor::<f32>::input(context, 0)?;
        if x.shape.last().is_none_or(|&last| last as usize != d_in) {
            let shape = x.shape;
            return Err(Error::new(format!(
                "MatMulNBits: expected activations [.., {d_in}], found {shape:?}"
            )));
        }
        let (shape, axes) = with_last(x.shape, d_out);
        let product = Tensor::<f32>::output(context, 0, &shape[..axes])?;
        // SAFETY: inputs do not change while an operator runs; the output is memory of its own, since this operator
        // does not allow that it takes that of an input.
        let (x, product) = unsafe { (x.numbers(), product.numbers_mut()) };
        let mut activations = self.activations.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut self.weights {
            Weights::Whole(matrix) => matrix.multiply(&self.pool, x, &mut activations, product),
            Weights::Shortlisted(matrix) => {
                let (weights, scales) = (Tensor::<u8>::input(context, 1)?, Tensor::<f32>::input(context, 2)?);
                // SAFETY: inputs do not change while an operator runs.
                let (weights, scales) = unsafe { (weights.numbers(), scales.numbers()) };
                let packed = PackedWeights { weights, scales };
                matrix.multiply(&self.pool, packed, x, &mut activations, product);
            }
        }
        Ok(())
    }
}
