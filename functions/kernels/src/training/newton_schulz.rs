//! Newton-Schulz iteration: a polynomial of a matrix that brings its singular values to about 1.
//!
//! Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024),
//! <https://kellerjordan.github.io/posts/muon/>.

use super::matrix::MatrixView;
use super::multiply::Multiplier;
use crate::thread_pool::ThreadPool;

/// Sums side by side, which the processor adds to at once.
const LANES: usize = 8;

/// What is repeated: `x (a + b x^T x + c (x^T x)^2)`.
#[derive(Clone, Copy, Debug)]
pub struct NewtonSchulz {
    /// `a`, `b` and `c`.
    pub coefficients: [f32; 3],
    /// How often.
    pub iterations: usize,
    /// What is added to the norm, by which the matrix is divided before.
    pub epsilon: f64,
}

impl NewtonSchulz {
    /// Replaces a matrix of some rows and columns.
    ///
    /// # Panics
    /// If the slice has another length, or is empty.
    pub fn run(
        &self,
        multiplier: Multiplier,
        pool: &ThreadPool,
        matrix: &mut [f32],
        [rows, columns]: [usize; 2],
    ) {
        let norm = sum_of_squares(matrix).sqrt() + self.epsilon;
        matrix.iter_mut().for_each(|number| *number = (f64::from(*number) / norm) as f32);
        let [a, b, c] = self.coefficients;
        let is_tall = rows > columns;
        let side = rows.min(columns); // products are of the smaller side
        let [mut squares, mut scaled, mut factor] = [(); 3].map(|()| vec![0.0; side * side]);
        let mut next = vec![0.0; matrix.len()];
        let multiply = |[left, right]: [MatrixView; 2], product: &mut [f32]| {
            multiplier.multiply(pool, left, right, None, product);
        };
        for _ in 0..self.iterations {
            let x = MatrixView::new(matrix, rows, columns);
            multiply(if is_tall { [x.transpose(), x] } else { [x, x.transpose()] }, &mut squares);
            for (scaled, square) in scaled.iter_mut().zip(&squares) {
                *scaled = c * square;
            }
            add_to_diagonal(&mut scaled, side, b);
            let square = |numbers| MatrixView::new(numbers, side, side);
            multiply([square(&scaled), square(&squares)], &mut factor);
            add_to_diagonal(&mut factor, side, a);
            multiply(if is_tall { [x, square(&factor)] } else { [square(&factor), x] }, &mut next);
            matrix.copy_from_slice(&next);
        }
    }
}

fn add_to_diagonal(matrix: &mut [f32], side: usize, number: f32) {
    matrix.iter_mut().step_by(side + 1).for_each(|on_diagonal| *on_diagonal += number);
}

fn sum_of_squares(numbers: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    for numbers in numbers.chunks(LANES) {
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::multiply;
    use super::*;

    /// By hand: of a matrix with one row, the singular value is its norm, 1, and becomes 2 - 1.5 + 0.5 = 1 times
    /// itself, then again; of a diagonal one, 0.6 becomes 0.6 (2 - 1.5 * 0.36 + 0.5 * 0.1296) and 0.8 becomes
    /// 0.8 (2 - 1.5 * 0.64 + 0.5 * 0.4096).
    #[test]
    fn singular_values_become_those_of_the_polynomial() {
        for multiplier in multiply::all() {
            brings_singular_values_to_one(multiplier);
        }
    }

    fn brings_singular_values_to_one(multiplier: Multiplier) {
        let run = |iterations, threads, matrix: &mut [f32], shape| {
            let iteration = NewtonSchulz { coefficients: [2.0, -1.5, 0.5], iterations, epsilon: 0.0 };
            iteration.run(multiplier, &ThreadPool::new(threads).unwrap(), matrix, shape);
        };
        let is_close = |found: &[f32], expected: &[f32]| {
            let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(close && found.len() == expected.len(), "{found:?} {expected:?}");
        };
        for shape in [[1, 2], [2, 1]] {
            let mut matrix = [6.0, 8.0];
            run(2, 2, &mut matrix, shape);
            is_close(&matrix, &[0.6, 0.8]);
        }
        for [rows, columns] in [[2, 40], [40, 2]] {
            let step = columns + 1;
            let mut matrix = vec![0.0; 80];
            (matrix[0], matrix[step]) = (3.0, 4.0);
            run(1, 1, &mut matrix, [rows, columns]);
            let mut expected = vec![0.0; 80];
            (expected[0], expected[step]) = (0.914_88, 0.995_84);
            is_close(&matrix, &expected);
        }
        let numbers = || (1..=70 * 45).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>();
        let (mut one, mut two) = (numbers(), numbers());
        run(5, 1, &mut one, [70, 45]);
        run(5, 2, &mut two, [70, 45]);
        assert_eq!(one, two);
    }
}
