//! `FastGelu`: GELU in its tanh form (<https://arxiv.org/abs/1606.08415>).

use std::sync::Arc;

use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};
use super::math::exp;
use super::simd::{LANES, Simd};
use super::team::Team;

/// Numbers of a task: less is not worth handing over.
const PART: usize = 1 << 14;

pub(super) struct FastGelu<S> {
    pub(super) simd: S,
    pub(super) team: Arc<Team>,
}

impl<S: Simd> Operator for FastGelu<S> {
    type Kernel<'attr> = Gelu<S>;

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

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Gelu<S>> {
        if has_input(context, 1)? {
            return Err(ort::Error::new("FastGelu: expected no bias"));
        }
        Ok(Gelu { simd: self.simd, team: Arc::clone(&self.team) })
    }
}

pub(super) struct Gelu<S> {
    simd: S,
    team: Arc<Team>,
}

impl<S: Simd> Kernel for Gelu<S> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let input = Tensor::<f32>::input(context, 0)?;
        let output = Tensor::<f32>::output(context, 0, input.shape)?;
        let output = Parts { start: output.start, len: output.len() };
        // SAFETY: inputs do not change while an operator runs.
        let input = unsafe { input.numbers() };
        self.team.run(output.len.div_ceil(PART), |part| {
            // SAFETY: every part is taken once.
            let output = unsafe { output.part(part) };
            self.simd.vectorize(
                #[inline(always)]
                || gelu(self.simd, &input[part * PART..], output),
            );
        });
        Ok(())
    }
}

/// Numbers that several tasks write, each of them a part.
struct Parts {
    start: *mut f32,
    len: usize,
}

// SAFETY: parts do not overlap, and their number says who may write them: see `part`.
unsafe impl Sync for Parts {}

impl Parts {
    /// # Safety
    /// No part may be taken twice.
    #[allow(clippy::mut_from_ref)] // Each part is another one.
    unsafe fn part(&self, index: usize) -> &mut [f32] {
        let start = index * PART;
        assert!(start < self.len);
        // SAFETY: it lies within the numbers, and is the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), PART.min(self.len - start)) }
    }
}

/// `0.5 x (1 + tanh(u)) = x / (1 + e^(-2u))` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
fn gelu<S: Simd>(simd: S, input: &[f32], output: &mut [f32]) {
    const MINUS_TWO_FACTOR: f32 = -1.595_769; // -2 sqrt(2 / pi)
    let (one, cubic) = (simd.splat(1.0), simd.splat(0.044_715 * MINUS_TWO_FACTOR));
    let linear = simd.splat(MINUS_TWO_FACTOR);
    for (input, output) in input.chunks(LANES).zip(output.chunks_mut(LANES)) {
        let x = simd.load(input);
        let factor = simd.mul_add(simd.mul(x, x), cubic, linear);
        let power = exp(simd, simd.mul(x, factor));
        simd.store(output, simd.div(x, simd.add(one, power)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::on_each;

    fn is_the_tanh_form(simd: impl Simd) -> Vec<u32> {
        let x: Vec<f32> = (-1200..=1200).map(|i| i as f32 * 0.01).chain([-1e30, 1e30]).collect();
        let mut found = vec![f32::NAN; x.len()];
        simd.vectorize(
            #[inline(always)]
            || gelu(simd, &x, &mut found),
        );
        for (&x, &found) in x.iter().zip(&found) {
            let wide = f64::from(x);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let expected = (0.5 * wide * (1.0 + u.tanh())) as f32;
            assert!(
                (found - expected).abs() <= 5e-7 * x.abs().clamp(1.0, 20.0),
                "gelu({x}): {found} != {expected}"
            );
        }
        found.into_iter().map(f32::to_bits).collect()
    }
    on_each!(is_the_tanh_form);
}
