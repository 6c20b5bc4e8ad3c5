//! `SkipLayerNormalization`: a sum, and the sum normalised (<https://arxiv.org/abs/1607.06450>).

use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};
use super::simd::{LANES, Simd};

pub(super) struct SkipLayerNormalization<S> {
    pub(super) simd: S,
}

impl<S: Simd> Operator for SkipLayerNormalization<S> {
    type Kernel<'attr> = Normalization<S>;

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

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Normalization<S>> {
        if !has_input(context, 3)? || has_input(context, 4)? {
            return Err(Error::new("SkipLayerNormalization: expected a shift and no bias"));
        }
        let epsilon = context
            .get::<f32>("epsilon")
            .ok_or_else(|| Error::new("SkipLayerNormalization: expected `epsilon`"))?;
        Ok(Normalization { simd: self.simd, epsilon })
    }
}

pub(super) struct Normalization<S> {
    simd: S,
    epsilon: f32,
}

impl<S: Simd> Kernel for Normalization<S> {
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
            self.simd.vectorize(
                #[inline(always)]
                || {
                    normalise(self.simd, [x, residual], scale, shift, self.epsilon, normalised, sum);
                },
            );
        }
        Ok(())
    }
}

/// A row: `sum = x + residual`, `normalised = (sum - mean) / sqrt(variance + epsilon) * scale + shift`.
#[inline(always)]
fn normalise<S: Simd>(
    simd: S,
    [x, residual]: [&[f32]; 2],
    scale: &[f32],
    shift: &[f32],
    epsilon: f32,
    normalised: &mut [f32],
    sum: &mut [f32],
) {
    let (width, zeros) = (x.len() as f32, simd.splat(0.0));
    let mut total = zeros;
    for ((x, residual), sum) in x.chunks(LANES).zip(residual.chunks(LANES)).zip(sum.chunks_mut(LANES)) {
        let added = simd.add(simd.load(x), simd.load(residual));
        total = simd.add(total, added);
        simd.store(sum, added);
    }
    let mean = simd.splat(simd.sum(total) / width);
    let mut squares = zeros;
    for sum in sum.chunks(LANES) {
        let centred = simd.first_of(sum.len(), simd.sub(simd.load(sum), mean), zeros);
        squares = simd.mul_add(centred, centred, squares);
    }
    let inverse = simd.splat(1.0 / (simd.sum(squares) / width + epsilon).sqrt());
    let parameters = scale.chunks(LANES).zip(shift.chunks(LANES));
    for ((normalised, sum), (scale, shift)) in
        normalised.chunks_mut(LANES).zip(sum.chunks(LANES)).zip(parameters)
    {
        let centred = simd.sub(simd.load(sum), mean);
        let scale = simd.mul(inverse, simd.load(scale));
        simd.store(normalised, simd.mul_add(centred, scale, simd.load(shift)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::on_each;

    /// By hand: 1 + 0, 3 + 2, 1 + 2 = 1, 5, 3: mean 3, variance 8/3. With an epsilon of 4/3 the deviation
    /// is 2: normalised -1, 1, 0; scaled by 2, 3, 4 and shifted by 10, 20, 30: 8, 23, 30.
    fn normalises_by_hand(simd: impl Simd) {
        let (mut normalised, mut sum) = ([0.0; 3], [0.0; 3]);
        let inputs: [&[f32]; 2] = [&[1.0, 3.0, 1.0], &[0.0, 2.0, 2.0]];
        let (scale, shift) = ([2.0, 3.0, 4.0], [10.0, 20.0, 30.0]);
        simd.vectorize(
            #[inline(always)]
            || normalise(simd, inputs, &scale, &shift, 4.0 / 3.0, &mut normalised, &mut sum),
        );
        assert_eq!(sum, [1.0, 5.0, 3.0]);
        for (found, expected) in normalised.into_iter().zip([8.0, 23.0, 30.0]) {
            assert!((found - expected).abs() < 1e-5_f32, "{normalised:?}");
        }
    }
    on_each!(normalises_by_hand);

    /// Whole registers and less, against sums one after the other in 64 bits.
    fn normalises_rows_of_any_width(simd: impl Simd) -> Vec<u32> {
        let mut bits = Vec::new();
        for width in [1, 15, 16, 17, 40, 64] {
            let numbers = |factor: u32| -> Vec<f32> {
                let number = |i: u32| (i.wrapping_mul(factor) as i32) as f32 / 1e9;
                (1..=width).map(number).collect()
            };
            let (x, residual, scale, shift) =
                (numbers(2_654_435_761), numbers(40_503), numbers(2_246_822_519), numbers(3_266_489_917));
            let (mut normalised, mut sum) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            simd.vectorize(
                #[inline(always)]
                || {
                    normalise(simd, [&x, &residual], &scale, &shift, 0.1, &mut normalised, &mut sum);
                },
            );
            let mean = sum.iter().copied().map(f64::from).sum::<f64>() / f64::from(width);
            let variance =
                sum.iter().map(|&sum| (f64::from(sum) - mean).powi(2)).sum::<f64>() / f64::from(width);
            for i in 0..x.len() {
                assert_eq!(sum[i], x[i] + residual[i]);
                let expected = (f64::from(sum[i]) - mean) / (variance + f64::from(0.1_f32)).sqrt()
                    * f64::from(scale[i])
                    + f64::from(shift[i]);
                assert!((f64::from(normalised[i]) - expected).abs() < 1e-5, "{width}: {normalised:?}");
            }
            bits.extend(normalised.into_iter().map(f32::to_bits));
        }
        bits
    }
    on_each!(normalises_rows_of_any_width);
}
