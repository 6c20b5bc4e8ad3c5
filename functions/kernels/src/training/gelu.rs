//! Gradient of GELU in its tanh form.

use crate::exp::exp;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Numbers of a task.
const PART: usize = 1 << 14;

/// Writes the gradient of each number of `input` to `gradient`, which holds that of its GELU.
///
/// # Panics
/// If the lengths differ.
pub fn gelu_gradient(instructions: Instructions, pool: &ThreadPool, input: &[f32], gradient: &mut [f32]) {
    assert_eq!(input.len(), gradient.len(), "GELU: numbers and gradients");
    dispatch!(instructions, |simd| pool.run_chunks(gradient, PART, |part, gradient| {
        simd.vectorize(
            #[inline(always)]
            || of_part(simd, &input[part * PART..], gradient),
        );
    }));
}

/// Of `x s` with `s = 1 / (1 + e^(-2u))` and `u` as in [`gelu`](crate::gelu()): `s + x s (1 - s) 2u'`.
#[inline(always)]
fn of_part<S: Simd>(simd: S, input: &[f32], gradient: &mut [f32]) {
    const TWO_FACTOR: f32 = 1.595_769; // 2 sqrt(2 / pi)
    let (one, factor) = (simd.splat(1.0), simd.splat(TWO_FACTOR));
    let (cubic, slope) = (simd.splat(0.044_715 * TWO_FACTOR), simd.splat(3.0 * 0.044_715 * TWO_FACTOR));
    for (input, gradient) in input.chunks(LANES).zip(gradient.chunks_mut(LANES)) {
        let x = simd.load(input);
        let square = simd.mul(x, x);
        let two_u = simd.mul(x, simd.mul_add(square, cubic, factor));
        let share = simd.div(one, simd.add(one, exp(simd, simd.sub(simd.splat(0.0), two_u))));
        // x (1 - s) 2u', whose factors grow and vanish: s (1 - s) is 0 where the others are large.
        let rest = simd.mul(share, simd.sub(one, share));
        let slopes = simd.mul(x, simd.mul_add(square, slope, factor));
        let derivative = simd.mul_add(rest, slopes, share);
        simd.store(gradient, simd.mul(simd.load(gradient), derivative));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_each::on_each;

    /// Reference: the derivative of the formula in 64 bits.
    fn is_the_derivative(simd: impl Simd) -> Vec<u32> {
        let x: Vec<f32> = (-1200..=1200).map(|i| i as f32 * 0.01).collect();
        let mut found = vec![2.0; x.len()];
        simd.vectorize(
            #[inline(always)]
            || of_part(simd, &x, &mut found),
        );
        for (&x, &found) in x.iter().zip(&found) {
            let x = f64::from(x);
            let factor = (2.0 / std::f64::consts::PI).sqrt();
            let tanh = (factor * (x + 0.044715 * x.powi(3))).tanh();
            let slope = factor * (1.0 + 3.0 * 0.044715 * x * x);
            let expected = 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope;
            assert!((f64::from(found) - 2.0 * expected).abs() < 4e-6, "{x}: {found} != {expected}");
        }
        found.into_iter().map(f32::to_bits).collect()
    }
    on_each!(is_the_derivative);
}
