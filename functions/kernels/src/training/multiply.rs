//! Products of float32 matrices, by AMX or in SIMD registers.

use super::matrix::MatrixView;
use super::output::Output;
use super::{registers, tiles};
use crate::instructions::{Instructions, dispatch};
use crate::simd::Bf16;
use crate::thread_pool::ThreadPool;

/// Multiplies float32 matrices. By AMX, each number counts with its first 16 significant bits of 24; in SIMD registers,
/// with all of them. Sums are float32's.
///
/// Not a number, and infinite ones, make their products not a number.
#[derive(Clone, Copy)]
pub struct Multiplier(Unit);

#[derive(Clone, Copy)]
enum Unit {
    Tiles(Bf16),
    Registers(Instructions),
}

impl Multiplier {
    /// By AMX for bf16 if this processor has that, else with these instructions.
    pub fn new(instructions: Instructions) -> Self {
        Self(Bf16::detect().map_or(Unit::Registers(instructions), Unit::Tiles))
    }

    /// `product = left right + bias`, the bias, `[columns]`, added to each row.
    ///
    /// # Panics
    /// If the shapes do not fit, or nothing is to be summed up.
    pub fn multiply(
        self,
        pool: &ThreadPool,
        left: MatrixView,
        right: MatrixView,
        bias: Option<&[f32]>,
        product: &mut [f32],
    ) {
        let columns = right.columns();
        assert_eq!(product.len(), left.rows() * columns, "product: numbers");
        assert!(bias.is_none_or(|bias| bias.len() == columns), "product: biases");
        self.run(Some(pool), left, right, Output { numbers: product, stride: columns, bias });
    }

    /// `product = left right`, on this thread alone.
    pub(super) fn multiply_here(self, left: MatrixView, right: MatrixView, output: Output) {
        self.run(None, left, right, output);
    }

    fn run(self, pool: Option<&ThreadPool>, left: MatrixView, right: MatrixView, output: Output) {
        let (rows, depth, columns) = (left.rows(), left.columns(), right.columns());
        assert!(
            right.rows() == depth && depth > 0,
            "product: [{rows}, {depth}] [{}, {columns}]",
            right.rows()
        );
        match self.0 {
            Unit::Tiles(bf16) => tiles::multiply(bf16, pool, left, right, output),
            Unit::Registers(instructions) => {
                dispatch!(instructions, |simd| registers::multiply(simd, pool, left, right, output));
            }
        }
    }
}

/// All ways in which this processor can multiply.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = Multiplier> {
    use crate::instructions::Detected;
    use crate::simd::{Avx2, Avx512, Simd as _};
    let registers = [Avx2::detect().map(Detected::Avx2), Avx512::detect().map(Detected::Avx512)];
    let registers = registers.map(|found| found.map(|found| Unit::Registers(Instructions(found))));
    let [avx2, avx512] = registers;
    [Bf16::detect().map(Unit::Tiles), avx2, avx512].into_iter().flatten().map(Multiplier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, step: f32) -> Vec<f32> {
        (1..=count).map(|i| (i as f32 * step).sin()).collect()
    }

    /// Shapes with and without rests, each factor as it is and transposed, with and without biases, on one and two
    /// threads and here, against sums in 64 bits.
    #[test]
    fn products_are_those_of_matrices() {
        for [rows, depth, columns] in
            [[1, 1, 1], [32, 32, 32], [33, 65, 40], [70, 31, 130], [5, 100, 64], [9, 450, 70]]
        {
            let (a, b, bias) =
                (numbers(rows * depth, 0.7), numbers(depth * columns, 1.3), numbers(columns, 2.1));
            for (turned, multiplier) in (0..4).flat_map(|turned| all().map(move |unit| (turned, unit))) {
                let (turns_left, turns_right) = (turned & 1 > 0, turned & 2 > 0);
                let view = |numbers, turns, rows, columns| match turns {
                    false => MatrixView::new(numbers, rows, columns),
                    true => MatrixView::new(numbers, columns, rows).transpose(),
                };
                let (left, right) =
                    (view(&a, turns_left, rows, depth), view(&b, turns_right, depth, columns));
                let mut found = [(); 4].map(|()| vec![f32::NAN; rows * columns]);
                let [one, two, biased, here] = &mut found;
                multiplier.multiply(&ThreadPool::new(1).unwrap(), left, right, None, one);
                multiplier.multiply(&ThreadPool::new(2).unwrap(), left, right, None, two);
                multiplier.multiply(&ThreadPool::new(2).unwrap(), left, right, Some(&bias), biased);
                multiplier.multiply_here(left, right, Output { numbers: here, stride: columns, bias: None });
                for i in 0..rows {
                    for j in 0..columns {
                        let product = |k: usize| {
                            let a = if turns_left { a[k * rows + i] } else { a[i * depth + k] };
                            let b = if turns_right { b[j * depth + k] } else { b[k * columns + j] };
                            f64::from(a) * f64::from(b)
                        };
                        let expected: f64 = (0..depth).map(product).sum();
                        let at = i * columns + j;
                        let bits = if matches!(multiplier.0, Unit::Tiles(_)) { 17 } else { 22 };
                        let bound = depth as f64 / f64::from(1 << bits);
                        let difference = (f64::from(found[0][at]) - expected).abs();
                        assert!(difference < bound, "{i} {j}: {difference}");
                        assert_eq!([found[1][at], found[3][at]], [found[0][at]; 2]);
                        let difference = (found[2][at] - found[0][at] - bias[j]).abs();
                        assert!(f64::from(difference) < bound, "{i} {j}: {difference}");
                    }
                }
            }
        }
    }

    /// Columns of a wider matrix: those beside them stay as they are.
    #[test]
    fn products_go_where_they_belong() {
        for multiplier in all() {
            let (left, right) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
            let mut numbers = [0.5; 8];
            let [left, right] = [&left, &right].map(|numbers| MatrixView::new(numbers, 2, 2));
            multiplier.multiply_here(
                left,
                right,
                Output { numbers: &mut numbers[1..7], stride: 4, bias: None },
            );
            assert_eq!(numbers, [0.5, 19.0, 22.0, 0.5, 0.5, 43.0, 50.0, 0.5]);
        }
    }

    #[test]
    #[should_panic(expected = "product: [2, 3] [2, 3]")]
    fn shapes_must_fit() {
        let numbers = [0.0; 6];
        let matrix = MatrixView::new(&numbers, 2, 3);
        let multiplier = Multiplier::new(Instructions::detect().unwrap());
        multiplier.multiply(&ThreadPool::new(1).unwrap(), matrix, matrix, None, &mut [0.0; 6]);
    }
}
