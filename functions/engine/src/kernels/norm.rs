//! `SkipLayerNormalization`: a sum, and the sum normalised (<https://arxiv.org/abs/1607.06450>).

use std::arch::x86_64::{
    _mm512_add_ps, _mm512_fmadd_ps, _mm512_maskz_sub_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_sub_ps,
};

use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};
use super::math::{LANES, first, load, store};

pub(super) struct SkipLayerNormalization;

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
        Ok(Normalization { epsilon })
    }
}

pub(super) struct Normalization {
    epsilon: f32,
}

impl Kernel for Normalization {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [x, residual, scale, shift] = [0, 1, 2, 3].map(|index| Tensor::<f32>::input(context, index));
        let (x, residual, scale, shift) = (x?, residual?, scale?, shift?);
        let width = scale.len();
        let ends_in_width = x.shape.last().is_some_and(|&last| last as usize == width);
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
        // SAFETY: inputs do not change while an operator runs; outputs are memory of their own, since
        // this operator does not allow that they take that of inputs.
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
        let inputs = x.chunks(width).zip(residual.chunks(width));
        let outputs = normalised.chunks_mut(width).zip(sum.chunks_mut(width));
        for ((x, residual), (normalised, sum)) in inputs.zip(outputs) {
            // SAFETY: operators are made for processors with these instructions alone.
            unsafe { normalise([x, residual], scale, shift, self.epsilon, normalised, sum) };
        }
        Ok(())
    }
}

/// A row: `sum = x + residual`, `normalised = (sum - mean) / sqrt(variance + epsilon) * scale + shift`.
#[target_feature(enable = "avx512f")]
fn normalise(
    [x, residual]: [&[f32]; 2],
    scale: &[f32],
    shift: &[f32],
    epsilon: f32,
    normalised: &mut [f32],
    sum: &mut [f32],
) {
    let width = x.len() as f32;
    let mut total = _mm512_setzero_ps();
    for ((x, residual), sum) in x.chunks(LANES).zip(residual.chunks(LANES)).zip(sum.chunks_mut(LANES)) {
        let added = _mm512_add_ps(load(x), load(residual));
        total = _mm512_add_ps(total, added);
        store(sum, added);
    }
    let mean = _mm512_set1_ps(_mm512_reduce_add_ps(total) / width);
    let mut squares = _mm512_setzero_ps();
    for sum in sum.chunks(LANES) {
        let centred = _mm512_maskz_sub_ps(first(sum.len()), load(sum), mean);
        squares = _mm512_fmadd_ps(centred, centred, squares);
    }
    let inverse = _mm512_set1_ps(1.0 / (_mm512_reduce_add_ps(squares) / width + epsilon).sqrt());
    let parameters = scale.chunks(LANES).zip(shift.chunks(LANES));
    for ((normalised, sum), (scale, shift)) in
        normalised.chunks_mut(LANES).zip(sum.chunks(LANES)).zip(parameters)
    {
        let centred = _mm512_sub_ps(load(sum), mean);
        let scale = _mm512_mul_ps(inverse, load(scale));
        store(normalised, _mm512_fmadd_ps(centred, scale, load(shift)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 1 + 0, 3 + 2, 1 + 2 = 1, 5, 3: mean 3, variance 8/3. With an epsilon of 4/3 the deviation
    /// is 2: normalised -1, 1, 0; scaled by 2, 3, 4 and shifted by 10, 20, 30: 8, 23, 30.
    #[test]
    fn normalises_by_hand() {
        if !super::super::is_supported() {
            return;
        }
        let (mut normalised, mut sum) = ([0.0; 3], [0.0; 3]);
        let inputs: [&[f32]; 2] = [&[1.0, 3.0, 1.0], &[0.0, 2.0, 2.0]];
        // SAFETY: asked for above.
        unsafe {
            normalise(inputs, &[2.0, 3.0, 4.0], &[10.0, 20.0, 30.0], 4.0 / 3.0, &mut normalised, &mut sum)
        };
        assert_eq!(sum, [1.0, 5.0, 3.0]);
        for (found, expected) in normalised.into_iter().zip([8.0, 23.0, 30.0]) {
            assert!((found - expected).abs() < 1e-5_f32, "{normalised:?}");
        }
    }
}
