//! GELU in its tanh form (<https://arxiv.org/abs/1606.08415>).

use crate::exp::exp;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Numbers of a task: less is not worth handing over.
const PART: usize = 1 << 12;

/// Writes the GELU of each number of `input` to `output`; both have the same length.
///
/// # Panics
/// If the lengths differ.
pub fn gelu(instructions: Instructions, pool: &ThreadPool, input: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "GELU: numbers in and out");
    dispatch!(instructions, |simd| pool.run_chunks(output, PART, |part, output| {
        simd.vectorize(
            #[inline(always)]
            || gelu_of_part(simd, &input[part * PART..], output),
        );
    }));
}

/// `0.5 x (1 + tanh(u)) = x / (1 + e^(-2u))` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
fn gelu_of_part<S: Simd>(simd: S, input: &[f32], output: &mut [f32]) {
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
    use crate::on_each::on_each;

    fn is_the_tanh_form(simd: impl Simd) -> Vec<u32> {
        let x: Vec<f32> = (-1200..=1200).map(|i| i as f32 * 0.01).chain([-1e30, 1e30]).collect();
        let mut found = vec![f32::NAN; x.len()];
        simd.vectorize(
            #[inline(always)]
            || gelu_of_part(simd, &x, &mut found),
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

    /// Several parts, the last one shorter, on two threads: each number is that of its part alone.
    #[test]
    fn parts_are_joined() {
        let Some(instructions) = Instructions::detect() else { return };
        let x: Vec<f32> = (0..2 * PART + 5).map(|i| i as f32 * 1e-4 - 1.5).collect();
        let (mut whole, mut parts) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        gelu(instructions, &ThreadPool::new(2).unwrap(), &x, &mut whole);
        for (x, part) in x.chunks(100).zip(parts.chunks_mut(100)) {
            gelu(instructions, &ThreadPool::new(1).unwrap(), x, part);
        }
        assert_eq!(whole, parts);
    }
}
