//! LayerNorm and its gradient (<https://arxiv.org/abs/1607.06450>).

use super::columns::add_parts;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Rows of a task.
const ROWS: usize = 64;

/// `y = (x - mean) / sqrt(variance + epsilon) * scale + shift`, for each row of `x`, `[rows, d_model]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn layer_norm(
    instructions: Instructions,
    pool: &ThreadPool,
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    epsilon: f32,
    y: &mut [f32],
) {
    let width = scale.len();
    assert!(width > 0 && shift.len() == width && x.len().is_multiple_of(width) && y.len() == x.len());
    pool.run_chunks(y, ROWS * width, |task, y| {
        let rows = x[task * ROWS * width..].chunks_exact(width).zip(y.chunks_exact_mut(width));
        dispatch!(instructions, |simd| simd.vectorize(
            #[inline(always)]
            || {
                for (x, y) in rows {
                    normalise(simd, x, scale, shift, epsilon, y);
                }
            }
        ));
    });
}

/// Gradients of a LayerNorm: of `x`, `[rows, d_model]`, and of scales and shifts, `[d_model]`.
pub struct LayerNormGradients<'a> {
    /// Of the input.
    pub x: &'a mut [f32],
    /// Of the scales.
    pub scale: &'a mut [f32],
    /// Of the shifts.
    pub shift: &'a mut [f32],
}

/// Writes the gradients, given that of the output, `[rows, d_model]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn layer_norm_gradient(
    instructions: Instructions,
    pool: &ThreadPool,
    [x, gradient]: [&[f32]; 2],
    scale: &[f32],
    epsilon: f32,
    gradients: LayerNormGradients,
) {
    let width = scale.len();
    assert!(width > 0 && x.len().is_multiple_of(width) && gradient.len() == x.len());
    assert!(gradients.x.len() == x.len() && gradients.scale.len() == width && gradients.shift.len() == width);
    let task_length = ROWS * width;
    // What each task adds to the gradients of scales and shifts.
    let mut parts = vec![0.0; x.len().div_ceil(task_length) * 2 * width];
    let outputs = gradients.x.chunks_mut(task_length).zip(parts.chunks_mut(2 * width));
    pool.run_chunks(&mut outputs.collect::<Vec<_>>(), 1, |task, outputs| {
        let [(of_x, part)] = outputs else { return };
        let (of_scale, of_shift) = part.split_at_mut(width);
        let start = task * task_length;
        let inputs = x[start..].chunks_exact(width).zip(gradient[start..].chunks_exact(width));
        dispatch!(instructions, |simd| simd.vectorize(
            #[inline(always)]
            || {
                for ((x, gradient), of_x) in inputs.zip(of_x.chunks_exact_mut(width)) {
                    row_gradient(simd, [x, gradient], scale, epsilon, of_x, [of_scale, of_shift]);
                }
            }
        ));
    });
    let mut sums = vec![0.0; 2 * width];
    add_parts(&parts, &mut sums);
    gradients.scale.copy_from_slice(&sums[..width]);
    gradients.shift.copy_from_slice(&sums[width..]);
}

/// Mean and `1 / sqrt(variance + epsilon)` of a row.
#[inline(always)]
fn moments<S: Simd>(simd: S, x: &[f32], epsilon: f32) -> [S::Floats; 2] {
    let (width, zeros) = (x.len() as f32, simd.splat(0.0));
    let total = x.chunks(LANES).fold(zeros, |total, x| simd.add(total, simd.load(x)));
    let mean = simd.splat(simd.sum(total) / width);
    let mut squares = zeros;
    for x in x.chunks(LANES) {
        let centred = simd.first_of(x.len(), simd.sub(simd.load(x), mean), zeros);
        squares = simd.mul_add(centred, centred, squares);
    }
    [mean, simd.splat(1.0 / (simd.sum(squares) / width + epsilon).sqrt())]
}

#[inline(always)]
fn normalise<S: Simd>(simd: S, x: &[f32], scale: &[f32], shift: &[f32], epsilon: f32, y: &mut [f32]) {
    let [mean, inverse] = moments(simd, x, epsilon);
    let parameters = scale.chunks(LANES).zip(shift.chunks(LANES));
    for ((x, y), (scale, shift)) in x.chunks(LANES).zip(y.chunks_mut(LANES)).zip(parameters) {
        let normal = simd.mul(simd.sub(simd.load(x), mean), inverse);
        simd.store(y, simd.mul_add(normal, simd.load(scale), simd.load(shift)));
    }
}

/// With `n = (x - mean) inverse` and `h = gradient * scale`: `inverse (h - mean(h) - n mean(h n))` of `x`, and what the
/// row adds to the gradients of scales, `gradient * n`, and shifts, `gradient`.
#[inline(always)]
fn row_gradient<S: Simd>(
    simd: S,
    [x, gradient]: [&[f32]; 2],
    scale: &[f32],
    epsilon: f32,
    of_x: &mut [f32],
    [of_scale, of_shift]: [&mut [f32]; 2],
) {
    let [mean, inverse] = moments(simd, x, epsilon);
    let (mut total, mut total_normal) = (simd.splat(0.0), simd.splat(0.0));
    let normal = |x: &[f32]| simd.mul(simd.sub(simd.load(x), mean), inverse);
    let sums = of_scale.chunks_mut(LANES).zip(of_shift.chunks_mut(LANES));
    let inputs = x.chunks(LANES).zip(gradient.chunks(LANES)).zip(scale.chunks(LANES));
    for (((x, gradient), scale), (of_scale, of_shift)) in inputs.zip(sums) {
        let (normal, gradient) = (normal(x), simd.load(gradient));
        // Lanes beyond the end are 0 in the gradient.
        let scaled = simd.mul(gradient, simd.load(scale));
        total = simd.add(total, scaled);
        total_normal = simd.mul_add(scaled, normal, total_normal);
        simd.store(of_scale, simd.mul_add(gradient, normal, simd.load(of_scale)));
        simd.store(of_shift, simd.add(gradient, simd.load(of_shift)));
    }
    let width = x.len() as f32;
    let [total, total_normal] = [total, total_normal].map(|sum| simd.splat(simd.sum(sum) / width));
    let inputs = x.chunks(LANES).zip(gradient.chunks(LANES)).zip(scale.chunks(LANES));
    for (((x, gradient), scale), of_x) in inputs.zip(of_x.chunks_mut(LANES)) {
        let scaled = simd.mul(simd.load(gradient), simd.load(scale));
        let rest = simd.neg_mul_add(normal(x), total_normal, simd.sub(scaled, total));
        simd.store(of_x, simd.mul(inverse, rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 1, 2, 3, 6 has mean 3 and variance 3.5. The gradient against differences of the sum of
    /// `y * weight` in 64 bits, for rows of whole registers and less, and more rows than a task has.
    #[test]
    fn gradients_are_those_of_differences() {
        let Some(instructions) = Instructions::detect() else { return };
        let pool = ThreadPool::new(2).unwrap();
        let mut y = [0.0; 4];
        let (ones, zeros) = ([1.0; 4], [0.0; 4]);
        layer_norm(instructions, &pool, &[1.0, 2.0, 3.0, 6.0], [&ones, &zeros], 0.0, &mut y);
        for (y, expected) in y.into_iter().zip([-2.0, -1.0, 0.0, 3.0]) {
            assert!((y - expected / 3.5_f32.sqrt()).abs() < 1e-6, "{y}");
        }
        for width in [5, 16, 40] {
            let rows = ROWS + 1;
            let numbers = |count: usize, step: f32| -> Vec<f32> {
                (1..=count).map(|i| (i as f32 * step).sin()).collect()
            };
            let (x, weights) = (numbers(rows * width, 0.7), numbers(rows * width, 1.3));
            let scale = numbers(width, 2.1);
            let sum = |x: &[f64], scale: &[f64]| -> f64 {
                let row = |(x, weights): (&[f64], &[f32])| -> f64 {
                    let mean = x.iter().sum::<f64>() / width as f64;
                    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                    let normal = |x: f64| (x - mean) / (variance + 1e-5).sqrt();
                    let weighted = x.iter().zip(scale).zip(weights);
                    weighted.map(|((x, scale), weight)| normal(*x) * scale * f64::from(*weight)).sum()
                };
                x.chunks(width).zip(weights.chunks(width)).map(row).sum()
            };
            let wide = |numbers: &[f32]| -> Vec<f64> { numbers.iter().copied().map(f64::from).collect() };
            let difference = |of: &dyn Fn(f64) -> f64| (of(1e-4) - of(-1e-4)) / 2e-4;

            let [mut of_x, mut of_scale, mut of_shift] =
                [rows * width, width, width].map(|n| vec![f32::NAN; n]);
            let gradients = LayerNormGradients { x: &mut of_x, scale: &mut of_scale, shift: &mut of_shift };
            layer_norm_gradient(instructions, &pool, [&x, &weights], &scale, 1e-5, gradients);
            for i in [0, 1, width - 1, rows * width - 1] {
                let expected = difference(&|step| {
                    let mut x = wide(&x);
                    x[i] += step;
                    sum(&x, &wide(&scale))
                });
                assert!((f64::from(of_x[i]) - expected).abs() < 1e-5, "{width}, {i}: {} {expected}", of_x[i]);
            }
            for i in [0, width - 1] {
                let expected = difference(&|step| {
                    let mut scale = wide(&scale);
                    scale[i] += step;
                    sum(&wide(&x), &scale)
                });
                assert!((f64::from(of_scale[i]) - expected).abs() < 1e-4, "{} {expected}", of_scale[i]);
                let of_rows: f32 = weights.iter().skip(i).step_by(width).sum();
                assert!((of_shift[i] - of_rows).abs() < 1e-4);
            }
        }
    }
}
