//! LayerNorm of a residual connection's sum (<https://arxiv.org/abs/1607.06450>).

use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Rows of a task: less is not worth handing over.
const TASK_ROWS: usize = 4;

/// Adds `x` and `residual`, both `[rows, d_model]`, and normalises each row of the sum:
/// `sum = x + residual`, `normalised = (sum - mean) / sqrt(variance + epsilon) * scale + shift`.
///
/// `scale` and `shift` are `[d_model]`; `normalised` and `sum`, which are written, `[rows, d_model]`.
///
/// # Panics
/// If the lengths are not those.
pub fn skip_layer_norm(
    instructions: Instructions,
    pool: &ThreadPool,
    [x, residual]: [&[f32]; 2],
    [scale, shift]: [&[f32]; 2],
    epsilon: f32,
    [normalised, sum]: [&mut [f32]; 2],
) {
    let d_model = scale.len();
    assert_eq!(shift.len(), d_model, "LayerNorm: scales and shifts");
    assert!(d_model > 0 && x.len().is_multiple_of(d_model), "LayerNorm: whole rows");
    assert!([residual.len(), normalised.len(), sum.len()] == [x.len(); 3], "LayerNorm: rows in and out");
    let length = d_model * TASK_ROWS;
    let inputs = x.chunks(length).zip(residual.chunks(length));
    let outputs = normalised.chunks_mut(length).zip(sum.chunks_mut(length));
    pool.run_each(inputs.zip(outputs), |((x, residual), (normalised, sum))| {
        let inputs = x.chunks_exact(d_model).zip(residual.chunks_exact(d_model));
        let outputs = normalised.chunks_exact_mut(d_model).zip(sum.chunks_exact_mut(d_model));
        for ((x, residual), (normalised, sum)) in inputs.zip(outputs) {
            dispatch!(instructions, |simd| simd.vectorize(
                #[inline(always)]
                || normalise(simd, [x, residual], scale, shift, epsilon, normalised, sum),
            ));
        }
    });
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
    use crate::on_each::on_each;

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

    /// More rows than a task has, on two threads: each is what it is alone.
    #[test]
    fn rows_are_shared_out() {
        let Some(instructions) = Instructions::detect() else { return };
        let (width, rows) = (24, 2 * TASK_ROWS + 1);
        let numbers: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.7).sin()).collect();
        let parameters = [&numbers[..width], &numbers[width..2 * width]];
        let run = |threads: usize, x: &[f32]| {
            let (mut normalised, mut sum) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            let pool = ThreadPool::new(threads).unwrap();
            skip_layer_norm(instructions, &pool, [x, x], parameters, 0.1, [&mut normalised, &mut sum]);
            [normalised, sum]
        };
        let together = run(2, &numbers);
        for (row, x) in numbers.chunks(width).enumerate() {
            let alone = run(1, x);
            for (together, alone) in together.iter().zip(alone) {
                assert_eq!(together[row * width..][..width], alone);
            }
        }
    }
}
