//! Sums of the columns of a matrix: the gradient of a bias.

use super::matrix::MatrixView;
use crate::instructions::{Instructions, dispatch};
use crate::simd::{LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Rows that a task sums up.
const ROWS: usize = 128;

/// Writes the sums of the columns of `matrix`, `[rows, columns]`, to `sums`, `[columns]`.
///
/// # Panics
/// If the matrix has other columns, or is transposed.
pub fn column_sums(instructions: Instructions, pool: &ThreadPool, matrix: MatrixView, sums: &mut [f32]) {
    assert!(matrix.columns() == sums.len() && !matrix.is_transposed(), "column sums");
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let mut parts = vec![0.0; rows.div_ceil(ROWS) * columns];
    pool.run_chunks(&mut parts, columns.max(1), |part, sums| {
        for row in part * ROWS..rows.min((part + 1) * ROWS) {
            dispatch!(instructions, |simd| simd.vectorize(
                #[inline(always)]
                || add_row(simd, matrix.line(row, 0, columns), sums)
            ));
        }
    });
    add_parts(&parts, sums);
}

/// `sums = the sum of all parts`, each as long as the sums.
pub(super) fn add_parts(parts: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for part in parts.chunks_exact(sums.len().max(1)) {
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += part;
        }
    }
}

#[inline(always)]
fn add_row<S: Simd>(simd: S, row: &[f32], sums: &mut [f32]) {
    for (row, sums) in row.chunks(LANES).zip(sums.chunks_mut(LANES)) {
        simd.store(sums, simd.add(simd.load(sums), simd.load(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_summed_up() {
        let Some(instructions) = Instructions::detect() else { return };
        let numbers: Vec<f32> = (0..300 * 20).map(|i| (i % 20) as f32).collect();
        let mut sums = [f32::NAN; 20];
        let matrix = MatrixView::new(&numbers, 300, 20);
        column_sums(instructions, &ThreadPool::new(2).unwrap(), matrix, &mut sums);
        assert_eq!(sums, std::array::from_fn(|column| 300.0 * column as f32));
    }
}
