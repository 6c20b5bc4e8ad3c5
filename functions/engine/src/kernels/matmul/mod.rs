//! `MatMulNBits`: rows of activations times block-wise quantised weights.
//!
//! ONNX Runtime's own kernel unpacks the weights again for every row, so that verifying a draft of four
//! tokens or reading a prompt is bound by unpacking. Here weights are laid out once, at loading, so that
//! one instruction multiplies 4 weights of 16 columns with 4 activations that are the same for all of
//! them ([`weights`]), and up to six rows share what has been loaded and unpacked ([`tile`]). Decoding is
//! bound by memory then, and prompts by arithmetic.

mod activations;
mod tile;
mod weights;

use std::sync::{Arc, Mutex, PoisonError};

use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::{TensorElementType, TensorValueType, ValueRef};

use self::activations::Activations;
use self::tile::{Output, multiply};
use self::weights::{Format, Weights};
use super::context::{Tensor, has_input, in_parallel, with_last};

pub(super) struct MatMulNBits {
    threads: usize,
    /// Matrices are multiplied one after the other: they share this memory.
    activations: Arc<Mutex<Activations>>,
}

impl MatMulNBits {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, activations: Arc::default() }
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
        let attribute = |name: &str| {
            let value: Option<i64> = context.get(name);
            let value = value.and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0);
            value.ok_or_else(|| Error::new(format!("MatMulNBits: expected a positive attribute `{name}`")))
        };
        let format = Format {
            d_in: attribute("K")?,
            d_out: attribute("N")?,
            bits: attribute("bits")?,
            block_size: attribute("block_size")?,
        };
        if !matches!(format.bits, 4 | 8) || !format.block_size.is_multiple_of(16) {
            return Err(Error::new(format!(
                "MatMulNBits: expected 4 or 8 bits in blocks of a multiple of 16, found {format:?}"
            )));
        }
        if has_input(context, 3)? || has_input(context, 4)? {
            return Err(Error::new("MatMulNBits: expected no zero points and no group indices"));
        }
        let packed: ValueRef<'_, TensorValueType<u8>> = context.constant_input(1)?;
        let scales: ValueRef<'_, TensorValueType<f32>> = context.constant_input(2)?;
        let bias: Option<ValueRef<'_, TensorValueType<f32>>> =
            if has_input(context, 5)? { Some(context.constant_input(5)?) } else { None };
        let bias = bias.as_ref().map(|bias| bias.extract_tensor().1);
        let weights = Weights::new(format, packed.extract_tensor().1, scales.extract_tensor().1, bias)?;
        Ok(Multiplication { weights, threads: self.threads, activations: Arc::clone(&self.activations) })
    }
}

pub(super) struct Multiplication {
    weights: Weights,
    threads: usize,
    activations: Arc<Mutex<Activations>>,
}

impl Kernel for Multiplication {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let Format { d_in, d_out, .. } = self.weights.format;
        let x = Tensor::<f32>::input(context, 0)?;
        if x.shape.last().is_none_or(|&last| last as usize != d_in) {
            let shape = x.shape;
            return Err(Error::new(format!(
                "MatMulNBits: expected activations [.., {d_in}], found {shape:?}"
            )));
        }
        let (shape, axes) = with_last(x.shape, d_out);
        let product = Tensor::<f32>::output(context, 0, &shape[..axes])?;
        let mut activations = self.activations.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: inputs do not change while an operator runs, and operators are made for processors with
        // these instructions alone.
        unsafe { activations.round(x.numbers(), self.weights.format) };
        // SAFETY: ONNX Runtime keeps the product until the run has ended.
        let output = unsafe { Output::new(product.start, x.len() / d_in, d_out) };
        in_parallel(context, self.threads, self.weights.format.strips(), |strip| {
            // SAFETY: the instructions are there; every strip is taken once.
            unsafe { multiply(&self.weights, strip, &activations, &output) };
        })
    }
}
