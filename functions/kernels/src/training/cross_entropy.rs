//! Cross-entropy and its gradient, from one pass over the logits.

use crate::exp::exp;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Rows of a task.
const ROWS: usize = 8;

/// Returns `-mean(log softmax(logits)[target])` and writes its gradient, of the shape of `logits`,
/// `[targets, vocab_size]`.
///
/// # Panics
/// If the lengths do not fit, or a target is not below `vocab_size`.
pub fn cross_entropy(
    instructions: Instructions,
    pool: &ThreadPool,
    logits: &[f32],
    targets: &[usize],
    gradient: &mut [f32],
) -> f32 {
    let (count, length) = (targets.len(), logits.len());
    assert!(count > 0 && length.is_multiple_of(count) && length > 0 && gradient.len() == length);
    let width = length / count;
    let mut losses = vec![0.0_f64; count];
    let outputs = gradient.chunks_mut(ROWS * width).zip(losses.chunks_mut(ROWS));
    pool.run_chunks(&mut outputs.collect::<Vec<_>>(), 1, |task, outputs| {
        let [(gradient, losses)] = outputs else { return };
        let inputs = logits.chunks_exact(width).zip(targets).skip(task * ROWS);
        for (((logits, target), gradient), loss) in
            inputs.zip(gradient.chunks_exact_mut(width)).zip(losses.iter_mut())
        {
            dispatch!(instructions, |simd| simd.vectorize(
                #[inline(always)]
                || *loss = of_row(simd, logits, *target, count, gradient)
            ));
        }
    });
    (losses.iter().sum::<f64>() / count as f64) as f32
}

/// The loss of a row, and `(softmax(logits) - one_hot(target)) / count`.
#[inline(always)]
fn of_row<S: Simd>(simd: S, logits: &[f32], target: usize, count: usize, gradient: &mut [f32]) -> f64 {
    let lowest = simd.splat(f32::MIN);
    let mut greatest = lowest;
    for x in logits.chunks(LANES) {
        greatest = simd.max(simd.first_of(x.len(), simd.load(x), lowest), greatest); // without what is no number
    }
    let greatest = simd.greatest(greatest);
    let (shift, mut sums) = (simd.splat(greatest), simd.splat(0.0));
    for (x, power) in logits.chunks(LANES).zip(gradient.chunks_mut(LANES)) {
        let powers = exp(simd, simd.sub(simd.load(x), shift));
        simd.store(power, powers);
        sums = simd.add(sums, simd.first_of(x.len(), powers, simd.splat(0.0)));
    }
    let sum = simd.sum(sums);
    let factor = simd.splat(1.0 / (sum * count as f32));
    for power in gradient.chunks_mut(LANES) {
        simd.store(power, simd.mul(simd.load(power), factor));
    }
    gradient[target] -= 1.0 / count as f32;
    f64::from(sum).ln() + f64::from(greatest) - f64::from(logits[target])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(threads: usize, logits: &[f32], targets: &[usize]) -> (f32, Vec<f32>) {
        let instructions = Instructions::detect().unwrap();
        let mut gradient = vec![f32::NAN; logits.len()];
        let pool = ThreadPool::new(threads).unwrap();
        (cross_entropy(instructions, &pool, logits, targets, &mut gradient), gradient)
    }

    /// softmax([0, ln 3]) = [1/4, 3/4], so the targets 0 and 1 cost (ln 4 + ln 4/3) / 2.
    #[test]
    fn is_the_mean_surprise_with_its_gradient() {
        let (loss, gradient) = run(1, &[0.0, 3_f32.ln(), 0.0, 3_f32.ln()], &[0, 1]);
        assert!((loss - 0.836_988_2).abs() < 1e-6, "{loss}");
        for (found, expected) in gradient.iter().zip([-0.375, 0.375, 0.125, -0.125]) {
            assert!((found - expected).abs() < 1e-6, "{gradient:?}");
        }
    }

    /// Reference: sums in 64 bits, of logits whose powers would overflow.
    #[test]
    fn rows_of_any_width_on_any_threads() {
        for (rows, width) in [(1, 1), (3, 16), (19, 37)] {
            let logits: Vec<f32> = (1..=rows * width).map(|i| 200.0 * (i as f32 * 0.7).sin()).collect();
            let targets: Vec<usize> = (0..rows).map(|row| row * 5 % width).collect();
            let (loss, gradient) = run(2, &logits, &targets);
            assert_eq!((loss, gradient.clone()), run(1, &logits, &targets));
            let mut expected_loss = 0.0;
            for (row, (logits, target)) in logits.chunks(width).zip(&targets).enumerate() {
                let powers = || logits.iter().map(|x| (f64::from(*x) - 200.0).exp());
                let sum: f64 = powers().sum();
                expected_loss -= (powers().nth(*target).unwrap() / sum).ln() / rows as f64;
                for (i, power) in powers().enumerate() {
                    let expected = (power / sum - f64::from(u8::from(i == *target))) / rows as f64;
                    let found = f64::from(gradient[row * width + i]);
                    assert!((found - expected).abs() < 1e-6, "{row} {i}: {found} {expected}");
                }
            }
            assert!((f64::from(loss) - expected_loss).abs() < 1e-5 * expected_loss.max(1.0));
        }
    }

    #[test]
    fn what_is_no_number_makes_the_loss_none() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut logits = [0.5; 40];
            logits[20] = bad;
            assert!(run(1, &logits, &[3]).0.is_nan());
        }
    }
}
